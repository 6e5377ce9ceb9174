"""The clock of the sandbox: the machine's time, moved ahead by the commands ``later`` and ``until`` of the prompt.

So a day of a team can be played in a minute. All waits end as if the time had passed.
"""

from __future__ import annotations

import asyncio
import time

from bridge.model.base import Ms
from bridge.ports.clock import Clock, Waiter


class SandboxClock(Clock):
    """The machine's clock plus the time that was skipped at the prompt."""

    def __init__(self) -> None:
        self._ahead: Ms = 0
        self._waiting: dict[asyncio.Timeout, Ms] = {}
        """The waits, each with its end by the monotonic clock of the sandbox."""

    def now(self) -> Ms:
        return time.time_ns() // 1_000_000 + self._ahead

    def monotonic(self) -> Ms:
        return time.monotonic_ns() // 1_000_000 + self._ahead

    async def wait(self, event: Waiter, timeout: Ms | None) -> bool:
        if timeout is None:
            await event.wait()
            return True
        try:
            async with asyncio.timeout(max(timeout, 0) / 1000) as limit:
                self._waiting[limit] = self.monotonic() + timeout
                try:
                    await event.wait()
                finally:
                    del self._waiting[limit]
        except TimeoutError:
            return False
        return True

    def later(self, by: Ms) -> None:
        """Move the time ahead by ``by`` milliseconds."""
        self._ahead += by
        here, now = asyncio.get_running_loop().time(), self.monotonic()
        for limit, end in self._waiting.items():
            if not limit.expired():
                limit.reschedule(here + max(end - now, 0) / 1000)
