"""Real time. Everything that waits or stamps takes a :class:`~bridge.ports.clock.Clock`, so tests can set it.

The service runs on a :class:`SteadyClock`: a wall clock that was set wrong, or right, must not change what waits
(docs/decisions/0005-clock-jumps.md).
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from bridge.model.base import Ms
from bridge.ports.clock import Clock, Waiter


def day_of(now: Ms) -> str:
    """The day in UTC, ``YYYY-MM-DD``: what budgets count for and what is told once a day."""
    return datetime.fromtimestamp(now / 1000, UTC).date().isoformat()


_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Where the system has it, the one that also counts while the machine sleeps."""


class SystemClock(Clock):
    """The machine's wall clock for stamps; the loop's monotonic one for waiting."""

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


class _Counting(Clock):
    """Wall time that begins as another clock's and goes on by monotonic steps."""

    def __init__(self, inner: Clock) -> None:
        self._inner = inner
        self._ahead = inner.now() - inner.monotonic()

    def now(self) -> Ms:
        return self._inner.monotonic() + self._ahead

    def monotonic(self) -> Ms:
        return self._inner.monotonic()

    async def wait(self, event: Waiter, timeout: Ms | None) -> bool:
        return await self._inner.wait(event, timeout)


class SharedClock(_Counting):
    """The wall time that several machines share, told now and then by what they share; between, this machine's steps.

    Until it is told for the first time it is this machine's own.
    """

    def set(self, now: Ms, at: Ms) -> None:
        """It was ``now`` when the monotonic time was ``at``."""
        self._ahead = now - at


class SteadyClock(_Counting):
    """Another clock without the jumps of its wall time: ``now`` goes on as if there had been none, until it is told.

    A jump is told by :meth:`take_over`, which whoever calls it does once all that waits is ready for it.
    """

    def jumped_by(self) -> Ms:
        """How far the wall clock is ahead of ``now``."""
        return self._inner.now() - self.now()

    def take_over(self, by: Ms) -> None:
        """From here on ``now`` is ``by`` milliseconds later."""
        self._ahead += by
