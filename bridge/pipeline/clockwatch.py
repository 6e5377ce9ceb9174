"""When somebody sets the machine's clock: what waits in the store goes on waiting as long as it would have.

A jump that is taken back soon is passed over. One that stands is taken over: first the store, then the clock, so that
nobody ever measures a wait with a clock that it was not written by. Why so: docs/decisions/0005-clock-jumps.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from bridge.config import Settings
from bridge.model.base import MINUTE, SECOND, Ms, SmsId
from bridge.model.record import LongestWaits
from bridge.pipeline.account_channel import AccountChannel
from bridge.pipeline.clock import SteadyClock
from bridge.pipeline.outcomes import PROBE_CLEAR, SAME_REQUEST_WINDOW
from bridge.pipeline.retry import LONGEST, LONGEST_POST
from bridge.pipeline.services import Services
from bridge.pipeline.worker import IDLE, Step

log = structlog.get_logger()

JUMP: Ms = 10 * SECOND
"""A smaller step is taken over as it comes: no wait is so exact."""
STANDS: Ms = 5 * MINUTE
"""Whoever mistyped a date, or believed a wrong time server, has mostly noticed by then."""


def longest_waits(settings: Settings) -> LongestWaits:
    return LongestWaits(
        sms=max(LONGEST, SAME_REQUEST_WINDOW + SECOND, settings.telegram.undo or 0),
        poll=max(max(account.status.poll) for account in settings.accounts.values()),
        post=LONGEST_POST,
        takeover=settings.guards.takeover or 0,
    )


class ClockWatch:
    def __init__(
        self,
        *,
        clock: SteadyClock,
        channels: Mapping[str, AccountChannel],
        leads: Callable[[], bool],
        longest: LongestWaits,
        services: Services,
    ) -> None:
        """``leads``: of several bridges that share clock and store one moves what waits in it."""
        self._clock = clock
        self._store = services.store
        self._leads = leads
        self._channels = channels
        self._signals = services.signals
        self._longest = longest
        self._written_before: SmsId | None = None
        """The newest SMS of earlier runs: which clock wrote those, nobody knows."""
        self._seen: tuple[Ms, Ms] | None = None
        """The jump that is being watched, and since when."""
        self._looked_through = False
        """No wait in the store is longer than the longest."""
        self._routing = asyncio.Lock()

    def undisturbed(self, step: Step) -> Step:
        """A step in which the clock is not set: for rows whose ttl is counted from a time read some moments before."""

        async def alone() -> Ms:
            async with self._routing:
                return await step()

        return alone

    async def step(self) -> Ms:
        if self._written_before is None:
            self._written_before = await self._store.newest_sms()
        by = self._clock.jumped_by()
        if abs(by) < JUMP:
            self._clock.take_over(by)
            self._seen = None
            await self._look_through()
        elif self._seen is None or abs(by - self._seen[0]) >= JUMP:
            log.warning("clock_jumped", seconds=by // SECOND)
            self._seen = (by, self._clock.monotonic())
        elif self._clock.monotonic() - self._seen[1] >= STANDS:
            await self._take_over(by, self._written_before)
        return IDLE

    async def _look_through(self) -> None:
        """At start: an earlier run's clock may have been ahead. After a jump: for what was written in the middle."""
        if self._looked_through:
            return
        await self._shift(0, SmsId(0), now=self._clock.now())
        self._looked_through = True
        self._signals.sms.set()
        self._signals.posts.set()

    async def _take_over(self, by: Ms, since: SmsId) -> None:
        for channel in self._channels.values():
            # When identical requests left is on record by the other clock.
            channel.no_probe_before = self._clock.monotonic() + PROBE_CLEAR
        async with self._routing:
            await self._both(by, since)
        self._seen, self._looked_through = None, False
        log.warning("clock_taken_over", seconds=by // SECOND)

    async def _both(self, by: Ms, since: SmsId) -> None:
        """Store and clock, in the order in which waits are too long for a moment, and not over."""
        if by > 0:
            await self._shift(by, since, now=self._clock.now() + by)
            self._clock.take_over(by)
            return
        self._clock.take_over(by)
        try:
            await self._shift(by, since, now=self._clock.now())
        except BaseException:
            self._clock.take_over(-by)
            raise

    async def _shift(self, by: Ms, since: SmsId, now: Ms) -> None:
        if self._leads():
            await self._store.shift_waits(by, now=now, longest=self._longest, since=since)
