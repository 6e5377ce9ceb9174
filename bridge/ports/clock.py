"""Time, which tests set."""

from __future__ import annotations

from typing import Protocol

from bridge.model.base import Ms


class Clock(Protocol):
    """Wall time for what is stored, monotonic time for waiting. Tests set both."""

    def now(self) -> Ms:
        """Milliseconds since 1970-01-01 UTC."""

    def monotonic(self) -> Ms:
        """Milliseconds from some beginning; nobody can set it. For what waits in memory."""

    async def wait(self, event: Waiter, timeout: Ms | None) -> bool:
        """Wait until ``event`` is set (True) or ``timeout`` milliseconds are over (False). ``None`` waits for ever."""


class Waiter(Protocol):
    """The part of :class:`asyncio.Event` that a clock needs."""

    async def wait(self) -> object: ...
