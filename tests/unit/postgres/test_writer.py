"""Transactions that are cancelled, in each other's way, cut off or too slow: done, or not done, and told truly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

import pytest

import bridge.store.postgres.pool as pool
from bridge.errors import CommitUnknown, StoreError, StoreUnavailable
from bridge.model.base import Ms
from bridge.model.sms import Move, Sms, SmsState
from bridge.store.postgres.store import PostgresStore, open_store
from bridge.store.postgres.transaction import MAX_TRIES
from bridge.store.repositories.contacts import ADD_SPEND
from bridge.store.statement import Statement
from bridge.store.transaction import SerializationConflict, Tx
from tests.contract.builders import (
    NOW,
    SetClock,
    accept,
    call,
    claimed,
    received,
    reply,
    sent,
    settle,
    settlement,
    spent,
)
from tests.postgres import needs_postgres
from tests.proxies import copied
from tests.unit.pipeline.sender import until
from tests.unit.postgres.two_nodes import TwoNodes

pytestmark = needs_postgres

HELD = Statement("SELECT pg_advisory_xact_lock(hashtext(current_schema()))")


def two_rows(tx: Tx) -> None:
    """Waits between the two while somebody holds the lock."""
    tx.run(Statement("INSERT INTO spend (day, parts) VALUES ('a', 1)"))
    tx.one(HELD)
    tx.run(Statement("INSERT INTO spend (day, parts) VALUES ('b', 1)"))


@asynccontextmanager
async def lock(both: TwoNodes) -> AsyncIterator[None]:
    async with both.beside.transaction():
        await both.run(HELD.text)
        yield


async def at_commit(both: TwoNodes, table: str) -> None:
    """COMMIT of whoever writes to the table waits while somebody holds the lock."""
    await both.run(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM pg_advisory_xact_lock(hashtext(current_schema())); RETURN NULL; END$$"
    )
    await both.run(
        f"CREATE CONSTRAINT TRIGGER wait AFTER INSERT OR UPDATE ON {table}"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()"
    )


async def kept(both: TwoNodes) -> list[str]:
    return await both.values("SELECT day FROM spend ORDER BY day")


# ------------------------------------------------ cancelled


async def test_cancelling_while_the_unit_runs_leaves_it_whole(both: TwoNodes) -> None:
    async with lock(both):
        task = asyncio.create_task(both.one.writer.run(two_rows))
        await both.waiting()
        task.cancel()
        assert await asyncio.gather(task, return_exceptions=True) != [None]
        assert await kept(both) == []
    await both.one.ping()  # what was cancelled ends first
    assert await kept(both) == ["a", "b"]


async def test_a_claim_cancelled_while_it_runs_is_given_back_before_anything_else(both: TwoNodes) -> None:
    await both.one.enqueue(reply("k"))
    async with both.locked("SELECT 1 FROM sms"):
        claim = asyncio.create_task(both.one.claim_due("main", now=NOW, limit=9))
        await both.waiting()
        claim.cancel()
        await asyncio.gather(claim, return_exceptions=True)
    (again,) = await both.one.claim_due("main", now=NOW, limit=9)
    assert (again.key, again.attempts) == ("k", 1)


async def test_a_node_that_leaves_releases_what_was_cancelled_last(both: TwoNodes) -> None:
    await both.alive(both.one)
    await both.one.enqueue(reply("k"))
    async with both.locked("SELECT 1 FROM sms"):
        claim = asyncio.create_task(both.one.claim_due("main", now=NOW, limit=9))
        await both.waiting()
        claim.cancel()
        await asyncio.gather(claim, return_exceptions=True)
    await both.one.leave()
    assert await claimed(both.two) == ["k"]


async def test_a_settling_cancelled_while_it_runs_leaves_nothing_sending(both: TwoNodes) -> None:
    inbound = await received(both.one)
    inserted = settlement(inbound, 0, reply("r", state=SmsState.SENDING))
    await both.taken()
    async with both.locked("SELECT 1 FROM inbound"):
        settling = asyncio.create_task(settle(both.one, [inserted]))
        await both.waiting()
        settling.cancel()
        await asyncio.gather(settling, return_exceptions=True)
    await both.one.ping()
    assert await claimed(both.two) == ["r"]
    assert await both.value("SELECT state FROM inbound") == "routed"


async def test_one_of_many_that_was_cancelled_takes_no_neighbour_along(both: TwoNodes) -> None:
    rows = [await both.one.enqueue(reply(key, recipient=key)) for key in ("first", "gone", "stays")]

    def cancelling(sms: Sms) -> asyncio.Task[bool]:
        return asyncio.create_task(both.one.move(sms.id, Move.CANCEL, NOW))

    async with both.locked("SELECT 1 FROM sms WHERE key = 'first'"):
        first = cancelling(rows[0])
        await both.waiting()
        gone, stays = map(cancelling, rows[1:])
        await asyncio.sleep(0)
        gone.cancel()
    assert await first
    assert await stays
    assert await both.values("SELECT key FROM sms WHERE state = 'queued'") == ["gone"]


async def test_moves_that_may_ride_wait_for_each_other_a_moment_and_share_a_transaction(both: TwoNodes) -> None:
    rows = [await both.one.enqueue(reply(f"k{n}", recipient=f"790{n}")) for n in range(5)]
    before = both.one.writer.commits
    assert all(await asyncio.gather(*(both.one.move(sms.id, Move.CANCEL, NOW, ride=True) for sms in rows)))
    assert both.one.writer.commits == before + 1
    assert await both.one.move(rows[0].id, Move.CANCEL, NOW, ride=True) is False


# ------------------------------------------------ in each other's way


async def test_two_in_each_others_way_are_both_done(both: TwoNodes) -> None:
    def crossing(first: str, second: str) -> Callable[[Tx], None]:
        def unit(tx: Tx) -> None:
            tx.one(ADD_SPEND, {"day": first, "parts": 1})
            tx.one(HELD)
            tx.one(ADD_SPEND, {"day": second, "parts": 1})

        return unit

    async with lock(both):
        tasks = [
            asyncio.create_task(store.writer.run(crossing(*days)))
            for store, days in ((both.one, ("a", "b")), (both.two, ("b", "a")))
        ]
        await both.waiting(2)
    await asyncio.gather(*tasks)
    assert await both.values("SELECT parts FROM spend ORDER BY day") == [2, 2]


async def test_a_transaction_that_is_overtaken_each_time_is_refused_for_now(both: TwoNodes) -> None:
    tried: list[int] = []

    def overtaken(tx: Tx) -> None:
        tried.append(tx.run(Statement("INSERT INTO spend (day, parts) VALUES ('a', 1)")))
        raise SerializationConflict

    with pytest.raises(StoreUnavailable):
        await both.one.writer.run(overtaken)
    assert len(tried) == MAX_TRIES
    assert await kept(both) == []


async def test_what_stands_there_for_good_is_no_matter_of_coming_later(both: TwoNodes) -> None:
    await both.run("INSERT INTO spend (day, parts) VALUES ('a', 1)")
    with pytest.raises(StoreError) as caught:
        await both.one.writer.run(lambda tx: tx.run(Statement("INSERT INTO spend (day, parts) VALUES ('a', 1)")))
    assert not isinstance(caught.value, StoreUnavailable)


# ------------------------------------------------ cut off


async def test_a_connection_ended_in_the_middle_has_written_nothing(both: TwoNodes) -> None:
    async with lock(both):
        task = asyncio.create_task(both.one.writer.run(two_rows))
        (process,) = await both.waiting()
        await both.value("SELECT pg_terminate_backend($1)", process)
        with pytest.raises(StoreUnavailable) as caught:
            await task
    assert not isinstance(caught.value, CommitUnknown)
    assert await kept(both) == []
    await both.one.writer.run(two_rows)
    assert await kept(both) == ["a", "b"]


async def test_a_connection_ended_in_commit_is_told_as_unknown(both: TwoNodes) -> None:
    await at_commit(both, "inbound")
    async with lock(both):
        task = asyncio.create_task(accept(both.one, call()))
        (process,) = await both.waiting()
        await both.value("SELECT pg_terminate_backend($1)", process)
        with pytest.raises(CommitUnknown):
            await task
    assert (await accept(both.one, call())).new, "here the server had not kept it"


async def test_a_claim_whose_commit_has_no_answer_leaves_nothing_sending(both: TwoNodes) -> None:
    """The server keeps it, and the answer is lost on the way."""
    await both.one.enqueue(reply("k"))
    await at_commit(both, "sms")
    async with Cut(both.url) as cut:
        third = await open_store(cut.url, clock=SetClock())
        try:
            async with lock(both):
                claim = asyncio.create_task(third.claim_due("main", now=NOW, limit=9))
                await both.waiting()
                cut.now()
                with pytest.raises(CommitUnknown):
                    await claim
                assert await both.value("SELECT state FROM sms") == "queued", "not decided yet"
            await both.run("DROP TRIGGER wait ON sms")  # waits for the transaction's end
            assert await both.value("SELECT state FROM sms") == "sending"
            assert await claimed(both.two) == [], "its bridge may know of it"
            await third.ping()  # before anything else, what nobody was told of is given back
            assert await claimed(both.two) == ["k"]
        finally:
            await third.close()


async def test_a_word_whose_commit_has_no_answer_may_be_said_again(both: TwoNodes) -> None:
    async with Cut(both.url) as cut:
        third = await open_store(cut.url, clock=SetClock())
        try:
            sms = await sent(third, "k")
            await at_commit(both, "sms")
            async with lock(both):
                word = asyncio.create_task(third.move(sms.id, Move.RETRY, NOW, began=sms.sending_since))
                await both.waiting()
                cut.now()
                with pytest.raises(CommitUnknown):
                    await word
            await both.run("DROP TRIGGER wait ON sms")
            (again,) = await both.two.claim_due("main", now=NOW + 1, limit=9)
            assert not await third.move(sms.id, Move.RETRY, NOW + 1, began=sms.sending_since)
            assert await both.two.move(again.id, Move.ACCEPTED, NOW + 2, began=again.sending_since)
        finally:
            await third.close()


async def _back(store: PostgresStore) -> bool:
    try:
        await store.ping()
    except StoreUnavailable:
        return False
    return True


class Cut:
    """Between a store and its server; cut off at once where a test says so, and for new connections good again."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.refuses = False
        self.asked = 0

    async def __aenter__(self) -> Cut:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = urlunsplit(self._to._replace(netloc=f"{self._to.username}@127.0.0.1:{port}"))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # an aborted transport closes its socket in the loop's next turn

    def now(self) -> None:
        """The client sees its connections end; the server is told nothing."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        if self.refuses:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.append(writer)
        there, back = await asyncio.open_connection(self._to.hostname, self._to.port or 5432)
        try:
            with suppress(asyncio.CancelledError):
                await asyncio.gather(self._ask(reader, back), copied(there, writer))
        finally:
            back.transport.abort()
            writer.transport.abort()

    async def _ask(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await client.read(65_536):
                server.write(data)
                await server.drain()
        await asyncio.get_running_loop().create_future()  # the server is not told that the client is gone


# ------------------------------------------------ too slow, too many, away


@asynccontextmanager
async def impatient(both: TwoNodes, patience: Ms = 400) -> AsyncIterator[PostgresStore]:
    """A store that waits for nothing longer than a moment."""
    before = pool.TIMEOUT, dict(pool._SETTINGS)
    pool.TIMEOUT = patience
    pool._SETTINGS |= {"lock_timeout": "200", "statement_timeout": "300"}
    try:
        store = await open_store(both.url, clock=SetClock())
        try:
            yield store
        finally:
            await store.close()
    finally:
        pool.TIMEOUT = before[0]
        pool._SETTINGS.update(before[1])


async def test_a_lock_that_others_keep_is_not_waited_for_without_end(both: TwoNodes) -> None:
    async with impatient(both) as store, lock(both):
        with pytest.raises(StoreUnavailable, match="keeps its locks too long"):
            await store.writer.run(two_rows)
        assert await kept(both) == []


async def test_a_statement_is_not_waited_for_without_end(both: TwoNodes) -> None:
    async with impatient(both) as store:
        with pytest.raises(StoreUnavailable, match="took too long"):
            await store.writer.run(lambda tx: tx.one(Statement("SELECT pg_sleep(60)")))
        await store.ping()


async def test_where_all_connections_are_busy_the_next_is_refused_and_later_served(
    both: TwoNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.store.postgres.store._WRITE_CONNECTIONS", 1)
    async with impatient(both, 2_000) as store:
        async with lock(both):
            busy = asyncio.create_task(store.writer.run(_wait_long))
            await both.waiting()
            with pytest.raises(StoreUnavailable, match="all connections are busy"):
                await store.ping()
        await asyncio.gather(busy, return_exceptions=True)
        await store.ping()


def _wait_long(tx: Tx) -> None:
    tx.one(Statement("SET LOCAL lock_timeout = 0"))
    tx.one(Statement("SET LOCAL statement_timeout = 0"))
    tx.one(HELD)


async def test_a_server_that_is_away_refuses_one_after_the_other_at_once(both: TwoNodes) -> None:
    """It is asked now and then, not by each: nobody waits for it twice."""
    async with Cut(both.url) as cut:
        store = await open_store(cut.url, clock=SetClock())
        try:
            cut.refuses = True
            cut.now()
            refused = await asyncio.gather(*(accept(store, call(str(n))) for n in range(50)), return_exceptions=True)
            assert all(isinstance(each, StoreUnavailable) for each in refused)
            asked = cut.asked
            for _ in range(500):
                with pytest.raises(StoreUnavailable):
                    await store.ping()
            assert cut.asked - asked < 100
            cut.refuses = False
            await until(lambda: _back(store))
        finally:
            await store.close()


async def test_work_handed_in_before_the_close_is_done(both: TwoNodes) -> None:
    waiting = [asyncio.create_task(accept(both.one, call(str(n)))) for n in range(300)]
    await asyncio.sleep(0)
    await both.one.close()
    assert all(answer.new for answer in await asyncio.gather(*waiting))
    with pytest.raises(StoreError):
        await both.one.ping()
    assert await spent(both.two) == 0
