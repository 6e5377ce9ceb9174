"""What one node tells the others hear, also after the connection on which they listen was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from bridge.model.sms import Move
from bridge.model.work import Work
from bridge.store.postgres import notifications
from bridge.store.postgres.store import PostgresStore
from tests.contract.builders import NOW, accept, call, claimed, post, reply
from tests.postgres import needs_postgres
from tests.unit.pipeline.sender import until
from tests.unit.postgres.two_nodes import TwoNodes

pytestmark = needs_postgres


@pytest.fixture(autouse=True)
def no_long_waits() -> Iterator[None]:
    with soon("RECONNECT_S"):
        yield


@contextmanager
def soon(name: str) -> Iterator[None]:
    """A wait that is made in real time, shortened."""
    before = getattr(notifications, name)
    setattr(notifications, name, 0.01)
    try:
        yield
    finally:
        setattr(notifications, name, before)


async def listeners(both: TwoNodes) -> list[int]:
    channel = await both.value("SELECT current_schema()")
    return await both.values(
        "SELECT pid FROM pg_stat_activity WHERE application_name LIKE '%listening%' AND query LIKE '%' || $1 || '%'"
        " AND state = 'idle'",
        notifications.channel(channel),
    )


@asynccontextmanager
async def listening(both: TwoNodes, store: PostgresStore, heard: list[Work]) -> AsyncIterator[None]:
    before = len(await listeners(both))
    task = asyncio.create_task(store.listen(heard.extend))

    async def listens() -> bool:
        return len(await listeners(both)) > before

    try:
        await until(listens)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def came(heard: list[Work], *work: Work) -> None:
    async def all_there() -> bool:
        return set(heard) >= {*work}

    await until(all_there)


async def both_report(both: TwoNodes) -> None:
    for store in (both.one, both.two, both.one):
        await both.alive(store)


async def test_the_others_hear_what_one_wrote_and_it_does_not_hear_itself(both: TwoNodes) -> None:
    mine: list[Work] = []
    theirs: list[Work] = []
    await both_report(both)
    async with listening(both, both.one, mine), listening(both, both.two, theirs):
        await both.one.enqueue(reply("a"), [post("p")])
        await accept(both.one, call())
        both.one.notify(Work.RULES)
        await came(theirs, Work.SMS, Work.POSTS, Work.INBOUND, Work.RULES)
        await both.two.add_post(post("q"), NOW)
        await came(mine, Work.POSTS)
    assert set(mine) == {Work.POSTS}


async def test_the_others_hear_that_a_lane_is_free(both: TwoNodes) -> None:
    theirs: list[Work] = []
    await both.one.enqueue(reply("a"))
    (key,) = await claimed(both.one)
    sms = await both.one.sms_of_key(key)
    assert sms is not None
    await both_report(both)
    async with listening(both, both.two, theirs):
        assert await both.one.move(sms.id, Move.ACCEPTED, NOW)
        await came(theirs, Work.SMS)


async def test_a_node_that_is_alone_sends_nothing(both: TwoNodes) -> None:
    theirs: list[Work] = []
    await both.alive(both.one)
    async with listening(both, both.two, theirs):
        await both.one.enqueue(reply("a"))
        await both_report(both)
        both.one.notify(Work.RULES)
        await came(theirs, Work.RULES)
    assert theirs == [Work.RULES]


async def test_what_is_told_last_arrives_before_the_store_is_closed(both: TwoNodes) -> None:
    theirs: list[Work] = []
    await both_report(both)
    async with listening(both, both.two, theirs):
        await both.one.enqueue(reply("a"))
        both.one.notify(Work.RULES)
        await both.one.close()
        await came(theirs, Work.SMS, Work.RULES)


async def test_after_its_connection_was_ended_a_node_listens_anew(both: TwoNodes) -> None:
    heard: list[Work] = []
    await both_report(both)
    async with listening(both, both.two, heard):
        (before,) = await listeners(both)
        await both.value("SELECT pg_terminate_backend($1)", before)

        async def anew() -> bool:
            return [pid for pid in await listeners(both) if pid != before] != []

        await until(anew)
        both.one.notify(Work.SMS)
        await came(heard, Work.SMS)


async def test_a_node_that_hears_nothing_asks_whether_the_server_is_still_there(both: TwoNodes) -> None:
    with soon("LIVENESS_CHECK_S"):
        task = asyncio.create_task(both.two.listen(lambda work: None))

        async def asked() -> bool:
            query = "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE '%listening%' AND query = 'SELECT 1'"
            return bool(await both.value(query))

        await until(asked)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
