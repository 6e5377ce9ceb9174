"""Telegram's updates, brought by Telegram: committed as they came, and only then answered with 200.

:class:`Webhook` takes what the web listener was given; :class:`WebhookWatch` keeps Telegram told where to call. The
library's own webhook answers from memory. Nothing here knows HTTP (:mod:`bridge.web.webhook` does), and nothing is
parsed but the id: what the updates mean is :mod:`bridge.telegram.updates.processor`'s business.
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr

from bridge.errors import BridgeError, StoreError
from bridge.model.base import MINUTE, Ms
from bridge.model.chat import StoredUpdate
from bridge.ports.clock import Clock
from bridge.ports.updates import UpdateStore
from bridge.telegram.client.api import Api, WebhookState, update_id_of
from bridge.telegram.client.errors import ApiError, FailureKind
from bridge.telegram.updates.connection import TelegramConnection

log = structlog.get_logger()

PATH = "/telegram/sms-bridge"
"""Below ``web.public_url``. Distinct, so that a start with ``updates: polling`` knows a webhook of ours."""
CHECK: Ms = 1 * MINUTE
"""How often Telegram is asked how its calls go."""
CONTESTED: Ms = 10 * MINUTE
"""So long the address must have stayed ours before nobody else is said to change it."""


def address(public_url: str) -> str:
    """What Telegram is told to call."""
    return public_url.rstrip("/") + PATH


def is_ours(url: str) -> bool:
    return urlsplit(url).path.endswith(PATH)


class NoUpdate(BridgeError):
    """What was brought is not an update and never will be."""


class Webhook:
    """Where the web listener puts what it was brought. Works without Telegram's side running: the tables carry on."""

    def __init__(self, *, bot_id: int, store: UpdateStore, clock: Clock, link: TelegramConnection) -> None:
        self._bot_id = bot_id
        self._store = store
        self._clock = clock
        self._link = link

    async def take(self, body: bytes) -> None:
        """On disk when it returns; what was there already stays as it is.

        :raises NoUpdate: refuse it. :raises StoreError: nothing is stored, Telegram must bring it again.
        """
        try:
            raw = body.decode("utf-8")
            update_id = update_id_of(json.loads(raw))
        except (ValueError, RecursionError):
            update_id = None
        if update_id is None:
            raise NoUpdate("not an update")
        now = self._clock.now()
        await self._store.store_updates(self._bot_id, [StoredUpdate(update_id=update_id, raw=raw, received_at=now)])
        self._link.brought(now)


class WebhookWatch:
    """Tells Telegram where to call, and asks now and then whether it can."""

    def __init__(self, *, api: Api, url: str, secret: SecretStr, clock: Clock, link: TelegramConnection) -> None:
        self._api = api
        self._url = url
        self._secret = secret
        self._clock = clock
        self._link = link
        self._set_at: Ms | None = None
        self._contested_at: Ms | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.step()
            except ApiError as error:
                await self._link.failed(error)
            except StoreError as error:
                await self._link.not_stored(error)
            else:
                await self._clock.sleep(CHECK)

    async def step(self) -> None:
        """One look. :raises ApiError: also where Telegram says that its calls fail."""
        now = self._clock.now()
        if self._set_at is None:
            # At each start and whatever is set there: the secret, which nobody can read back, may have changed.
            await self._register()
            await self._link.well(now)
            return
        state = await self._api.webhook()
        if state.url != self._url:
            self._contested_at = now
            await self._register()
            log.warning("webhook_was_changed", host=urlsplit(state.url).hostname or "")
        if self._contested_at is not None and now - self._contested_at < CONTESTED:
            raise ApiError(FailureKind.CONFLICT, "the webhook was changed by another program")
        self._contested_at = None
        if failing(state, max(self._set_at, self._link.brought_at)):
            raise ApiError(FailureKind.NOT_CALLED, state.error)
        await self._link.well(now)

    async def _register(self) -> None:
        await self._api.set_webhook(self._url, self._secret)
        self._set_at = self._clock.now()
        log.info("webhook_set", host=urlsplit(self._url).hostname or "")


def failing(state: WebhookState, since: Ms) -> bool:
    """Something waits, and an attempt to bring it failed after the last one that is known to have gone well."""
    return bool(state.waiting) and state.error_at is not None and state.error_at >= since
