"""Reminds the team of SMS without an answer, and of drafts without a decision.

Each gets one reminder, in working time. After a day a draft becomes stale, because its text was written for that moment
and may not be true days later. The team reads that it was not sent, and can write it again.
"""

from __future__ import annotations

from bridge.model.base import DAY, HOUR, MINUTE, Ms
from bridge.model.sms import DRAFT_LIFE
from bridge.pipeline.services import Services
from bridge.pipeline.watches.working_time import worked_since
from bridge.pipeline.worker import Throttle
from bridge.rules.schedule import Hours

DRAFT_AFTER: Ms = HOUR
"""The time after which a draft gets a reminder, if the settings name none. An operator rarely leaves a reply
unsent on purpose."""
MAX_AGE: Ms = 14 * DAY
"""SMS that have waited longer get no reminder, so that switching reminders on does not post an old backlog."""
BATCH = 50
EVERY: Ms = MINUTE


class Reminders:
    """Writes reminders and makes old drafts stale, once a minute."""

    def __init__(self, *, after: Ms | None, hours: Hours | None, services: Services) -> None:
        """``after``: how long an SMS or a draft may wait, in the team's working time.

        ``None``: SMS get no reminder, and drafts get one after :data:`DRAFT_AFTER`.
        """
        self._after = after
        self._hours = hours
        self._store = services.store
        self._clock = services.clock
        self._throttle = Throttle(EVERY, services.clock)

    async def step(self) -> Ms:
        return await self._throttle.step(self._remind)

    async def _remind(self) -> None:
        now = self._clock.now()
        until = worked_since(self._hours, now, self._after or DRAFT_AFTER)
        if until is not None and self._after is not None:
            await self._store.remind(until=until, after=now - MAX_AGE, now=now, limit=BATCH)
        await self._store.expire_drafts(before=now - DRAFT_LIFE, now=now, limit=BATCH)
        if until is not None:
            await self._store.remind_of_drafts(until=until, now=now, limit=BATCH)
