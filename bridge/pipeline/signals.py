"""Wakes the loops when there is work for them. A signal only shortens a wait: each loop also looks for work without
one.

The store calls :meth:`Signals.wake` after each commit that makes work. The listener for other nodes calls it for the
work that they tell of. Other code sets a signal only if something changed that no table holds, such as a free
connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Set
from dataclasses import dataclass, field

from bridge.model.work import Work
from bridge.ports.clock import Clock


class Signal(asyncio.Event):
    """An event for one loop, which resets it when it wakes."""

    async def take(self, clock: Clock, timeout: int | None) -> bool:
        """Wait at most ``timeout`` milliseconds, then reset the signal. True if it was set. ``None``: no time limit."""
        came = await clock.wait(self, timeout)
        self.clear()
        return came


@dataclass(frozen=True, slots=True)
class Signals:
    """One signal for each kind of work in the store."""

    inbound: Signal = field(default_factory=Signal)
    sms: Signal = field(default_factory=Signal)
    posts: Signal = field(default_factory=Signal)
    updates: Signal = field(default_factory=Signal)

    def wake(self, work: Set[Work]) -> None:
        """Wake the loops that do this work. ``Work.RULES`` has no signal here: :mod:`bridge.app.running` handles it."""
        if Work.INBOUND in work:
            self.inbound.set()
        if Work.SMS in work:
            self.sms.set()
        if Work.POSTS in work:
            self.posts.set()
        if Work.UPDATES in work:
            self.updates.set()
