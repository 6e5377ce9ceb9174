"""Who has something to do. A signal only shortens a wait: each loop finds its work in the tables, also without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bridge.ports.clock import Clock


class Signal(asyncio.Event):
    """Set by whoever wrote work, taken by the one loop that does it."""

    also: Callable[[], None] | None = None
    """Whom else it is told: other bridges."""

    def set(self) -> None:
        super().set()
        self.pass_on()

    def pass_on(self) -> None:
        """Tell the others alone."""
        if self.also is not None:
            self.also()

    def hear(self) -> None:
        """Another bridge has set its own."""
        super().set()

    async def take(self, clock: Clock, timeout: int | None) -> bool:
        """Wait at most ``timeout`` milliseconds, then reset. True if it was set."""
        came = await clock.wait(self, timeout)
        self.clear()
        return came


@dataclass(frozen=True, slots=True)
class Signals:
    """One signal for each table that a loop works on."""

    inbound: Signal = field(default_factory=Signal)
    """Messages in ``new``."""
    sms: Signal = field(default_factory=Signal)
    """Rows in ``queued``."""
    posts: Signal = field(default_factory=Signal)
    """Chat posts due."""
    updates: Signal = field(default_factory=Signal)
    """Telegram updates stored and not processed."""
    room: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while routing keeps up with intake."""

    def __post_init__(self) -> None:
        self.room.set()

    def named(self) -> Mapping[str, Signal]:
        """What may be told to other bridges."""
        return {"inbound": self.inbound, "sms": self.sms, "posts": self.posts, "updates": self.updates}

    def keeping_up(self, well: bool) -> None:
        """Routing says whether it has seen all there was."""
        if well:
            self.room.set()
        else:
            self.room.clear()
