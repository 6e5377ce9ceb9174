"""Processes stored updates one by one, in the order they came: parses each, hands it to the handlers, marks it done.

An update that cannot be parsed or handled is parked with its error. The team is told, and the next one is processed.
While the store is away the same update is tried again. Its effects are keyed, so none happens twice.
"""

from __future__ import annotations

import json

import structlog
from telegram import Update

from bridge.errors import StoreUnavailable
from bridge.model.alert import Alert
from bridge.model.base import DAY, HOUR, Ms
from bridge.model.chat import StoredUpdate, UpdateState
from bridge.pipeline.services import Services
from bridge.pipeline.worker import IDLE, run_steps
from bridge.telegram.client.api import Api, Context

log = structlog.get_logger()

BATCH = 50
PURGE_BATCH = 1_000
KEEP_DONE: Ms = 7 * DAY
"""How long a processed update is kept, so that people can look at it. Telegram itself keeps an unconfirmed update for a
day."""


class UpdateProcessor:
    def __init__(self, api: Api, services: Services) -> None:
        self._api = api
        self._store = services.store
        self._signals = services.signals
        self._clock = services.clock
        self._error: Exception | None = None
        """The error that a handler raised. The library tells it only to an error handler."""
        self._purged_at: Ms = 0
        api.application.add_error_handler(self._note_error)

    async def run(self) -> None:
        """Runs until cancelled; waits while the store is away."""
        await run_steps("telegram updates", self.step, self._signals.updates, self._clock)

    async def step(self) -> Ms:
        pending = await self._store.pending_updates(self._api.bot_id, limit=BATCH)
        for stored in pending:
            await self._process(stored)
        await self._purge()
        return 0 if pending else IDLE

    async def _process(self, stored: StoredUpdate) -> None:
        """Processes one update and marks it done or parked.

        :raises StoreUnavailable: the update stays pending and comes first next time.
        """
        try:
            update = Update.de_json(json.loads(stored.raw), self._api.bot)
        except Exception as error:  # the library checks little, and raises errors of any class
            await self._park(stored, error)
            return
        self._error = None
        await self._api.application.process_update(update)
        failure = self._handler_error()
        if isinstance(failure, StoreUnavailable):
            raise failure
        if failure is not None:
            await self._park(stored, failure)
            return
        await self._store.finish_update(self._api.bot_id, stored.update_id, UpdateState.DONE, "", self._clock.now())

    def _handler_error(self) -> Exception | None:
        # A method: mypy would take the attribute for None, as it was set before the handlers ran.
        return self._error

    async def _note_error(self, update: object, context: Context) -> None:
        self._error = context.error

    async def _park(self, stored: StoredUpdate, error: Exception) -> None:
        now = self._clock.now()
        # Only the class: the message may quote what a person wrote.
        error_class = type(error).__name__
        log.error("update_parked", update_id=stored.update_id, error_class=error_class)
        await self._store.finish_update(self._api.bot_id, stored.update_id, UpdateState.PARKED, error_class, now)
        alert = Alert(
            key=f"update_parked:{self._api.bot_id}:{stored.update_id}",
            text="alert.update_parked",
            params={"update_id": stored.update_id, "error": error_class},
        )
        await self._store.raise_alert(alert, now)

    async def _purge(self) -> None:
        """Deletes processed updates once an hour."""
        now = self._clock.now()
        if abs(now - self._purged_at) < HOUR:
            return
        if await self._store.purge_updates(now - KEEP_DONE, limit=PURGE_BATCH) < PURGE_BATCH:
            self._purged_at = now
