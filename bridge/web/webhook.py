"""Answers Telegram's webhook: checks that the caller is Telegram, and stores the update.

The answer is 200 only after ``take`` has returned, which means "on disk". It is 503 if the update could not be stored;
then Telegram repeats it. Only the owner of ``take`` reads the update. This module must not log, keep or return any part
of it.
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

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
MAX_UPDATE = 1 << 20
"""Most bytes of an update. Real ones are far smaller."""
BODY_TIMEOUT = 10.0
"""Seconds within which a body has to arrive."""


class WebhookEndpoint:
    """Handles the webhook of one bot. Without a secret in the settings all calls are refused."""

    def __init__(
        self,
        *,
        path: str,
        secret: SecretStr,
        take: Callable[[bytes], Awaitable[None]],
        refusal: type[BridgeError],
    ) -> None:
        """``take`` stores a body, and raises ``refusal`` if the body is no update."""
        self.path = path
        self._secret = secret.get_secret_value().encode()
        self._take = take
        self._refusal = refusal
        self._throttled_log = ThrottledLog()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call. Raises only on cancellation."""
        given = request.headers.get(SECRET_HEADER, "").encode("utf-8", "surrogateescape")
        if not self._secret or not same_secret(given, self._secret):
            # A call without the secret may be a stranger's, so its body is not read.
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
            # The text of the exception may quote the update, so only its class is logged. Telegram repeats the update.
            log.error("webhook_failed", error=type(error).__name__)
            return plain(500)
        return plain(200)

    async def _body(self, request: web.Request) -> bytes | int:
        """The body, or the status that refuses it."""
        if (request.content_length or 0) > MAX_UPDATE:
            return 413
        try:
            async with asyncio.timeout(BODY_TIMEOUT):
                return await request.read()
        except web.HTTPRequestEntityTooLarge:
            return 413
        except Exception:
            # Cut off, too slow, or no HTTP: there is no body.
            return 400
