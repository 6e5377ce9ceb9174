"""The clocks of the service.

All code that waits or needs the time takes a :class:`~bridge.ports.clock.Clock`, which tests set. The service uses a
:class:`SteadyClock`, because setting the machine's clock must not change how long anything waits
(docs/decisions/0005-clock-jumps.md).
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from bridge.model.base import Ms
from bridge.ports.clock import Clock, Waiter


def day_of(now: Ms) -> str:
    """The day in UTC, ``YYYY-MM-DD``. Budgets and daily alerts count by it."""
    return datetime.fromtimestamp(now / 1000, UTC).date().isoformat()


_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""The clock that also counts while the machine sleeps, if the system has it."""


class SystemClock(Clock):
    """The clocks of the machine: the wall clock for stored times, the monotonic clock for waits."""

    def now(self) -> Ms:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> Ms:
        return time.clock_gettime_ns(_MONOTONIC) // 1_000_000

    async def wait(self, event: Waiter, timeout: Ms | None) -> bool:
        try:
            async with asyncio.timeout(None if timeout is None else max(timeout, 0) / 1000):
                await event.wait()
        except TimeoutError:
            return False
        return True


class _Monotonic(Clock):
    """A clock that starts with the wall time of another clock and goes on with the monotonic time of that clock."""

    def __init__(self, inner: Clock) -> None:
        self._inner = inner
        self._ahead = inner.now() - inner.monotonic()

    def now(self) -> Ms:
        return self._inner.monotonic() + self._ahead

    def monotonic(self) -> Ms:
        return self._inner.monotonic()

    async def wait(self, event: Waiter, timeout: Ms | None) -> bool:
        return await self._inner.wait(event, timeout)


class SharedClock(_Monotonic):
    """The wall time of the store that several nodes share.

    The cluster sets it with each report. Between two reports it goes on with this machine's monotonic time. Before it
    is set for the first time it shows this machine's wall time.
    """

    def set(self, now: Ms, at: Ms) -> None:
        """Set the clock: it was ``now`` when the monotonic time was ``at``."""
        self._ahead = now - at


class SteadyClock(_Monotonic):
    """Follows another clock, but not the jumps of its wall time: ``now`` goes on as if there had been none.

    :meth:`take_over` makes it jump. :mod:`bridge.pipeline.clockwatch` calls it when the store is ready for the jump.
    """

    def jumped_by(self) -> Ms:
        """The milliseconds by which the wall time of the other clock is ahead of ``now``; negative: behind."""
        return self._inner.now() - self.now()

    def take_over(self, by: Ms) -> None:
        """Add ``by`` milliseconds to ``now``."""
        self._ahead += by
