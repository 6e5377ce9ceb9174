"""Reports what arrived while the bridge was down: one post, ten minutes after a start, or none if nothing arrived.

If a stop interrupts the report, it is made after the next start.

The platform repeats SMS that were not acknowledged, so they come in the first minutes; their own dates show that they
are older than the start. Telegram keeps what people wrote and pressed. SMS that were stored before the stop and routed
after the start count, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict

from bridge.model.alert import alert_post
from bridge.model.base import MINUTE, SECOND, Json, Ms
from bridge.model.post import PostPriority
from bridge.model.record import Downtime
from bridge.pipeline.services import Services
from bridge.ports.store import Store
from bridge.value import value_object

REPORT_AFTER: Ms = 10 * MINUTE
"""How long after a start the report is made. By then the platform has repeated what it has to repeat."""
MIN_DOWNTIME: Ms = MINUTE
"""A shorter stop counts as a restart and is not reported."""
ON_ITS_WAY: Ms = 5 * SECOND
"""An SMS dated less than this before the start does not count: it may have been on its way. Dates are whole seconds."""


@value_object
class WaitingUpdates:
    """Counts what people did in the chats during a downtime. It is carried out after the start."""

    messages: int = 0
    """Replies and commands."""
    edits: int = 0
    presses: int = 0
    """Presses on buttons."""

    def __add__(self, other: WaitingUpdates) -> WaitingUpdates:
        return WaitingUpdates(
            messages=self.messages + other.messages,
            edits=self.edits + other.edits,
            presses=self.presses + other.presses,
        )


CountUpdates = Callable[[Ms, Ms], Awaitable[WaitingUpdates]]
"""A function that counts the updates that had waited for a start at the first time and were received before the
second."""


async def note_downtime(store: Store, now: Ms) -> None:
    """Store the time in which no node ran. Called at every start, before the service itself gives a sign of life."""
    since = await store.last_activity()
    if since is not None and now - since >= MIN_DOWNTIME:
        await store.note_downtime(Downtime(since=since, until=now))


class DowntimeReport:
    """Makes the report once in a run."""

    def __init__(self, *, count_updates: CountUpdates, services: Services) -> None:
        self._count_updates = count_updates
        self._store = services.store
        self._clock = services.clock
        self._report_at = self._clock.monotonic() + REPORT_AFTER
        self._reported = False

    async def step(self) -> Ms:
        left = self._report_at - self._clock.monotonic()
        if self._reported or left > 0:
            return max(left, REPORT_AFTER)
        if downtimes := await self._store.unreported_downtimes():
            await self._report(downtimes)
        self._reported = True
        return REPORT_AFTER

    async def _report(self, downtimes: Sequence[Downtime]) -> None:
        now = self._clock.now()
        # Updates that came between two starts had waited for the first of these starts.
        until = [*(downtime.until for downtime in downtimes[1:]), now + 1]
        sms, updates, counted = 0, WaitingUpdates(), 0
        for downtime, next_start in zip(downtimes, until, strict=True):
            before = downtime.until - ON_ITS_WAY
            sms += await self._store.count_late_arrivals(after=downtime.since, before=before, since=counted)
            updates += await self._count_updates(downtime.until, next_start)
            counted = before
        if not sms and updates == WaitingUpdates():
            await self._store.downtimes_reported(downtimes, None, now)
            return
        params: dict[str, Json] = {"sms": sms, **asdict(updates)}
        in_chats = updates != WaitingUpdates()
        text = "alert.arrived" if not in_chats else "alert.arrived_both" if sms else "alert.arrived_chats"
        key = f"arrived:{downtimes[-1].until}"
        post = alert_post(text, params, key=key, priority=PostPriority.STATUS, due_at=now)
        await self._store.downtimes_reported(downtimes, post, now)
