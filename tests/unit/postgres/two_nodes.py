"""Two nodes on one schema, and a connection beside them that looks, holds locks, and sees who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from bridge.model.base import Ms
from bridge.model.cluster import LeaseStatus
from bridge.store.locks import LockName
from bridge.store.postgres.store import PostgresStore, open_store
from bridge.store.postgres.tx import lock_key
from tests import postgres
from tests.contract.builders import SetClock, unrouted
from tests.unit.pipeline.sender import until

_BLOCKED = """
WITH RECURSIVE blocked AS (
    SELECT pid FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))
    UNION SELECT a.pid FROM pg_stat_activity AS a JOIN blocked AS b ON b.pid = ANY(pg_blocking_pids(a.pid)))
SELECT pid FROM blocked
"""
"""Also who stands behind those that wait."""

ALL = ("intake", "router", "sender", "telegram", "status")


@dataclass(frozen=True, kw_only=True, slots=True)
class TwoNodes:
    url: str
    one: PostgresStore
    two: PostgresStore
    beside: Any
    """A connection of neither."""
    clock: SetClock

    async def alive(self, store: PostgresStore, *leads: str, roles: Sequence[str] = ALL) -> LeaseStatus:
        return await store.report_alive(name="host:1", roles=frozenset(roles), rules="v1", wanted=leads)

    async def is_not_heard_of(self, store: PostgresStore) -> None:
        """Its lease is over; a request that it began may be under way."""
        await self.run("UPDATE node SET alive_until = 0 WHERE id = $1", store._node)

    async def is_gone(self, store: PostgresStore) -> None:
        """So long ago that no request of its can be under way."""
        await self.run("UPDATE node SET alive_until = 0, sends_until = 0 WHERE id = $1", store._node)

    async def run(self, statement: str, *values: object) -> None:
        await self.beside.execute(statement, *values)

    async def value(self, statement: str, *values: object) -> Any:
        return await self.beside.fetchval(statement, *values)

    async def values(self, statement: str, *values: object) -> list[Any]:
        return [row[0] for row in await self.beside.fetch(statement, *values)]

    async def now(self) -> Ms:
        return int(await self.value("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"))

    @asynccontextmanager
    async def held(self, *names: LockName) -> AsyncIterator[None]:
        """What :meth:`~bridge.store.transaction.Tx.lock` would wait for."""
        space = str(await self.value("SELECT current_schema()"))
        async with self.beside.transaction():
            for name in names:
                await self.run("SELECT pg_advisory_xact_lock($1)", lock_key(space, name))
            yield

    @asynccontextmanager
    async def locked(self, select: str, *values: object) -> AsyncIterator[None]:
        """Rows that another transaction has changed and not committed."""
        async with self.beside.transaction():
            await self.run(f"{select} FOR UPDATE", *values)
            yield

    async def taken(self) -> None:
        """Both nodes are alive and have taken the messages that they may route: what is locked later is theirs."""
        for store in (self.one, self.two):
            await self.alive(store)
        for store in (self.one, self.two):
            await unrouted(store, 1)

    async def waiting(self, count: int = 1) -> list[int]:
        """Until so many wait for what is held here; the processes of the server that serve them."""

        async def so_many() -> bool:
            return len(await self._blocked()) >= count

        await until(so_many, seconds=20)
        return await self._blocked()

    async def _blocked(self) -> list[int]:
        # Within a transaction the server shows who was connected when it was first asked.
        await self.run("SELECT pg_stat_clear_snapshot()")
        return await self.values(_BLOCKED)


@asynccontextmanager
async def two_nodes(folder: Path) -> AsyncIterator[TwoNodes]:
    clock = SetClock()
    url = await postgres.schema_of(folder, ready=True)
    one = await open_store(url, clock=clock)
    two = await open_store(url, clock=clock)
    one.take_unrouted_every_s = two.take_unrouted_every_s = 0
    beside = await asyncpg.connect(url)
    try:
        yield TwoNodes(url=url, one=one, two=two, beside=beside, clock=clock)
    finally:
        beside.terminate()
        await asyncio.gather(one.close(), two.close())
