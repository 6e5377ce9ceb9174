"""A store moved to PostgreSQL and back: all of it as it is, or nothing; and the source asks if it is started again."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bridge.errors import StoreError, StoreLocked, StoreUnavailable
from bridge.model.sms import SmsState
from bridge.store import open_storage, open_store
from bridge.store.copying import Moved, move
from bridge.store.copying.postgres import PostgresTarget
from bridge.store.copying.sqlite import SqliteSource
from bridge.store.copying.tables import NOT_COPIED, Content, Digest
from bridge.store.migrate import shipped
from bridge.store.sqlite.migrate import migrate
from tests import postgres
from tests.contract.builders import (
    NOW,
    SetClock,
    accept,
    call,
    claimed,
    opened,
    person,
    post,
    reply,
    sent,
    settled,
    settlement,
)
from tests.postgres_cluster import needs, run_tool
from tests.unit.store.test_backup import numbers

pytestmark = [postgres.needs_postgres, needs("psql")]

BIG = 2**62
ODD = "Ё😀 \u2028 \x7f \\N \\. \t\r\n ' \" {a,b} " + "ю" * 5_000


def quiet(done: int, total: int) -> None:
    assert 0 <= done <= total


async def moved(source: str, target: str) -> Moved:
    return await move(source, target, now=lambda: NOW, progress=quiet)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bridge.db"


@pytest.fixture
def source(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
async def target(tmp_path: Path) -> str:
    return await postgres.schema_of(tmp_path)


@asynccontextmanager
async def session(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def tables_in(url: str) -> list[str]:
    async with session(url) as connection:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    return sorted(row["tablename"] for row in rows)


def everything(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """What SQLite itself says is there; a second look at what the copy's own digests are about."""
    with closing(sqlite3.connect(path)) as db:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: sorted(db.execute(f"SELECT * FROM {name}"), key=repr)
            for name in names
            if name not in NOT_COPIED and not name.startswith("sqlite_")
        }


async def lived(path: Path) -> None:
    """A little of everything that a bridge leaves behind."""
    async with opened(open_store(path, clock=SetClock())) as store:
        await sent(store, "in flight", recipient="79990000009")
        accepted = await accept(store, call("1", text=ODD))
        inbound = await store.get_inbound(accepted.id)
        assert inbound is not None
        await settled(store, settlement(inbound, 0, reply("rule"), forwards=("support",)))
        await accept(store, call("2"))
        await store.enqueue(person("people", message_id=BIG))
        await store.add_post(post(key="p"), NOW)
        await store.ping()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE inbound SET raw_query = ? WHERE id = 1", (bytes(range(256)),))
        db.execute("UPDATE inbound SET raw_query = x'' WHERE id = 2")
        db.execute("INSERT INTO chat_alias VALUES (-100200300, -1001234567890, ?)", (BIG,))
        db.execute("INSERT INTO balance_spent VALUES ('main', '2026-11-26', 0.1), ('', '', -0.0), ('b', '', 1e300)")
        db.execute("INSERT INTO account_state (account, balance) VALUES ('main', 3), ('second', NULL)")
        db.execute(
            "INSERT INTO alert (id, key, text, params, account, opened_at) VALUES (?, 'a', '', '{}', '', 0)", (BIG,)
        )


async def test_everything_arrives_as_it_was_and_comes_back_the_same(path: Path, source: str, target: str) -> None:
    await lived(path)
    before = everything(path)
    there = await moved(source, target)
    assert {name: content.rows for name, content in there.tables.items()} == {
        name: len(rows) for name, rows in before.items()
    }
    back = path.with_name("back.db")
    assert (await moved(target, f"sqlite:///{back}")).tables == there.tables
    assert everything(back) == before
    assert not back.with_name("back.db.part").exists()


async def test_an_empty_store_can_be_moved(path: Path, source: str, target: str) -> None:
    await (await open_store(path, clock=SetClock())).close()
    assert (await moved(source, target)).rows == 0
    async with opened(open_storage(target, clock=SetClock())) as store:
        assert (await accept(store, call("1"))).id == 1


