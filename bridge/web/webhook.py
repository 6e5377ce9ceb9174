"""Telegram's webhook: is it Telegram that calls, and what is it answered.

200 is answered only after ``take`` has returned, which means "on disk". 503 where it could not be stored: Telegram
brings the same update again. What an update is, is the business of whoever passes ``take`` in; this module must not
log, keep or answer any part of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from pydantic import SecretStr

from bridge.errors import BridgeError, StoreError
from bridge.web.access import same_secret
from bridge.web.answers import plain
from bridge.web.throttled_log import ThrottledLog

log = structlog.get_logger()

HEADER = "X-Telegram-Bot-Api-Secret-Token"
LARGEST = 1 << 20
"""Bytes of an update; those that people can cause are far smaller."""
PATIENCE = 10.0
"""Seconds for a body to arrive."""


class WebhookEndpoint:
    """The handler of one bot's address. Without a secret in the settings nobody gets in."""

    def __init__(
        self,
        *,
        path: str,
        secret: SecretStr,
        take: Callable[[bytes], Awaitable[None]],
        refusal: type[BridgeError],
    ) -> None:
        """``refusal`` is what ``take`` raises at what will never be an update."""
        self.path = path
        self._secret = secret.get_secret_value().encode()
        self._take = take
        self._refusal = refusal
        self._throttled_log = ThrottledLog()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call; raises nothing but cancellation."""
        given = request.headers.get(HEADER, "").encode("utf-8", "surrogateescape")
        if not self._secret or not same_secret(given, self._secret):
            # The body of a stranger is not read at all.
            self._throttled_log.warning("webhook_secret_refused", remote=request.remote)
            return plain(403, close=True)
        body = await self._body(request)
        if not isinstance(body, bytes):
            return plain(body, close=True)
        try:
            await self._take(body)
        except self._refusal:
            self._throttled_log.warning("webhook_refused", remote=request.remote)
            return plain(400)
        except StoreError as error:
            self._throttled_log.warning("webhook_not_stored", error=type(error).__name__)
            return plain(503)
        except Exception as error:
            # Nothing of the exception's text may go anywhere: it can quote the update. Telegram brings it again.
            log.error("webhook_failed", error=type(error).__name__)
            return plain(500)
        return plain(200)

    async def _body(self, request: web.Request) -> bytes | int:
        """The body, or the status that refuses it."""
        if (request.content_length or 0) > LARGEST:
            return 413
        try:
            async with asyncio.timeout(PATIENCE):
                return await request.read()
        except web.HTTPRequestEntityTooLarge:
            return 413
        except Exception:
            # Cut off, too slow, or no HTTP: whatever aiohttp makes of it, there is no body.
            return 400
