"""One writer, whole transactions: waiting work shares a commit, and nobody pays for a neighbour."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.errors import CommitUnknown, StoreError, StoreUnavailable
from bridge.model.sms import Move, SmsState
from bridge.store.sqlite.connection import ThreadConnection
from bridge.store.sqlite.store import SqliteStore
from bridge.store.statement import Statement
from bridge.store.transaction import Tx
from tests.contract.builders import NOW, accept, call, received, reply, sent, settle, settlement, spent, unrouted


class Barrier:
    """A unit that holds the writer's thread until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def __call__(self, tx: Tx) -> None:
        self.entered.set()
        assert self.open.wait(10)

    async def wait_entered(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, 10)


def broken(tx: Tx) -> None:
    tx.run(Statement("INSERT INTO spend (day, parts) VALUES ('never', 1)"))
    tx.run(Statement("INSERT INTO spend (day, parts) VALUES (NULL, NULL)"))


async def test_work_runs_in_the_connections_thread_in_one_hop_each(path: Path) -> None:
    """What aiosqlite's public ``commit()`` is used for; see docs/decisions/0001-sqlite-writer.md."""
    sqlite3.connect(path).close()
    connection = ThreadConnection(path, readonly=False, busy_timeout=50)
    await connection.open()
    order: list[int] = []

    def work(number: int) -> Callable[[sqlite3.Connection], tuple[int, int]]:
        def run(db: sqlite3.Connection) -> tuple[int, int]:
            if number == 1:
                raise ValueError(number)
            order.append(number)
            return number, threading.get_ident()

        return run

    calls = [asyncio.create_task(connection.call(work(number))) for number in range(4)]
    await asyncio.sleep(0)
    calls[2].cancel()
    done = await asyncio.gather(*calls, return_exceptions=True)
    await connection.close()
    # A job that failed or lost its caller leaves the others with their own results.
    assert order == [0, 2, 3]
    assert isinstance(done[1], ValueError)
    assert isinstance(done[2], asyncio.CancelledError)
    results = [each for each in done if isinstance(each, tuple)]
    assert [number for number, _ in results] == [0, 3]
    assert {thread for _, thread in results} != {threading.get_ident()}
    assert len({thread for _, thread in results}) == 1


