"""Hours of a running bridge in seconds: time moves on by hand, and only once what it set off is over.

The bridge, the platform and Telegram stay real (HTTP, SQLite, threads); nothing here may sleep for a guessed time.
"""

from __future__ import annotations

import asyncio

from bridge.app.service import Bridge
from bridge.model.base import SECOND, Ms
from tests.clock import ManualClock

LOOK_AGAIN = 0.002
"""Real seconds between two looks at work that tells nobody when it ends; every wait is bounded."""
AT_REST_LOOKS = 60
"""So often in a row nothing may have changed for a bridge that was just started to be at rest."""
PATIENCE_S = 60


class Timeline:
    """``clock`` must be the one that the bridge runs on."""

    def __init__(self, clock: ManualClock, bridge: Bridge) -> None:
        self.clock = clock
        self.bridge = bridge
        self.sleepers = 0

    async def begin(self) -> None:
        """Learn how many wait for the time when nothing goes on: every loop of the bridge, and Telegram's long poll.

        Telegram must be there, and nothing under way.
        """
        seen, since = -1, 0
        async with asyncio.timeout(PATIENCE_S):
            while since < AT_REST_LOOKS:
                await asyncio.sleep(LOOK_AGAIN)
                since = since + 1 if self.clock.sleepers == seen else 0
                seen = self.clock.sleepers
        self.sleepers = seen

    async def rest(self, but: int = 0) -> None:
        """Until all wait for the time again, all but ``but``: calls that nobody answers do not end."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await self.clock.until_sleepers(self.sleepers - but, timeout_s=PATIENCE_S)
                # One was held up by the machine when they were counted.
                self.sleepers = max(self.sleepers, self.clock.sleepers)
                if not self.bridge.sending.outbox.under_way:
                    return
                await asyncio.sleep(LOOK_AGAIN)

    async def later(self, ms: Ms, *, but: int = 0, step: Ms = 5 * SECOND) -> None:
        """Let time pass, in steps in which every loop looks at its work."""
        while ms > 0:
            await self.rest(but)
            await self.clock.advance(min(step, ms))
            ms -= step
        await self.rest(but)

    async def much_later(self, ms: Ms, *, but: int = 0, look: Ms = 6 * SECOND) -> None:
        """A long way: one step, and a little time after it in which every loop looks once."""
        await self.rest(but)
        self.clock.set(self.clock.now() + max(ms - look, 0))
        await self.clock.advance(min(ms, look))
        await self.rest(but)
