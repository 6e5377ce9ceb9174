"""How many callbacks a second the store takes, by how the writer uses aiosqlite. Not a test: figures, no verdict.

Run ``python -m tests.unit.store.measure_writer [directory]``; every way stores the same messages with 64 callers at
once, in turns, with ``synchronous=FULL``. The figures of docs/decisions/0001-sqlite-writer.md come from here.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

import aiosqlite

from bridge.model.inbound import InboundCall
from bridge.store import open_store
from bridge.store.repositories.inbox import ACCEPT_INBOUND
from tests.contract.builders import SetClock, accept, call

CALLERS = 64
EACH = 20
ROUNDS = 3

Take = Callable[[InboundCall], Awaitable[object]]


def parameters(one: InboundCall) -> list[str | int | bytes | None]:
    """The columns of the statement; a store of one node leaves the last ones, who routes it, empty."""
    return [getattr(one, name, "") for name in ACCEPT_INBOUND.types]


async def rate(take: Take, tag: str) -> float:
    async def caller(number: int) -> None:
        for turn in range(EACH):
            await take(call(f"{tag}-{number}-{turn}"))

    began = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    return CALLERS * EACH / (time.perf_counter() - began)


class StatementHops:
    """The same transactions with a hop to the thread for BEGIN, for each row, and for COMMIT."""

    def __init__(self, connection: aiosqlite.Connection, *, together: bool) -> None:
        self._connection = connection
        self._most = 512 if together else 1
        self._waiting: list[tuple[InboundCall, asyncio.Future[None]]] = []
        self._busy = asyncio.Lock()

    async def take(self, one: InboundCall) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, done))
        async with self._busy:
            while not done.done():
                await self._commit()
        await done

    async def _commit(self) -> None:
        batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        await self._connection.execute("BEGIN IMMEDIATE")
        for one, _ in batch:
            await self._connection.execute_fetchall(ACCEPT_INBOUND.text(1), parameters(one))
        await self._connection.commit()
        for _, done in batch:
            done.set_result(None)


async def main(directory: Path) -> None:
    figures: dict[str, list[float]] = {}
    store = await open_store(directory / "bridge.db", clock=SetClock())
    one_by_one = asyncio.Lock()

    async def alone(one: InboundCall) -> None:
        async with one_by_one:
            await accept(store, one)

    other = await open_store(directory / "public.db", clock=SetClock())
    await other.close()
    connection = aiosqlite.connect(directory / "public.db", isolation_level=None)
    async with connection:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 4000"):
            await connection.execute_fetchall(f"PRAGMA {pragma}")
        ways: dict[str, Take] = {
            "group commit, one hop": lambda one: accept(store, one),
            "one commit each, one hop": alone,
            "group commit, a hop for each statement": StatementHops(connection, together=True).take,
            "one commit each, a hop for each statement": StatementHops(connection, together=False).take,
        }
        for turn in range(ROUNDS):
            for name, take in ways.items():
                figures.setdefault(name, []).append(await rate(take, f"{name}-{turn}"))
    await store.close()
    for name, rates in figures.items():
        print(f"{name:42} {median(rates):8.0f}/s   ({min(rates):.0f} to {max(rates):.0f})")  # noqa: T201


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as where:
        asyncio.run(main(Path(where)))
