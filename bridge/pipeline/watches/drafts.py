"""A draft that nobody decides about: its author is reminded once, and after a day it will not be sent any more.

A text is written for its moment. What is pressed "send" days later says what is not so any more, so it is told of
instead, and whoever still wants it writes it anew.
"""

from __future__ import annotations

from bridge.model.base import HOUR, MINUTE, Ms
from bridge.model.sms import DRAFT_LIFE
from bridge.pipeline.signals import Signals
from bridge.pipeline.watches.working_time import worked_since
from bridge.pipeline.worker import Throttle
from bridge.ports.chats import WatchStore
from bridge.ports.clock import Clock
from bridge.rules.schedule import Hours

REMINDED_AFTER: Ms = HOUR
"""Where the settings name no time: unlike a subscriber's question, an unsent reply is nobody's habit to leave."""
AT_ONCE = 50
LOOK: Ms = MINUTE


class DraftReminders:
    def __init__(self, *, after: Ms, hours: Hours | None, store: WatchStore, signals: Signals, clock: Clock) -> None:
        """``after``: in the team's working time, how long a draft waits before its author is reminded."""
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
        told = await self._store.expire_drafts(before=now - DRAFT_LIFE, now=now, limit=AT_ONCE)
        if (until := worked_since(self._hours, now, self._after)) is not None:
            told += await self._store.remind_of_drafts(until=until, now=now, limit=AT_ONCE)
        if told:
            self._signals.posts.set()
