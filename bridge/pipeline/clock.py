"""Clocks of the service. What waits or stamps takes a :class:`~bridge.ports.clock.Clock`, which tests set.

The service runs on a :class:`SteadyClock`: setting the machine's clock must not change how long anything waits
(docs/decisions/0005-clock-jumps.md).
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from bridge.model.base import Ms
from bridge.ports.clock import Clock, Waiter


def day_of(now: Ms) -> str:
    """The day in UTC, ``YYYY-MM-DD``. Budgets count by it, and alerts that are told once a day."""
    return datetime.fromtimestamp(now / 1000, UTC).date().isoformat()


_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Where the system has it, the clock that also counts while the machine sleeps."""


class SystemClock(Clock):
    """The machine's wall clock for stamps, its monotonic clock for waiting."""

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
    """Starts with the wall time of another clock and goes on with its monotonic time."""

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

    The cluster sets it with each report; in between it goes on with this machine's monotonic time. Until it is set for
    the first time it shows this machine's wall time.
    """

    def set(self, now: Ms, at: Ms) -> None:
        """It was ``now`` when the monotonic time was ``at``."""
        self._ahead = now - at


class SteadyClock(_Monotonic):
    """Another clock without the jumps of its wall time: ``now`` goes on as if there had been none.

    :meth:`take_over` lets it jump. :mod:`bridge.pipeline.clockwatch` calls it once the store is ready for the jump.
    """

    def jumped_by(self) -> Ms:
        """How far the wall clock is ahead of ``now``."""
        return self._inner.now() - self.now()

    def take_over(self, by: Ms) -> None:
        """Add ``by`` milliseconds to ``now``."""
        self._ahead += by
