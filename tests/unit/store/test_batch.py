"""Statements about many rows: how many go into one, and which may not go into the same."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import StoreError
from bridge.store.batch import MAX_ROWS, BatchStatement, batch_sizes, conflict_free_batches
from bridge.store.schema.tables import SPEND
from bridge.store.schema.types import INTEGER, TEXT
from bridge.store.sqlite.store import SqliteStore
from bridge.store.sqlite.tx import SqliteTx
from bridge.store.transaction import Tx
from tests.contract.builders import accept, call


@given(st.integers(0, 1000))
def test_sizes_take_all_rows_in_few_kinds_of_statement(count: int) -> None:
    found = list(batch_sizes(count))
    assert sum(found) == count
    assert all(size <= MAX_ROWS and size & (size - 1) == 0 for size in found)
    assert len(found) <= count // MAX_ROWS + MAX_ROWS.bit_length()


@given(st.lists(st.integers(0, 5)))
def test_no_key_is_twice_in_a_wave_and_each_keeps_its_turn(keys: list[int]) -> None:
    found = list(conflict_free_batches(keys, lambda key: key))
    assert sorted(at for wave in found for at in wave) == list(range(len(keys)))
    for wave in found:
        assert len({keys[at] for at in wave}) == len(wave)
    for key in set(keys):
        turns = [at for wave in found for at in wave if keys[at] == key]
        assert turns == sorted(turns)


@pytest.mark.parametrize("count", [0, 1, 3, 64, 65, 200])
def test_a_statement_sees_all_rows_whatever_their_number(count: int) -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE t (a, b)")
    put = BatchStatement("a, b", "INSERT INTO t SELECT a, b FROM rows", {"a": INTEGER, "b": TEXT})
    SqliteTx(db).batch(put, [(n, str(n)) for n in range(count)])
    assert db.execute("SELECT a, b FROM t ORDER BY a").fetchall() == [(n, str(n)) for n in range(count)]
    db.close()


def test_texts_that_no_store_takes_are_cleaned_on_this_way_too() -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE t (a, b)")
    SqliteTx(db).batch(
        BatchStatement("a, b", "INSERT INTO t SELECT a, b FROM rows", {"a": INTEGER, "b": TEXT}),
        [("a\0b", 1), ("\ud800", 2), ("\ud83d\ude00", 3)],
    )
    assert [row[0] for row in db.execute("SELECT a FROM t ORDER BY b")] == ["ab", "\ufffd", "😀"]
    db.close()


async def test_what_is_wanted_at_once_is_one_call(store: SqliteStore) -> None:
    calls: list[list[int]] = []

    def doubled(tx: Tx, items: Sequence[int]) -> list[int]:
        calls.append(list(items))
        return [2 * item for item in items]

    first = asyncio.create_task(store.ping())
    await asyncio.sleep(0)
    results = await asyncio.gather(*(store.writer.run_batched(doubled, n) for n in range(9)))
    await first
    assert results == [2 * n for n in range(9)]
    assert calls == [list(range(9))]


async def test_one_that_fails_is_done_again_alone_and_so_are_its_neighbours(store: SqliteStore) -> None:

    def picky(tx: Tx, items: Sequence[int]) -> Sequence[int]:
        if 3 in items:
            raise StoreError("three")
        tx.run(SPEND.statement("INSERT INTO spend (day, parts) VALUES (:day, 1)"), {"day": str(items)})
        return items

    results = await asyncio.gather(
        *(store.writer.run_batched(picky, n) for n in range(5)), accept(store, call()), return_exceptions=True
    )
    assert [isinstance(result, Exception) for result in results] == [False, False, False, True, False, False]


async def test_work_that_leaves_a_repair_is_done_for_each_alone(store: SqliteStore) -> None:
    """A repair of many would be everybody's: one caller who is cancelled would undo what the others were told."""
    together: list[int] = []

    def repairing(tx: Tx, items: Sequence[int]) -> Sequence[int]:
        tx.if_caller_gone(lambda later: None)
        together.append(len(items))
        return items

    assert await store.writer.run_batched(repairing, 1) == 1
    hold = asyncio.create_task(store.ping())
    await asyncio.sleep(0)
    results = await asyncio.gather(*(store.writer.run_batched(repairing, n) for n in (1, 2)))
    await hold
    assert results == [1, 2]
    assert together == [1, 2, 1, 1]
