"""Real time. Everything that waits or stamps takes a :class:`~bridge.ports.Clock`, so tests can set it."""

from __future__ import annotations

import asyncio
import time

from bridge.model import Ms
from bridge.ports import Waiter


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
