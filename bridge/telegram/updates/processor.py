"""Stored updates, one after the other in the order they came: parsed, handed to the library's handlers, marked done.

An update that cannot be parsed or handled is parked with its error and the team is told; the ones behind it go on. When
the store is away the same update is tried again: its effects are keyed, so what was done is not done twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import structlog
from telegram import Update
from telegram.ext import ContextTypes

from bridge.errors import StoreUnavailable
from bridge.model.alert import Alert
from bridge.model.base import DAY, HOUR, Ms
from bridge.model.chat import StoredUpdate, UpdateState
from bridge.pipeline.signals import Signals
from bridge.pipeline.worker import IDLE, run_steps
from bridge.ports.clock import Clock
from bridge.ports.store import Store
from bridge.telegram.client.api import Api

log = structlog.get_logger()

BATCH = 50
PURGED_AT_ONCE = 1_000
KEPT: Ms = 7 * DAY
"""Telegram itself keeps what was not confirmed for a day; a week of done ones answers most questions of a person."""


class UpdateProcessor:
    def __init__(self, *, api: Api, store: Store, signals: Signals, clock: Clock) -> None:
        self._api = api
        self._store = store
        self._signals = signals
        self._clock = clock
        self._error: Exception | None = None
        self._purged_at: Ms = 0
        api.application.add_error_handler(self._note_error)

    async def run(self) -> None:
        """Until cancelled. :raises nothing: the store being away is waited out."""
        await run_steps("telegram updates", self.step, self._signals.updates, self._clock)

    async def step(self) -> Ms:
        pending = await self._store.pending_updates(self._api.bot_id, limit=BATCH)
        for stored in pending:
            await self._one(stored)
        await self._purge()
        return 0 if pending else IDLE

    async def _one(self, stored: StoredUpdate) -> None:
        """:raises StoreUnavailable: the update stays as it is and comes first next time."""
        try:
            update = parsed(stored.raw, self._api)
        except Exception as unreadable:  # whatever the library trips over, it must not stop what stands behind
            await self._park(stored, unreadable)
            return
        self._error = None
        await self._api.application.process_update(update)
        failed = self._handler_error()
        if isinstance(failed, StoreUnavailable):
            raise failed
        if failed is not None:
            await self._park(stored, failed)
            return
        await self._store.finish_update(self._api.bot_id, stored.update_id, UpdateState.DONE, "", self._clock.now())

    def _handler_error(self) -> Exception | None:
        return self._error

    async def _note_error(self, update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
        """The library keeps a handler's exception to itself unless somebody asks for it."""
        self._error = context.error

    async def _park(self, stored: StoredUpdate, error: Exception) -> None:
        now = self._clock.now()
        # The class alone: a parser's message may quote what somebody wrote.
        what = type(error).__name__
        log.error("update_parked", update_id=stored.update_id, error_class=what)
        await self._store.finish_update(self._api.bot_id, stored.update_id, UpdateState.PARKED, what, now)
        alert = Alert(
            key=f"update_parked:{self._api.bot_id}:{stored.update_id}",
            text="alert.update_parked",
            params={"update_id": stored.update_id, "error": what},
        )
        await self._store.raise_alert(alert, now)

    async def _purge(self) -> None:
        now = self._clock.now()
        if abs(now - self._purged_at) < HOUR:
            return
        if await self._store.purge_updates(now - KEPT, limit=PURGED_AT_ONCE) < PURGED_AT_ONCE:
            self._purged_at = now


def parsed(raw: str, api: Api) -> Update:
    """:raises Exception: of any class; the library checks little and trips where it may."""
    data: Mapping[str, Any] = json.loads(raw)
    return Update.de_json(dict(data), api.bot)
