"""Real time. Everything that waits or stamps takes a :class:`~bridge.ports.Clock`, so tests can set it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from bridge.model import Ms
from bridge.ports import Waiter


def day_of(now: Ms) -> str:
    """The day in UTC, ``YYYY-MM-DD``: what budgets count for and what is told once a day."""
    return datetime.fromtimestamp(now / 1000, UTC).date().isoformat()


class SystemClock:
    """The machine's wall clock for stamps; the loop's monotonic one for waiting."""

    def now(self) -> Ms:
        return time.time_ns() // 1_000_000

    async def wait(self, event: Waiter, timeout: Ms | None) -> bool:
        try:
            async with asyncio.timeout(None if timeout is None else max(timeout, 0) / 1000):
                await event.wait()
        except TimeoutError:
            return False
        return True