async def test_what_waited_goes_on_there_and_numbers_go_on_behind_the_highest(
    path: Path, source: str, target: str
) -> None:
    """It is the store itself and no copy of it: nobody is asked about anything."""
    await lived(path)
    await moved(source, target)
    async with opened(open_storage(target, clock=SetClock())) as store:
        assert await store.settle_restored(NOW, numbers) is None
        assert (await accept(store, call("3"))).id == 3
        assert not (await accept(store, call("2"))).new, "it knows what it has"
        assert [sms.key for sms in await store.list_sms([SmsState.SENDING], limit=9)] == ["in flight"]
        assert sorted(await claimed(store)) == ["people"], "then what a rule said, in the same lane"
        assert await store.enqueue(reply("next", recipient="79990000010"))
        async with session(target) as connection:
            (highest,) = await connection.fetchrow("SELECT max(id) FROM sms WHERE key <> 'next'")
            assert await connection.fetchval("SELECT id FROM sms WHERE key = 'next'") == highest + 1
            assert await connection.fetchval("SELECT nextval(pg_get_serial_sequence('alert', 'id'))") == BIG + 1


async def test_a_start_on_the_source_by_mistake_asks_people_and_sends_nothing(
    path: Path, source: str, target: str
) -> None:
    await lived(path)
    await moved(source, target)
    async with opened(open_store(path, clock=SetClock())) as store:
        told = await store.settle_restored(NOW + 5, numbers)
        assert told is not None
        assert (told.taken_at, told.sms, told.inbound) == (NOW, 3, 1)
        assert await claimed(store) == []


async def test_a_copy_that_was_never_started_stays_one_where_it_goes(path: Path, source: str, target: str) -> None:
    await lived(path)
    await moved(source, target)
    second = await postgres.schema_of(path)
    await moved(source, second)
    async with opened(open_storage(second, clock=SetClock())) as store:
        assert await store.settle_restored(NOW + 5, numbers) is not None
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM restoration").fetchone() == (1,), "marked once"


# ------------------------------------------------ refused before anything is done


async def test_a_store_that_a_bridge_runs_on_is_not_moved(path: Path, source: str, target: str) -> None:
    async with opened(open_store(path, clock=SetClock())):
        with pytest.raises(StoreLocked, match="running bridge"):
            await moved(source, target)
    assert await tables_in(target) == []


BRIDGE = """
CREATE TABLE IF NOT EXISTS bridge (id TEXT PRIMARY KEY, name TEXT NOT NULL, roles TEXT NOT NULL, version TEXT NOT NULL,
    rules_version TEXT NOT NULL, started_at BIGINT NOT NULL, seen_at BIGINT NOT NULL, alive_until BIGINT NOT NULL,
    sends_until BIGINT NOT NULL);
INSERT INTO node VALUES ('a', 'host-1:77', '', '', '', 0, 0, extract(epoch FROM now()) * 1000 + 60000, 0),
                          ('b', 'host-2:78', '', '', '', 0, 0, extract(epoch FROM now()) * 1000 - 60000, 0);
"""


async def test_a_database_that_bridges_run_on_is_no_end_of_a_move(path: Path, source: str, target: str) -> None:
    await lived(path)
    await (await open_storage(target, clock=SetClock())).close()
    async with session(target) as connection:
        await connection.execute(BRIDGE)
    for ends in ((source, target), (target, f"sqlite:///{path.with_name('back.db')}")):
        with pytest.raises(StoreLocked, match=r"running bridges \(host-1:77\)"):
            await moved(*ends)
    unmarked(path)


