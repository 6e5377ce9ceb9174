"""The clock that all parts use. Tests pass a clock that they set."""

from __future__ import annotations

import asyncio
from typing import Protocol

from bridge.model.base import Ms


class Clock(Protocol):
    """Gives wall time for what is stored, and monotonic time for what waits in memory."""

    def now(self) -> Ms:
        """Milliseconds since 1970-01-01 UTC."""

    def monotonic(self) -> Ms:
        """Milliseconds since an arbitrary moment. Setting the machine's clock does not change it."""

    async def wait(self, event: Waiter, timeout: Ms | None) -> bool:
        """Wait until ``event`` is set (True) or ``timeout`` milliseconds are over (False). ``None``: no time limit."""

    async def sleep(self, duration: Ms) -> None:
        """Wait ``duration`` milliseconds."""
        await self.wait(asyncio.Event(), duration)


class Waiter(Protocol):
    """The part of :class:`asyncio.Event` that a clock needs."""

    async def wait(self) -> object: ...
