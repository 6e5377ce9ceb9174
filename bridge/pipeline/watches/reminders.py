"""Reminds the team of what waits for a person: an SMS without an answer, and a draft that nobody decided about.

One reminder each, in working time. After a day a draft becomes stale: a text is written for its moment, and may not be
true any more days later. The team reads that it was not sent, and can write it again.
"""

from __future__ import annotations

from bridge.model.base import DAY, HOUR, MINUTE, Ms
from bridge.model.sms import DRAFT_LIFE
from bridge.pipeline.services import Services
from bridge.pipeline.watches.working_time import worked_since
from bridge.pipeline.worker import Throttle
from bridge.rules.schedule import Hours

DRAFT_AFTER: Ms = HOUR
"""Reminds of a draft after this time if the settings name none: a reply is hardly left unsent on purpose."""
OLDEST: Ms = 14 * DAY
"""No reminder of what waits longer: turning reminders on must not post a year's backlog."""
BATCH = 50
EVERY: Ms = MINUTE


class Reminders:
    def __init__(self, *, after: Ms | None, hours: Hours | None, services: Services) -> None:
        """``after``: how long an SMS or a draft may wait, in the team's working time. ``None``: no reminder
        of SMS, and of drafts after :data:`DRAFT_AFTER`."""
        self._after = after
        self._hours = hours
        self._store = services.store
        self._clock = services.clock
        self._throttle = Throttle(EVERY, services.clock)

    async def step(self) -> Ms:
        return await self._throttle.step(self._look)

    async def _look(self) -> None:
        now = self._clock.now()
        until = worked_since(self._hours, now, self._after or DRAFT_AFTER)
        if until is not None and self._after is not None:
            await self._store.remind(until=until, after=now - OLDEST, now=now, limit=BATCH)
        await self._store.expire_drafts(before=now - DRAFT_LIFE, now=now, limit=BATCH)
        if until is not None:
            await self._store.remind_of_drafts(until=until, now=now, limit=BATCH)
