"""A talk that waits for a person too long, in working time, is told of in its chat: once, until somebody answers."""

from __future__ import annotations

from bridge.model.base import DAY, MINUTE, Ms
from bridge.pipeline.signals import Signals
from bridge.pipeline.watches.working_time import worked_since
from bridge.pipeline.worker import Throttle
from bridge.ports.chats import WatchStore
from bridge.ports.clock import Clock
from bridge.rules.schedule import Hours

OLDEST: Ms = 14 * DAY
"""What waits longer is no news: reminders that are turned on must not begin with a year's talks."""
AT_ONCE = 50
LOOK: Ms = MINUTE


class ConversationReminders:
    def __init__(self, *, after: Ms, hours: Hours | None, store: WatchStore, signals: Signals, clock: Clock) -> None:
        self._after = after
        self._hours = hours
        self._store = store
        self._signals = signals
        self._clock = clock
        self._minute = Throttle(LOOK, clock)

    async def step(self) -> Ms:
        return await self._minute.step(self._look)

    async def _look(self) -> None:
        now = self._clock.now()
        until = worked_since(self._hours, now, self._after)
        if until is not None and await self._store.remind(until=until, after=now - OLDEST, now=now, limit=AT_ONCE):
            self._signals.posts.set()
