"""Telegram's updates, without loss: asked for, committed as they came, and only then confirmed.

The library's own polling confirms what is still in memory, stops for ever at a refused token, and stands still at an
update it cannot read. Here the next question, which is what confirms, is asked after the commit; nothing is parsed; and
no answer of Telegram ends the loop. What the updates mean is :mod:`bridge.telegram.processing`'s business.
"""

from __future__ import annotations

import json
import random
from typing import Protocol

import structlog

from bridge.errors import StoreError
from bridge.model import ADMIN_CHAT, MINUTE, SECOND, Alert, Ms, NewPost, PostKind, PostPriority, StoredUpdate
from bridge.pipeline.retry import backoff
from bridge.pipeline.signals import Signals
from bridge.pipeline.worker import Never
from bridge.ports import AccountStore, ChatStore, Clock, QueryStore, UpdateStore
from bridge.telegram.api import LONG_POLL, Api
from bridge.telegram.trouble import ApiError, Trouble

log = structlog.get_logger()

LONGEST_WAIT: Ms = 30 * SECOND
SHORTEST_POLL: Ms = 1 * SECOND
WORTH_TELLING: Ms = 1 * MINUTE
"""An outage shorter than that is the network's daily life and no news for the team."""

_ALERTS = {
    Trouble.UNAUTHORISED: ("telegram:unauthorised", "alert.telegram_unauthorised"),
    Trouble.CONFLICT: ("telegram:conflict", "alert.telegram_conflict"),
}


class IntakeStore(UpdateStore, ChatStore, AccountStore, QueryStore, Protocol):
    """The parts of the store that taking updates in needs."""


class Intake:
    """One poller for one bot."""

    def __init__(self, *, api: Api, store: IntakeStore, signals: Signals, clock: Clock) -> None:
        self._api = api
        self._store = store
        self._signals = signals
        self._clock = clock
        self._offset: int | None = None
        self._failures = 0
        self._trouble: Trouble | None = None
        self._away_since: Ms | None = None
        self._open: set[Trouble] = set(_ALERTS)
        """Alerts that may be open; those of an earlier run are closed with the first success."""
        self._told: set[Trouble] = set()
        """Alerts raised since the last success."""
        self.last_poll_at: Ms | None = None

    @property
    def connected(self) -> bool:
        """Did the last question get an answer?"""
        return self.last_poll_at is not None and self._trouble is None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.step()
            except ApiError as error:
                await self._failed(error)
            except StoreError as error:
                await self._not_stored(error)

    async def step(self) -> None:
        """One question. The offset moves only over what is committed, so the next question confirms nothing else.

        After an empty answer there is nothing left to confirm and the next question names no offset: ids start anew,
        possibly lower, after a quiet week, and an old offset would confirm such updates unseen.
        """
        asked = self._clock.monotonic()
        # The first question is a short one, or half a minute would pass before anybody learnt that Telegram is there.
        first = not self.connected
        updates = await self._api.updates(self._offset, 0 if first else LONG_POLL)
        now = self._clock.now()
        if updates:
            rows = [
                StoredUpdate(update_id=update["update_id"], raw=json.dumps(update, ensure_ascii=False), received_at=now)
                for update in updates
            ]
            await self._store.store_updates(self._api.bot_id, rows)
            self._offset = max(row.update_id for row in rows) + 1
            self._signals.updates.set()
        else:
            self._offset = None
        self.last_poll_at = now
        await self._recovered(now)
        if not (updates or first) and self._clock.monotonic() - asked < SHORTEST_POLL:
            # Whoever answered that did not wait for updates: do not ask him as fast as he answers.
            await self._clock.wait(Never(), SHORTEST_POLL)

    async def _recovered(self, now: Ms) -> None:
        """The end of a trouble is told once."""
        if self._trouble is not None:
            log.info("telegram_reachable", was=self._trouble, failures=self._failures)
        for trouble in sorted(self._open):
            key, text = _ALERTS[trouble]
            if await self._store.clear_alert(key, f"{text}_ok", {}, now):
                self._signals.posts.set()
            self._open.discard(trouble)
            self._told.discard(trouble)
        if self._away_since is not None and now - self._away_since >= WORTH_TELLING:
            await self._tell_back(self._away_since, now)
        self._failures, self._trouble, self._away_since = 0, None, None

    async def _tell_back(self, since: Ms, now: Ms) -> None:
        waiting = (await self._store.queue_status()).posts_waiting
        post = NewPost(
            chat=ADMIN_CHAT,
            kind=PostKind.ALERT,
            priority=PostPriority.FAILURE,
            key=f"telegram_back:{since}",
            payload={"text": "alert.telegram_back", "params": {"waiting": waiting, "lasted": now - since}},
            due_at=now,
        )
        await self._store.add_post(post, now)
        self._signals.posts.set()

    async def _failed(self, error: ApiError) -> None:
        now = self._clock.now()
        self._failures += 1
        if error.trouble is not self._trouble:
            log.warning("telegram_unreachable", trouble=error.trouble, detail=error.detail)
            self._trouble = error.trouble
        if self._away_since is None:
            self._away_since = now
        if error.trouble in _ALERTS and error.trouble not in self._told:
            await self._raise(error.trouble, now)
        wait = max(backoff(self._failures, random.random(), longest=LONGEST_WAIT), error.retry_after)
        await self._clock.wait(Never(), wait)

    async def _raise(self, trouble: Trouble, now: Ms) -> None:
        key, text = _ALERTS[trouble]
        self._open.add(trouble)
        try:
            if await self._store.raise_alert(Alert(key=key, text=text), now):
                self._signals.posts.set()
        except StoreError as error:
            log.error("alert_not_stored", alert=key, error=str(error))
            return
        self._told.add(trouble)

    async def _not_stored(self, error: StoreError) -> None:
        """Nothing was confirmed: Telegram brings the same updates again."""
        self._failures += 1
        if self._failures == 1:
            log.error("updates_not_stored", error=str(error))
        await self._clock.wait(Never(), backoff(self._failures, random.random(), longest=LONGEST_WAIT))
