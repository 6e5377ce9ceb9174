"""What one bridge rings the others hear, also after the connection on which they listen was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

import bridge.store.postgres.cluster as store_fleet
from bridge.pipeline.cluster import ROLES, Cluster
from bridge.pipeline.services import Services
from bridge.pipeline.signals import Signals
from bridge.store.postgres.cluster import _channel
from bridge.store.postgres.store import PostgresStore
from tests.clock import ManualClock
from tests.postgres import needs_postgres
from tests.unit.pipeline.sender import until
from tests.unit.postgres.bridges import Bridges

pytestmark = needs_postgres


@pytest.fixture(autouse=True)
def no_long_waits() -> Iterator[None]:
    with soon("RECONNECT_S"):
        yield


@contextmanager
def soon(name: str) -> Iterator[None]:
    """A wait that is made in real time, shortened."""
    before = getattr(store_fleet, name)
    setattr(store_fleet, name, 0.01)
    try:
        yield
    finally:
        setattr(store_fleet, name, before)


async def listeners(both: Bridges) -> list[int]:
    channel = _channel(both.one._space)
    return await both.values(
        "SELECT pid FROM pg_stat_activity WHERE application_name LIKE '%listening%' AND query LIKE '%' || $1 || '%'"
        " AND state = 'idle'",
        channel,
    )


@asynccontextmanager
async def hearing(both: Bridges, store: PostgresStore, heard: list[str]) -> AsyncIterator[None]:
    before = len(await listeners(both))
    task = asyncio.create_task(store.hear(heard.append))

    async def listens() -> bool:
        return len(await listeners(both)) > before

    try:
        await until(listens)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_others_hear_what_one_rings_and_it_does_not_hear_itself(both: Bridges) -> None:
    mine: list[str] = []
    theirs: list[str] = []
    async with hearing(both, both.one, mine), hearing(both, both.two, theirs):
        await both.one.ring(["sms", "posts"])
        await both.two.ring(["inbound"])

        async def all_heard() -> bool:
            return len(theirs) == 2 and len(mine) == 1

        await until(all_heard)
    assert (mine, theirs) == (["inbound"], ["sms", "posts"])


async def test_after_its_connection_was_ended_a_bridge_listens_anew(both: Bridges) -> None:
    heard: list[str] = []
    async with hearing(both, both.two, heard):
        (before,) = await listeners(both)
        await both.value("SELECT pg_terminate_backend($1)", before)

        async def anew() -> bool:
            return [pid for pid in await listeners(both) if pid != before] != []

        await until(anew)
        await both.one.ring(["sms"])
        await until(lambda: _any(heard))
    assert heard == ["sms"]


async def _any(heard: list[str]) -> bool:
    return bool(heard)


async def test_whoever_hears_nothing_asks_whether_the_server_is_still_there(both: Bridges) -> None:
    with soon("LIVENESS_CHECK_S"):
        task = asyncio.create_task(both.two.hear(lambda word: None))

        async def asked() -> bool:
            query = "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE '%listening%' AND query = 'SELECT 1'"
            return bool(await both.value(query))

        await until(asked)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_signal_reaches_the_loop_of_another_bridge_and_does_not_come_back(both: Bridges) -> None:
    clusters: list[Cluster] = []
    signals = [Signals(), Signals()]
    for store, own in zip((both.one, both.two), signals, strict=True):
        services = Services(store=store, signals=own, clock=ManualClock())
        one = Cluster(services=services, shared_clock=None, name="host:1", roles=frozenset(ROLES))
        one.connect()
        clusters.append(one)
    for one in (*clusters, *clusters):
        await one.step()
    rung: list[str] = []
    clusters[1].on_notification("rules", lambda: rung.append("rules"))
    async with hearing(both, both.one, []):
        task = asyncio.create_task(clusters[1].listen())

        async def listens() -> bool:
            return len(await listeners(both)) == 2

        await until(listens)
        signals[0].sms.set()
        clusters[0].notify("rules")
        signals[0].inbound.pass_on()
        ringing = asyncio.create_task(clusters[0].send_notifications())

        async def came() -> bool:
            return signals[1].sms.is_set() and signals[1].inbound.is_set() and bool(rung)

        await until(came)
        for each in (task, ringing):
            each.cancel()
        await asyncio.gather(task, ringing, return_exceptions=True)
    assert not signals[0].inbound.is_set(), "it told the others alone"
    assert clusters[1]._pending == set(), "what was heard is not rung again"
    assert rung == ["rules"]
