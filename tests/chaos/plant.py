"""A bridge in a process of its own on a disk that keeps a record, between a platform and callers that never give up."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.pipeline.clock import SystemClock
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from tests.chaos import invariants
from tests.chaos.powercut import Cut, PowerCut
from tests.chaos.preload import Disk
from tests.chaos.stubborn import Stubborn
from tests.service import Service

CALLERS = 16


class Mortal(Service):
    async def until_dead(self, *, seconds: float = 60) -> None:
        """Wait for the end that was planned for it."""
        assert self._process is not None
        async with asyncio.timeout(seconds):
            code = await self._process.wait()
        self._process = None
        assert code == -signal.SIGKILL, f"the service ended by itself: {code}"


class Plant:
    def __init__(
        self,
        folder: Path,
        platform: SimulatedPlatform,
        *,
        sabotage: str | None,
        callers: int,
        pause: float,
        recorded: bool,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        home = folder / "service"
        home.mkdir(parents=True, exist_ok=True)
        self.disk = Disk(home, folder / "tools", recorded=recorded)
        self.platform = platform
        self.service = Mortal(
            home,
            platform,
            None,
            sabotage=sabotage,
            environment={**self.disk.environment, **(environment or {})},
            new_interpreter=True,
            # A stop in the middle of trouble waits so long for outcomes that cannot be stored.
            settings={"logging": {"level": "info"}, "server": {"shutdown": "3s"}},
            max_age="off",
        )
        self.callers = Stubborn(self.service, platform, count=callers, pause=pause)
        self.power = PowerCut(home)

    def after_the_end(self) -> None:
        """The process is gone, the page cache is not."""
        self.power.replay(self.disk.record)
        self.disk.behave()

    def cut(self, chance: random.Random, keep: float) -> Cut:
        """The process is gone, and the power with it."""
        self.after_the_end()
        return self.power.cut(chance, keep)

    def broken(self) -> list[str]:
        """Checks what must be true at any moment."""
        if not self.service.database.exists():
            return [f"the database is gone with {len(self.callers.acknowledged)} acknowledged messages"]
        try:
            lost = invariants.acknowledged(self.service.database, tuple(self.callers.acknowledged))
        except sqlite3.DatabaseError as error:
            lost = [f"acknowledged messages cannot be read: {error}"]
        return [*lost, *invariants.store(self.service.database), *invariants.sent_once(self.platform.book)]

    async def at_the_end(self) -> list[str]:
        """Waits until a started bridge has finished its work, and checks what must be true then."""
        await self.service.until("SELECT count(*) FROM inbound WHERE state = 'new'", 0)
        await self.service.until("SELECT count(*) FROM sms WHERE state IN ('queued', 'sending')", 0)
        return [
            *self.broken(),
            *invariants.at_rest(self.service.database, chats=False),
            *invariants.platform(self.service.database, self.platform.book),
        ]

    def uncertain(self) -> int:
        return self.service.count("SELECT count(*) FROM sms WHERE state = 'uncertain'")


@asynccontextmanager
async def plant(
    folder: Path,
    *,
    sabotage: str | None = None,
    callers: int = CALLERS,
    pause: float = 0,
    recorded: bool = True,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Plant]:
    platform = SimulatedPlatform(clock=SystemClock(), account=SimulatedAccount(sender_names=None, balance=1e9))
    await platform.start()
    made = Plant(
        folder,
        platform,
        sabotage=sabotage,
        callers=callers,
        pause=pause,
        recorded=recorded,
        environment=environment,
    )
    try:
        yield made
    finally:
        await made.service.close()
        made.disk.close()
        await platform.stop()