async def test_what_a_bridge_had_in_hand_is_nobodys_afterwards(path: Path, source: str, target: str) -> None:
    await lived(path)
    await (await open_storage(target, clock=SetClock())).close()
    column = "ALTER TABLE inbound ADD COLUMN taken_by TEXT NOT NULL DEFAULT ''"
    with closing(sqlite3.connect(path)) as db, db:
        if "taken_by" not in [row[1] for row in db.execute("PRAGMA table_info(inbound)")]:
            db.execute(column)
            async with session(target) as connection:
                await connection.execute(column)
        db.execute("UPDATE inbound SET taken_by = 'a'")
    await moved(source, target)
    async with session(target) as connection:
        assert await connection.fetchval("SELECT count(*) FROM inbound WHERE taken_by = ''") == 2


async def test_a_target_that_holds_something_is_left_alone_and_it_is_said_what_it_holds(
    path: Path, source: str, target: str
) -> None:
    await lived(path)
    async with opened(open_storage(target, clock=SetClock())) as store:
        await accept(store, call("theirs"))
    with pytest.raises(StoreError, match=r"not empty \(inbound 1\)"):
        await moved(source, target)
    async with opened(open_storage(target, clock=SetClock())) as store:
        assert not (await accept(store, call("theirs"))).new
    unmarked(path)


async def test_a_schema_that_a_bridge_made_and_left_empty_is_good_enough(path: Path, source: str, target: str) -> None:
    await lived(path)
    await (await open_storage(target, clock=SetClock())).close()
    assert (await moved(source, target)).rows > 0


async def test_another_programs_schema_is_refused(path: Path, source: str, target: str) -> None:
    await lived(path)
    async with session(target) as connection:
        await connection.execute("CREATE TABLE theirs (id int)")
    with pytest.raises(StoreError, match="another program"):
        await moved(source, target)
    assert await tables_in(target) == ["theirs"]