async def test_every_commit_is_synced_and_keys_are_enforced(store: SqliteStore) -> None:
    def ask(tx: Tx) -> dict[str, object]:
        names = ("synchronous", "journal_mode", "foreign_keys", "busy_timeout", "mmap_size")
        return {name: row[0] for name in names if (row := tx.one(Statement(f"PRAGMA {name}"))) is not None}

    found = await store.writer.run(ask)
    assert found.pop("mmap_size", 0) == 0
    assert found == {"synchronous": 2, "journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 50}


async def test_work_that_waits_shares_a_commit(store: SqliteStore) -> None:
    barrier = Barrier()
    first = asyncio.create_task(store.writer.run(barrier))
    await barrier.wait_entered()
    before = store.writer.commits
    waiting = [asyncio.create_task(accept(store, call(str(n)))) for n in range(64)]
    await asyncio.sleep(0)
    barrier.open.set()
    await asyncio.gather(first, *waiting)
    assert store.writer.commits == before + 2


async def test_a_transaction_takes_the_write_lock_when_it_begins(store: SqliteStore, path: Path) -> None:
    barrier = Barrier()
    held = asyncio.create_task(store.writer.run(barrier))  # has written nothing so far
    await barrier.wait_entered()
    other = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    finally:
        other.close()
        barrier.open.set()
        await held


async def test_a_unit_that_fails_takes_no_neighbour_along(store: SqliteStore) -> None:
    barrier = Barrier()
    first = asyncio.create_task(store.writer.run(barrier))
    await barrier.wait_entered()
    good = [asyncio.create_task(accept(store, call(str(n)))) for n in range(25)]
    bad = asyncio.create_task(store.writer.run(broken))
    good += [asyncio.create_task(accept(store, call(str(n)))) for n in range(25, 50)]
    await asyncio.sleep(0)
    barrier.open.set()
    results = await asyncio.gather(first, bad, *good, return_exceptions=True)
    assert isinstance(results[1], StoreError)
    assert not isinstance(results[1], StoreUnavailable)
    assert all(getattr(result, "new", False) for result in results[2:])
    assert (await store.queue_status()).inbound_new == 50
    assert await spent(store, "never") == 0


async def test_a_mistake_in_our_own_code_reaches_its_caller_only(store: SqliteStore) -> None:
    def mistaken(tx: Tx) -> None:
        raise KeyError("mistake")

    wrong, right = await asyncio.gather(store.writer.run(mistaken), accept(store, call()), return_exceptions=True)
    assert isinstance(wrong, KeyError)
    assert getattr(right, "new", False)


async def test_a_rolled_back_unit_never_undoes_an_acknowledged_row(store: SqliteStore) -> None:
    for n in range(30):
        accepted, failed = await asyncio.gather(
            accept(store, call(str(n))), store.writer.run(broken), return_exceptions=True
        )
        assert isinstance(failed, StoreError)
        assert not isinstance(accepted, BaseException)
        assert await store.get_inbound(accepted.id) is not None


async def test_a_cancelled_waiter_whose_turn_had_not_come_is_not_done(store: SqliteStore) -> None:
    barrier = Barrier()
    first = asyncio.create_task(store.writer.run(barrier))
    await barrier.wait_entered()
    gone = asyncio.create_task(accept(store, call("gone")))
    kept = asyncio.create_task(accept(store, call("kept")))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    barrier.open.set()
    await asyncio.gather(first, kept)
    assert [item.inbound.smsid for item in await unrouted(store)] == ["kept"]


async def test_cancelling_while_the_unit_runs_leaves_it_whole(store: SqliteStore) -> None:
    barrier = Barrier()

    def two_rows(tx: Tx) -> None:
        tx.run(Statement("INSERT INTO spend (day, parts) VALUES ('a', 1)"))
        barrier(tx)
        tx.run(Statement("INSERT INTO spend (day, parts) VALUES ('b', 1)"))

    task = asyncio.create_task(store.writer.run(two_rows))
    await barrier.wait_entered()
    task.cancel()
    barrier.open.set()
    await asyncio.gather(task, return_exceptions=True)
    await store.ping()
    assert await spent(store, "a") == await spent(store, "b") == 1


async def test_a_claim_cancelled_while_it_runs_is_given_back_before_anything_else(store: SqliteStore) -> None:
    await store.enqueue(reply("k"))
    barrier = Barrier()
    hold = asyncio.create_task(store.writer.run(barrier))
    await barrier.wait_entered()
    last = Barrier()
    claim = asyncio.create_task(store.claim_due("main", now=NOW, limit=9))
    held = asyncio.create_task(store.writer.run(last))  # in the same transaction, after the claim
    await asyncio.sleep(0)
    barrier.open.set()
    await last.wait_entered()
    claim.cancel()
    await asyncio.sleep(0)
    last.open.set()
    await asyncio.gather(hold, held, claim, return_exceptions=True)
    (again,) = await store.claim_due("main", now=NOW, limit=9)
    assert (again.key, again.attempts) == ("k", 1)


async def test_a_claim_cancelled_after_its_commit_and_before_it_is_told_is_given_back(store: SqliteStore) -> None:
    await store.enqueue(reply("k"))
    barrier = Barrier()
    hold = asyncio.create_task(store.writer.run(barrier))
    await barrier.wait_entered()

    async def neighbour() -> None:
        await store.writer.run(lambda tx: None)  # shares the claim's commit and is woken right before it
        claim.cancel()

    killer = asyncio.create_task(neighbour())
    await asyncio.sleep(0)
    claim = asyncio.create_task(store.claim_due("main", now=NOW, limit=9))
    await asyncio.sleep(0)
    barrier.open.set()
    await asyncio.gather(hold, killer)
    with pytest.raises(asyncio.CancelledError):
        await claim
    (again,) = await store.claim_due("main", now=NOW, limit=9)
    assert (again.key, again.attempts) == ("k", 1)


async def test_a_failed_commit_is_unknown_and_leaves_nothing_sending(store: SqliteStore) -> None:
    await store.enqueue(reply("k"))

    def doomed(tx: Tx) -> None:
        # A deferred key is looked at by COMMIT alone: the real COMMIT fails, with all the work done before.
        tx.run(Statement("PRAGMA defer_foreign_keys = ON"))
        tx.run(Statement("INSERT INTO topic (chat_id, thread_id, conversation_id) VALUES (1, 1, 12345)"))

    claim, failed = await asyncio.gather(
        store.claim_due("main", now=NOW, limit=9), store.writer.run(doomed), return_exceptions=True
    )
    assert isinstance(claim, CommitUnknown)
    assert isinstance(failed, CommitUnknown)
    assert await store.list_sms([SmsState.SENDING], limit=9) == []
    (again,) = await store.claim_due("main", now=NOW, limit=9)
    assert again.attempts == 1


async def test_closing_finishes_what_waits(path: Path, store: SqliteStore) -> None:
    waiting = [asyncio.create_task(accept(store, call(str(n)))) for n in range(600)]
    await asyncio.sleep(0)
    await store.close()
    assert all(answer.new for answer in await asyncio.gather(*waiting))


async def test_a_settling_cancelled_while_it_runs_leaves_nothing_sending_and_its_neighbours_alone(
    store: SqliteStore,
) -> None:
    messages = [await received(store, str(n), subscriber=f"790{n}") for n in range(3)]
    replies = [reply(f"r{n}", recipient=f"790{n}", state=SmsState.SENDING) for n in range(3)]
    other = await sent(store, "k", recipient="7999")
    barrier, last = Barrier(), Barrier()
    hold = asyncio.create_task(store.writer.run(barrier))
    await barrier.wait_entered()
    settling = asyncio.create_task(
        settle(store, [settlement(*pair) for pair in zip(messages, (0, 0, 0), replies, strict=True)])
    )
    moving = asyncio.create_task(store.move(other.id, Move.ACCEPTED, NOW))
    accepting = asyncio.create_task(accept(store, call("4")))
    while len(store.writer._waiting) < 3:
        await asyncio.sleep(0)
    held = asyncio.create_task(store.writer.run(last))  # in the same transaction, after all of these
    await asyncio.sleep(0)
    barrier.open.set()
    await last.wait_entered()
    settling.cancel()
    await asyncio.sleep(0)
    last.open.set()
    await asyncio.gather(hold, held, settling, return_exceptions=True)
    assert await moving
    assert (await accepting).new
    assert [sms.key for sms in await store.claim_due("main", now=NOW, limit=9)] == ["r0", "r1", "r2"]
    assert [item.inbound.smsid for item in await unrouted(store)] == ["4"]


async def test_a_move_that_may_ride_shares_the_commit_of_other_work(store: SqliteStore) -> None:
    sms = await sent(store, "k")
    before = store.writer.commits
    moving = asyncio.create_task(store.move(sms.id, Move.ACCEPTED, NOW, ride=True))
    while not store.writer._waiting:
        await asyncio.sleep(0)
    await store.ping()
    assert await moving
    assert store.writer.commits == before + 1


async def test_a_move_that_may_ride_is_written_also_without_other_work(store: SqliteStore) -> None:
    sms = await sent(store, "k")
    assert await store.move(sms.id, Move.ACCEPTED, NOW, ride=True)


async def test_closing_writes_what_waits_for_a_ride(path: Path, store: SqliteStore) -> None:
    rows = [await store.enqueue(reply(f"k{n}", recipient=f"790{n}")) for n in range(5)]
    moving = [asyncio.create_task(store.move(sms.id, Move.CANCEL, NOW, ride=True)) for sms in rows]
    while len(store.writer._waiting) < 5:
        await asyncio.sleep(0)
    await store.close()
    assert all(await asyncio.gather(*moving))
