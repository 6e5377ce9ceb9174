"""Telegram's updates, without loss: asked for, committed as they came, and only then confirmed.

The library's own polling confirms what is still in memory, stops for ever at a refused token, and stands still at an
update it cannot read. Here the next question, which is what confirms, is asked after the commit; nothing is parsed; and
no answer of Telegram ends the loop. What the updates mean is :mod:`bridge.telegram.updates.processor`'s business.
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import structlog

from bridge.errors import StoreError
from bridge.model.base import SECOND, Ms
from bridge.model.chat import StoredUpdate
from bridge.ports.clock import Clock
from bridge.ports.store import Store
from bridge.telegram.client.api import LONG_POLL, Api
from bridge.telegram.client.errors import ApiError, FailureKind
from bridge.telegram.updates.connection import TelegramConnection
from bridge.telegram.updates.webhook import is_ours

log = structlog.get_logger()

SHORTEST_POLL: Ms = 1 * SECOND


class UpdatePoller:
    """One poller for one bot."""

    def __init__(self, *, api: Api, store: Store, clock: Clock, link: TelegramConnection) -> None:
        self._api = api
        self._store = store
        self._clock = clock
        self._link = link
        self._offset: int | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.step()
            except ApiError as error:
                await self._failed(error)
            except StoreError as error:
                await self._link.not_stored(error)

    async def step(self) -> None:
        """One question. The offset moves only over what is committed, so the next question confirms nothing else.

        After an empty answer there is nothing left to confirm and the next question names no offset: ids start anew,
        possibly lower, after a quiet week, and an old offset would confirm such updates unseen.
        """
        asked = self._clock.monotonic()
        # The first question is a short one, or half a minute would pass before anybody learnt that Telegram is there.
        first = not self._link.connected
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
        await self._link.well(now)
        if not (updates or first) and self._clock.monotonic() - asked < SHORTEST_POLL:
            # Whoever answered that did not wait for updates: do not ask him as fast as he answers.
            await self._clock.sleep(SHORTEST_POLL)

    async def _failed(self, error: ApiError) -> None:
        if error.kind is not FailureKind.WEBHOOK:
            await self._link.failed(error)
            return
        try:
            url = (await self._api.webhook()).url
            if is_ours(url):
                # Left by an earlier `updates: webhook`. What waits for it is not dropped: it comes with the next poll.
                await self._api.remove_webhook()
                log.info("webhook_removed")
                return
        except ApiError as other:
            await self._link.failed(other)
            return
        # Another program's: to take it away would cut that program off, so a person decides.
        await self._link.failed(error, {"host": urlsplit(url).hostname or "?"})