@pytest.mark.usefixtures("later_version")
@pytest.mark.parametrize("past", [0, 1])
async def test_a_source_of_another_version_is_refused_with_what_to_do(
    path: Path, source: str, target: str, past: int
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(db, shipped()[:past])
        if not past:
            db.execute("PRAGMA user_version = 0")
    with pytest.raises(StoreError, match="no store in it yet" if not past else "start the bridge on it once"):
        await moved(source, target)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(db, shipped())
        db.execute("PRAGMA user_version = 999")
    with pytest.raises(StoreError, match="newer version"):
        await moved(source, target)
    assert await tables_in(target) == []


async def test_a_source_that_is_not_there_is_not_made(path: Path, source: str, target: str) -> None:
    with pytest.raises(StoreUnavailable, match="no file"):
        await moved(source, target)
    assert not path.exists()
    path.write_text("something else, and long enough to be looked at " * 30)
    with pytest.raises(StoreUnavailable, match="not an SQLite database"):
        await moved(source, target)


async def test_a_file_that_is_there_is_not_written_over(path: Path, source: str, target: str) -> None:
    await lived(path)
    await moved(source, target)
    with pytest.raises(StoreError, match="exists already"):
        await moved(target, source)


# ------------------------------------------------ failed in the middle


def unmarked(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT * FROM restoration").fetchall() == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("UPDATE sms SET text = x'00ff' WHERE id = 2", r"sms\.text of row 2 holds a bytes"),
        ("UPDATE sms SET parts = 'тайна' WHERE id = 1", r"sms\.parts of row 1 holds a str"),
        ("UPDATE inbound SET text = 'тай' || char(0) || 'на' WHERE id = 1", r"inbound\.text of row 1 holds a str"),
        ("UPDATE inbound SET text = CAST(x'ff41' AS TEXT) WHERE id = 1", r"a text in it is not UTF-8"),
        ("UPDATE contact SET name = x'00'", r"contact\.name holds a bytes"),
        ("UPDATE sms SET inbound_id = 4711 WHERE id = 1", r"sms: .*ForeignKeyViolationError, 23503"),
    ],
)
async def test_what_cannot_be_copied_is_named_and_nothing_is_kept(
    path: Path, source: str, target: str, damage: str, words: str
) -> None:
    await lived(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(damage)
    with pytest.raises(StoreError, match=words) as told:
        await moved(source, target)
    assert "тай" not in str(told.value)
    assert "A'" not in str(told.value)
    assert await tables_in(target) == [], "an empty schema is as empty as it was"
    unmarked(path)


async def test_a_server_that_goes_away_in_the_middle_leaves_nothing(
    path: Path, source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lived(path)
    finish = PostgresTarget.finish

    async def cut(self: PostgresTarget) -> None:
        pid = self._connection.get_server_pid()
        async with session(target) as other:
            await other.execute("SELECT pg_terminate_backend($1)", pid)
        await finish(self)

    monkeypatch.setattr(PostgresTarget, "finish", cut)
    with pytest.raises(StoreUnavailable):
        await moved(source, target)
    assert await tables_in(target) == []
    unmarked(path)


async def test_where_nobody_knows_whether_it_was_kept_that_is_what_is_said(
    path: Path, source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server goes when all is there and COMMIT is next."""
    await lived(path)
    finish = PostgresTarget.finish
    pids: list[int] = []

    async def noted(self: PostgresTarget) -> None:
        pids.append(self._connection.get_server_pid())
        await finish(self)

    def cut(done: int, total: int) -> None:
        if done == total:
            run_tool("psql", f"--dbname={postgres.SERVER}", f"--command=SELECT pg_terminate_backend({pids[0]})")

    monkeypatch.setattr(PostgresTarget, "finish", noted)
    with pytest.raises(StoreUnavailable, match=r"not known: copy again"):
        await move(source, target, now=lambda: NOW, progress=cut)
    unmarked(path)
    assert (await moved(source, target)).rows > 0


async def test_what_arrived_otherwise_is_not_kept(
    path: Path, source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the comparison: one letter of one row, and one row less."""
    await lived(path)
    finish = PostgresTarget.finish
    for change in ("UPDATE inbound SET text = text || '.' WHERE id = 2", "DELETE FROM chat_alias"):

        async def otherwise(self: PostgresTarget, change: str = change) -> None:
            await finish(self)
            await self._connection.execute(change)

        monkeypatch.setattr(PostgresTarget, "finish", otherwise)
        with pytest.raises(StoreError, match=r"does not hold what was copied"):
            await moved(source, target)
        assert await tables_in(target) == []
    unmarked(path)


async def test_a_source_that_cannot_be_marked_is_said_so_with_what_to_do(
    path: Path, source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unable(self: SqliteSource, now: int) -> None:
        raise StoreUnavailable("the disk is full")

    await lived(path)
    monkeypatch.setattr(SqliteSource, "mark", unable)
    with pytest.raises(StoreError, match="move it away"):
        await moved(source, target)
    assert "sms" in await tables_in(target)


async def test_a_bridge_that_starts_in_the_middle_finds_it_whole_or_untouched(
    path: Path, source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lived(path)
    finish = PostgresTarget.finish
    starting: list[asyncio.Task[Any]] = []

    async def at_the_same_time(self: PostgresTarget) -> None:
        starting.append(asyncio.create_task(open_storage(target, clock=SetClock())))
        async with session(target) as other:
            waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid <> pg_backend_pid()"
            while not await other.fetchval(waits):
                assert not starting[0].done(), starting[0]
                await asyncio.sleep(0.005)
        await finish(self)

    monkeypatch.setattr(PostgresTarget, "finish", at_the_same_time)
    async with asyncio.timeout(60):
        await moved(source, target)
        async with opened(starting[0]) as store:
            assert not (await accept(store, call("2"))).new


def test_a_digest_tells_values_apart_and_order() -> None:
    def of(*lines: tuple[Any, ...]) -> Content:
        digest = Digest()
        digest.add(list(lines))
        return digest.content()

    several = [of((1, "a")), of((1.0, "a")), of(("1", "a")), of((1, b"a")), of((1, None)), of((1, "None"))]
    assert len({content.digest for content in several}) == len(several)
    assert of((1,), (2,)) != of((2,), (1,))
    in_parts = Digest()
    in_parts.add([(1,)])
    in_parts.add([(2,)])
    assert in_parts.content() == of((1,), (2,))
