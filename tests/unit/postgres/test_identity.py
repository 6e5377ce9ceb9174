"""A database restored from a dump says so by itself; what is copied below the tables needs a word of people."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from bridge.errors import StoreError
from bridge.model.record import Restoration
from bridge.model.sms import SmsState
from bridge.store import adopt, mark_restored, open_storage, open_store
from bridge.store.copying import move
from bridge.store.migrate import shipped
from bridge.store.postgres import identity
from bridge.store.postgres.migrate import migrate
from bridge.store.sqlite.migrate import migrate as migrate_file
from tests import postgres
from tests.contract.builders import NOW, SetClock, accept, call, claimed, opened, reply
from tests.postgres_cluster import Cluster, cluster, needs, needs_cluster, run_tool
from tests.unit.store.test_backup import numbers

pytestmark = [postgres.needs_postgres, needs("pg_dump", "pg_restore", "psql")]

LATER = NOW + 60_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """One of the test server's, with the test's schema in it or to be."""

    url: str
    server: str
    schema: str


def database(server: str, schema: str) -> Database:
    return Database(url=f"{server}?search_path={schema}", server=server, schema=schema)


@pytest.fixture
async def live(tmp_path: Path) -> Database:
    url = await postgres.schema_of(tmp_path)
    return database(postgres.SERVER, url.rpartition("=")[2])


@pytest.fixture
async def other(live: Database) -> AsyncIterator[Database]:
    """An empty database on the same server."""
    name = f"t_{uuid4().hex}"
    await do(postgres.SERVER, f"CREATE DATABASE {name}")
    server = postgres.SERVER.rpartition("/")[0] + f"/{name}"
    yield database(server, live.schema)
    await do(postgres.SERVER, f"DROP DATABASE {name}")


async def do(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


WAITING = """
INSERT INTO sms (key, account, recipient, sender_name, text, parts, origin, priority, state, created_at, due_at)
VALUES ('a', 'main', '7999', 'Shop', 'text', 1, 'rule', 1, 'queued', 1, 1)
"""


async def older(url: str) -> None:
    connection = await asyncpg.connect(url)
    await migrate(connection, shipped()[:-1])
    await connection.execute(WAITING)
    await connection.close()


async def lived(url: str) -> None:
    async with opened(open_storage(url, clock=SetClock())) as store:
        await accept(store, call("1"))
        await store.enqueue(reply("a"))
        assert await store.settle_restored(NOW, numbers) is None


async def started(url: str, now: int = LATER) -> tuple[Restoration | None, int]:
    """What a start is told, and how many SMS it would send."""
    async with opened(open_storage(url, clock=SetClock(now))) as store:
        told = await store.settle_restored(now, numbers)
        return told, len(await store.list_sms([SmsState.QUEUED], limit=9))


def dumped(live: Database, file: Path) -> None:
    run_tool("pg_dump", "--format=custom", f"--schema={live.schema}", f"--file={file}", f"--dbname={live.server}")


def restored(file: Path, into: Database) -> None:
    run_tool("pg_restore", "--exit-on-error", f"--dbname={into.server}", file)


async def test_starts_on_the_same_database_ask_nothing(live: Database) -> None:
    await lived(live.url)
    for _ in range(2):
        assert await started(live.url) == (None, 1)
    await do(live.url, "VACUUM FULL sms", "REINDEX TABLE sms", "CLUSTER sms USING sms_pkey")
    await do(live.server, f"ALTER SCHEMA {live.schema} RENAME TO {live.schema}_x")
    assert await started(live.url + "_x") == (None, 1), "another name is no other place"
    await do(live.server, f"ALTER SCHEMA {live.schema}_x RENAME TO {live.schema}")


async def test_a_dump_restored_elsewhere_is_a_copy_and_what_it_was_made_of_is_not(
    live: Database, other: Database, tmp_path: Path
) -> None:
    await lived(live.url)
    dumped(live, tmp_path / "dump")
    restored(tmp_path / "dump", other)
    told, queued = await started(other.url)
    assert told is not None
    assert (told.taken_at, told.restored_at, told.sms, told.inbound, queued) == (NOW, LATER, 1, 1, 0)
    assert await started(other.url, LATER + 1) == (None, 0), "asked once"
    assert await started(live.url) == (None, 1)


async def test_a_dump_put_back_where_it_came_from_is_a_copy(live: Database, tmp_path: Path) -> None:
    await lived(live.url)
    dumped(live, tmp_path / "dump")
    await do(live.server, f"DROP SCHEMA {live.schema} CASCADE")
    restored(tmp_path / "dump", live)
    told, queued = await started(live.url)
    assert (told is not None, queued) == (True, 0)


async def test_a_plain_dump_put_in_by_psql_is_a_copy(live: Database, other: Database) -> None:
    await lived(live.url)
    script = run_tool("pg_dump", f"--schema={live.schema}", f"--dbname={live.server}")
    run_tool("psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={other.server}", stdin=[script])
    told, queued = await started(other.url)
    assert (told is not None, queued) == (True, 0)


async def test_a_database_made_of_another_is_a_copy(live: Database, tmp_path: Path) -> None:
    """Its tables keep their numbers; the database has another."""
    template, name = f"t_{uuid4().hex}", f"t_{uuid4().hex}"
    at = postgres.SERVER.rpartition("/")[0]
    await do(postgres.SERVER, f"CREATE DATABASE {template}")
    await lived(f"{at}/{template}")
    await do(postgres.SERVER, f"CREATE DATABASE {name} TEMPLATE {template}")
    told, queued = await started(f"{at}/{name}")
    assert (told is not None, queued) == (True, 0)
    await do(postgres.SERVER, f"DROP DATABASE {name}", f"DROP DATABASE {template}")


async def test_a_restored_dump_that_is_moved_before_any_start_is_a_copy_where_it_goes(
    live: Database, other: Database, tmp_path: Path
) -> None:
    await lived(live.url)
    dumped(live, tmp_path / "dump")
    restored(tmp_path / "dump", other)
    file = f"sqlite:///{tmp_path / 'bridge.db'}"
    await move(other.url, file, now=lambda: LATER, progress=lambda done, total: None)
    told, queued = await started(file)
    assert told is not None
    assert (told.taken_at, told.sms, queued) == (NOW, 1, 0)


async def test_several_bridges_that_start_on_a_restored_dump_ask_once(
    live: Database, other: Database, tmp_path: Path
) -> None:
    await lived(live.url)
    dumped(live, tmp_path / "dump")
    restored(tmp_path / "dump", other)
    told = await asyncio.gather(*(started(other.url) for _ in range(4)))
    assert [each[0] is not None for each in told].count(True) == 1
    async with opened(open_storage(other.url, clock=SetClock())) as store:
        assert len(await store.list_sms([SmsState.UNCERTAIN], limit=9)) == 1


async def test_a_database_that_was_moved_as_a_whole_is_taken_as_itself_where_people_say_so(
    live: Database, other: Database, tmp_path: Path
) -> None:
    await lived(live.url)
    dumped(live, tmp_path / "dump")
    restored(tmp_path / "dump", other)
    await adopt(other.url, now=NOW)
    assert await started(other.url) == (None, 1)


async def test_people_may_say_that_it_is_a_copy(live: Database) -> None:
    await lived(live.url)
    await mark_restored(live.url, taken_at=NOW - 5)
    told, queued = await started(live.url)
    assert told is not None
    assert (told.taken_at, told.sms, queued) == (NOW - 5, 1, 0)


async def test_people_may_say_it_of_a_file_that_was_copied_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    async with opened(open_store(path, clock=SetClock())) as store:
        await store.enqueue(reply("a"))
        with pytest.raises(StoreError, match="running bridge"):
            await mark_restored(f"sqlite:///{path}", taken_at=NOW)
    await mark_restored(f"sqlite:///{path}", taken_at=NOW)
    async with opened(open_store(path, clock=SetClock())) as store:
        assert await store.settle_restored(LATER, numbers) is not None
        assert await claimed(store) == []


@pytest.mark.usefixtures("later_version")
async def test_a_store_of_an_older_version_can_be_said_to_be_a_copy_before_its_first_start(live: Database) -> None:
    """The start that brought it up to date would send what waits."""
    await older(live.url)
    await mark_restored(live.url, taken_at=NOW)
    told, queued = await started(live.url)
    assert told is not None
    assert (told.sms, queued) == (1, 0)


@pytest.mark.usefixtures("later_version")
async def test_a_file_of_an_older_version_too(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate_file(db, shipped()[:-1])
        db.execute(WAITING)
    await mark_restored(f"sqlite:///{path}", taken_at=NOW)
    told, queued = await started(f"sqlite:///{path}")
    assert told is not None
    assert (told.sms, queued) == (1, 0)


@pytest.mark.usefixtures("later_version")
async def test_a_store_of_an_older_version_can_be_taken_as_itself_before_its_first_start(live: Database) -> None:
    await older(live.url)
    await adopt(live.url, now=NOW)
    assert await started(live.url) == (None, 1)


async def test_an_empty_place_can_be_said_to_be_nothing(live: Database) -> None:
    for order in (mark_restored(live.url, taken_at=NOW), adopt(live.url, now=NOW)):
        with pytest.raises(StoreError, match="no store in it yet"):
            await order
    assert await started(live.url) == (None, 0)


async def test_a_store_that_does_not_know_its_place_yet_asks_nothing(live: Database) -> None:
    connection = await asyncpg.connect(live.url)
    await migrate(connection)
    await connection.close()
    assert await started(live.url) == (None, 0)


# ------------------------------------------------ below the tables


@pytest.fixture
def server() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


@needs_cluster
async def test_a_copy_of_the_whole_server_is_not_noticed_and_can_be_said_to_be_one(server: Cluster) -> None:
    """The limit of all this, and the way out."""
    await lived(server.url())
    server.stop()
    kept = server.folder / "kept"
    shutil.copytree(server.data, kept)
    server.start()
    async with opened(open_storage(server.url(), clock=SetClock())) as store:
        assert await claimed(store) == ["a"], "it goes on, and sends"
    server.stop()
    restore_copy(server, kept)
    server.start()
    assert await started(server.url()) == (None, 1), "nothing tells it from the one that went on"
    await mark_restored(server.url(), taken_at=NOW)
    told, queued = await started(server.url())
    assert (told is not None, queued) == (True, 0)


@needs_cluster
async def test_the_right_to_ask_for_the_clusters_number_may_come_and_go(server: Cluster) -> None:
    await do(server.url(), "CREATE ROLE plain LOGIN PASSWORD 'p'", "CREATE DATABASE own OWNER plain")
    url = server.url("plain:p", "own")
    ask = "FUNCTION pg_control_system()"
    change = {"REVOKE": f"REVOKE EXECUTE ON {ask} FROM PUBLIC", "GRANT": f"GRANT EXECUTE ON {ask} TO PUBLIC"}
    await lived(url)
    for word in ("REVOKE", "GRANT"):
        await do(server.url(database="own"), change[word])
        assert await started(url) == (None, 1)
        await adopt(url, now=NOW)


def restore_copy(server: Cluster, kept: Path) -> None:
    owner = server.data.stat()
    shutil.rmtree(server.data)
    shutil.copytree(kept, server.data)

    for each in (server.data, *server.data.rglob("*")):
        os.chown(each, owner.st_uid, owner.st_gid)


def test_numbers_are_compared_where_both_are_known() -> None:
    one: dict[str, Any] = {"database": "5", "identity": "7", "cluster": "9"}
    assert identity._is_same_place(one, one)
    assert identity._is_same_place({"database": "5", "identity": "7"}, one)
    for name in one:
        assert not identity._is_same_place(one, {**one, name: "8"})
