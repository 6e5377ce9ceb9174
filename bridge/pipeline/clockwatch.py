"""Corrects the waiting times in the store when the machine's clock is set.

A jump that is taken back soon is ignored. A jump that lasts is taken over: by the store and by the clock, so that every
due time is compared with the clock that it was written by. Reasons: docs/decisions/0005-clock-jumps.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

import structlog

from bridge.config import Settings
from bridge.model.base import MINUTE, SECOND, Ms, SmsId
from bridge.model.record import LongestWaits
from bridge.pipeline.account_channel import AccountChannel
from bridge.pipeline.clock import SteadyClock
from bridge.pipeline.outcomes import MIN_TWIN_AGE, SAME_REQUEST_WINDOW
from bridge.pipeline.retry import MAX_BACKOFF, MAX_POST_BACKOFF
from bridge.pipeline.services import Services
from bridge.pipeline.worker import IDLE, Step

log = structlog.get_logger()

MIN_JUMP: Ms = 10 * SECOND
"""A smaller jump is taken over at once, without a change of the store: no wait is that exact."""
TAKE_OVER_AFTER: Ms = 5 * MINUTE
"""A jump that lasts this long is taken over. People mostly notice a mistyped date or a wrong time server before."""

MAX_STEADY_WORK = 8
"""How many pieces of work may need a steady clock at the same time."""


def longest_waits(settings: Settings) -> LongestWaits:
    """The longest waits that the bridge plans with these settings, by kind of row."""
    return LongestWaits(
        sms=max(MAX_BACKOFF, SAME_REQUEST_WINDOW + SECOND, settings.telegram.undo or 0),
        poll=max(max(account.status.poll) for account in settings.accounts.values()),
        post=MAX_POST_BACKOFF,
        takeover=settings.guards.takeover or 0,
    )


class ClockWatch:
    """Looks for jumps of the clock and takes over those that last."""

    def __init__(
        self,
        *,
        clock: SteadyClock,
        channels: Mapping[str, AccountChannel],
        leads: Callable[[], bool],
        longest: LongestWaits,
        services: Services,
    ) -> None:
        """``leads``: whether this node corrects the store. Nodes that share a store share its clock, too."""
        self._clock = clock
        self._store = services.store
        self._leads = leads
        self._channels = channels
        self._longest = longest
        self._written_before: SmsId | None = None
        """The newest SMS of earlier runs, which may have been written by another clock."""
        self._seen: tuple[Ms, Ms] | None = None
        """The size of the jump that is being watched, and the monotonic time at which it was seen first."""
        self._checked = False
        """Whether it is certain that no row in the store waits longer than the longest wait."""
        self.steady = asyncio.Semaphore(MAX_STEADY_WORK)
        """Work holds it from the time it reads the clock until it has written a row with that time. The clock is not
        set while it is held."""

    def without_clock_change(self, step: Step) -> Step:
        """Wrap a step so that the clock is not set while it runs."""

        async def guarded() -> Ms:
            async with self.steady:
                return await step()

        return guarded

    async def step(self) -> Ms:
        if self._written_before is None:
            self._written_before = await self._store.newest_sms()
        by = self._clock.jumped_by()
        if abs(by) < MIN_JUMP:
            self._clock.take_over(by)
            self._seen = None
            await self._check_waits()
        elif self._seen is None or abs(by - self._seen[0]) >= MIN_JUMP:
            log.warning("clock_jumped", seconds=by // SECOND)
            self._seen = (by, self._clock.monotonic())
        elif self._clock.monotonic() - self._seen[1] >= TAKE_OVER_AFTER:
            await self._take_over(by, self._written_before)
        return IDLE

    async def _check_waits(self) -> None:
        """Shorten waits that are too long.

        Runs after a start, because the clock of an earlier run may have been ahead, and after a jump, for rows that
        were written while it was taken over.
        """
        if self._checked:
            return
        await self._shift(0, SmsId(0), now=self._clock.now())
        self._checked = True

    async def _take_over(self, by: Ms, since: SmsId) -> None:
        for channel in self._channels.values():
            # The times in the store at which identical requests left were written by the other clock.
            channel.no_probe_before = self._clock.monotonic() + MIN_TWIN_AGE
        async with AsyncExitStack() as stack:
            for _ in range(MAX_STEADY_WORK):
                await stack.enter_async_context(self.steady)
            await self._shift_both(by, since)
        self._seen, self._checked = None, False
        log.warning("clock_taken_over", seconds=by // SECOND)

    async def _shift_both(self, by: Ms, since: SmsId) -> None:
        """Shift the store and the clock, in the order in which waits are too long for a moment and never too short."""
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
