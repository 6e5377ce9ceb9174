"""Takes Telegram's updates in without loss: stores them as they came, and confirms them only after the commit.

Either :class:`UpdatePoller` asks for them, or Telegram brings them: :class:`Webhook` stores those that the web listener
received, and :class:`WebhookWatch` tells Telegram where to call. The library's own polling and webhook are not used:
they confirm updates that are only in memory. Its polling also ends at a refused token and stops at an update that it
cannot read. Here only the update's id is parsed; :mod:`bridge.telegram.updates.processor` reads the rest.
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr

from bridge.errors import BridgeError, StoreError
from bridge.model.base import MINUTE, SECOND, Ms
from bridge.model.chat import StoredUpdate
from bridge.pipeline.services import Services
from bridge.ports.clock import Clock
from bridge.telegram.client.api import LONG_POLL, Api, WebhookState, update_id_of
from bridge.telegram.client.errors import ApiError, FailureKind
from bridge.telegram.updates.connection import TelegramConnection

log = structlog.get_logger()

SHORTEST_POLL: Ms = 1 * SECOND
"""After an empty answer that came sooner, the poller waits this long."""
WEBHOOK_PATH = "/telegram/sms-bridge"
"""Path of the webhook below ``web.public_url``. No other program uses it, so polling recognises a webhook of ours."""
CHECK_EVERY: Ms = 1 * MINUTE
"""Time between two checks of the webhook."""
UNCONTESTED_FOR: Ms = 10 * MINUTE
"""The webhook must stay ours for this time before the alert about another program is cleared."""

# ------------------------------------------------ polling


class UpdatePoller:
    """Asks Telegram for the updates of one bot."""

    def __init__(self, api: Api, services: Services, connection: TelegramConnection) -> None:
        self._api = api
        self._store = services.store
        self._clock = services.clock
        self._connection = connection
        self._offset: int | None = None

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            try:
                await self.step()
            except ApiError as error:
                await self._failed(error)
            except StoreError as error:
                await self._connection.not_stored(error)

    async def step(self) -> None:
        """Polls once and stores the answer. The offset of the next poll confirms only updates that are committed.

        After an empty answer there is nothing to confirm, and the next poll has no offset. After a quiet week Telegram
        numbers updates anew, possibly with lower numbers, and an old offset would confirm those before they are seen.
        """
        asked_at = self._clock.monotonic()
        # The first poll is short: a long one would take half a minute to show that Telegram is there.
        first = not self._connection.connected
        updates = await self._api.updates(self._offset, 0 if first else LONG_POLL)
        now = self._clock.now()
        if updates:
            rows = [
                StoredUpdate(update_id=update["update_id"], raw=json.dumps(update, ensure_ascii=False), received_at=now)
                for update in updates
            ]
            await self._store.store_updates(self._api.bot_id, rows)
            self._offset = max(row.update_id for row in rows) + 1
        else:
            self._offset = None
        await self._connection.succeeded(now)
        if not (updates or first) and self._clock.monotonic() - asked_at < SHORTEST_POLL:
            # Without the pause, a server that does not wait for updates would be polled as fast as it answers.
            await self._clock.sleep(SHORTEST_POLL)

    async def _failed(self, error: ApiError) -> None:
        if error.kind is not FailureKind.WEBHOOK:
            await self._connection.failed(error)
            return
        try:
            url = (await self._api.webhook()).url
            if is_ours(url):
                # An earlier start with `updates: webhook` set it. The updates that wait come with the next poll.
                await self._api.remove_webhook()
                log.info("webhook_removed")
                return
        except ApiError as other:
            await self._connection.failed(other)
            return
        # Removing another program's webhook would cut that program off: a person decides.
        await self._connection.failed(error, {"host": urlsplit(url).hostname or "?"})


# ------------------------------------------------ webhook


def address(public_url: str) -> str:
    """The URL that Telegram calls."""
    return public_url.rstrip("/") + WEBHOOK_PATH


def is_ours(url: str) -> bool:
    """True if a start with ``updates: webhook`` set this URL."""
    return urlsplit(url).path.endswith(WEBHOOK_PATH)


class NoUpdate(BridgeError):
    """The body is not an update, so it need not be sent again."""


class Webhook:
    """Stores the updates that the web listener received. It works even while nothing else of the Telegram side runs."""

    def __init__(self, bot_id: int, services: Services, connection: TelegramConnection) -> None:
        self._bot_id = bot_id
        self._store = services.store
        self._clock = services.clock
        self._connection = connection

    async def take(self, body: bytes) -> None:
        """Stores an update. One that is stored already stays as it is.

        :raises NoUpdate: the body must be refused.
        :raises StoreError: nothing is stored, and Telegram must bring it again.
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
        self._connection.brought(now)


class WebhookWatch:
    """Tells Telegram where to call, and checks once a minute that its calls succeed."""

    def __init__(self, *, api: Api, url: str, secret: SecretStr, clock: Clock, connection: TelegramConnection) -> None:
        self._api = api
        self._url = url
        self._secret = secret
        self._clock = clock
        self._connection = connection
        self._set_at: Ms | None = None
        self._contested_at: Ms | None = None
        """When the webhook last had another URL."""

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            try:
                await self.step()
            except ApiError as error:
                await self._connection.failed(error)
            except StoreError as error:
                await self._connection.not_stored(error)
            else:
                await self._clock.sleep(CHECK_EVERY)

    async def step(self) -> None:
        """Checks once. :raises ApiError: the check failed, or Telegram's calls fail."""
        now = self._clock.now()
        if self._set_at is None:
            # Set at every start, even if the URL is right: the secret may have changed, and cannot be read back.
            await self._register()
            await self._connection.succeeded(now)
            return
        state = await self._api.webhook()
        if state.url != self._url:
            self._contested_at = now
            await self._register()
            log.warning("webhook_changed", host=urlsplit(state.url).hostname or "")
        if self._contested_at is not None and now - self._contested_at < UNCONTESTED_FOR:
            raise ApiError(FailureKind.CONFLICT, "the webhook was changed by another program")
        self._contested_at = None
        if failing(state, max(self._set_at, self._connection.brought_at)):
            raise ApiError(FailureKind.NOT_CALLED, state.error)
        await self._connection.succeeded(now)

    async def _register(self) -> None:
        await self._api.set_webhook(self._url, self._secret)
        self._set_at = self._clock.now()
        log.info("webhook_set", host=urlsplit(self._url).hostname or "")


def failing(state: WebhookState, since: Ms) -> bool:
    """True if updates wait and a call failed after ``since``, when a call last worked."""
    return bool(state.waiting) and state.error_at is not None and state.error_at >= since
