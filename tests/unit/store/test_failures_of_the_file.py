"""Disk full, locked, read-only, deleted: nothing is acknowledged, and work goes on when the trouble has passed."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from bridge.errors import CommitUnknown, StoreError, StoreLocked, StoreUnavailable
from bridge.store import open_readonly, open_store
from bridge.store.sqlite.store import SqliteStore
from bridge.store.statement import Statement
from bridge.store.transaction import Tx
from tests.contract.builders import NOW, SetClock, accept, call, opened, received, reply, unrouted

NOBODY = 65534

HOLD = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
"""


def limit_pages(pages: int | None) -> object:
    def unit(tx: Tx) -> None:
        used = tx.one(Statement("PRAGMA page_count"))
        assert used is not None
        tx.one(Statement(f"PRAGMA max_page_count = {used[0] + pages if pages is not None else 2**30}"))

    return unit


async def test_a_full_disk_refuses_takes_what_fits_and_recovers(store: SqliteStore) -> None:
    await store.writer.run(limit_pages(2))  # type: ignore[arg-type]
    large = "ж" * 50_000
    results = await asyncio.gather(
        accept(store, call("small")),
        accept(store, call("large", text=large)),
        accept(store, call("small too")),
        return_exceptions=True,
    )
    assert isinstance(results[1], StoreUnavailable)
    assert "disk is full" in str(results[1])
    assert [getattr(results[n], "new", False) for n in (0, 2)] == [True, True]
    await store.writer.run(limit_pages(None))  # type: ignore[arg-type]
    assert (await accept(store, call("large", text=large))).new
    assert (await store.queue_status()).inbound_new == 3


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Another program has the file while the block runs."""
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, str(path), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdin is not None
    assert other.stdout is not None
    await asyncio.wait_for(other.stdout.readline(), 10)
    try:
        yield
    finally:
        other.stdin.write(b"\n")
        await other.communicate()


async def test_a_file_locked_by_another_program_refuses_and_recovers(store: SqliteStore, path: Path) -> None:
    async with locked(path):
        results = await asyncio.gather(*(accept(store, call(str(n))) for n in range(40)), return_exceptions=True)
        assert all(isinstance(result, StoreUnavailable) for result in results)
        assert await unrouted(store, 1) == ()  # reading goes on
    assert (await accept(store, call())).new


async def test_who_comes_while_others_wait_for_the_lock_is_refused_with_them(store: SqliteStore, path: Path) -> None:
    """A platform that waits ten seconds for an answer must not have to wait for the lock twice."""
    async with locked(path):
        first = asyncio.create_task(accept(store, call("1")))
        for _ in range(5):
            await asyncio.sleep(0)  # it is with the database by now
        later = asyncio.create_task(accept(store, call("2")))
        errors = await asyncio.gather(first, later, return_exceptions=True)
    assert all(isinstance(error, StoreUnavailable) for error in errors)
    causes = [error.__cause__ for error in errors if isinstance(error, BaseException)]
    assert causes[0] is not None
    assert causes[0] is causes[1]
    assert (await accept(store, call("2"))).new


async def test_a_connection_that_became_read_only_is_opened_anew(store: SqliteStore) -> None:
    await store.writer.run(lambda tx: tx.run(Statement("PRAGMA query_only = ON")))
    with pytest.raises(StoreUnavailable, match="may not be written"):
        await accept(store, call())
    assert (await accept(store, call())).new


@contextmanager
def without_root() -> Iterator[None]:
    """File modes mean nothing to root: step down for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_a_file_that_may_not_be_written_is_named_at_the_start() -> None:
    directory = Path(tempfile.mkdtemp())
    try:
        path = directory / "bridge.db"
        await (await open_store(path, clock=SetClock())).close()
        os.chmod(path.with_name("bridge.db.lock"), 0o666)
        os.chmod(path, 0o444)
        os.chmod(directory, 0o555)
        with without_root(), pytest.raises(StoreUnavailable, match=r"bridge\.db"):
            await open_store(path, clock=SetClock())
        os.chmod(directory, 0o755)
        os.chmod(path, 0o600)
        await (await open_store(path, clock=SetClock())).close()
    finally:
        os.chmod(directory, 0o755)
        shutil.rmtree(directory)


@pytest.mark.parametrize("suffix", ["", "-wal"])
async def test_a_deleted_file_is_noticed_before_anything_is_acknowledged(
    store: SqliteStore, path: Path, suffix: str
) -> None:
    await accept(store, call("1"))
    victim = path.with_name(path.name + suffix)
    aside = path.with_name("aside")
    victim.rename(aside)
    for smsid in ("2", "3"):
        with pytest.raises(StoreUnavailable, match="deleted or replaced"):
            await accept(store, call(smsid))
        assert not victim.exists()
    aside.rename(victim)
    assert (await accept(store, call("2"))).new
    assert (await store.queue_status()).inbound_new == 2


async def test_a_file_replaced_by_another_is_not_written(store: SqliteStore, path: Path) -> None:
    await accept(store, call("1"))
    path.rename(path.with_name("aside"))
    path.write_bytes(b"")
    with pytest.raises(StoreUnavailable, match="deleted or replaced"):
        await accept(store, call("2"))
    assert path.read_bytes() == b""


async def test_a_file_deleted_while_a_transaction_runs_is_not_acknowledged(store: SqliteStore, path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="deleted or replaced"):
        await store.writer.run(lambda tx: path.unlink())


async def test_a_claim_whose_commit_was_unknown_but_kept_is_given_back_first(store: SqliteStore, path: Path) -> None:
    await store.enqueue(reply("k"))
    aside = path.with_name("aside")
    claim, _ = await asyncio.gather(
        store.claim_due("main", now=NOW, limit=9),
        store.writer.run(lambda tx: path.rename(aside)),
        return_exceptions=True,
    )
    assert isinstance(claim, CommitUnknown)
    with pytest.raises(StoreUnavailable):
        await store.ping()
    aside.rename(path)
    (again,) = await store.claim_due("main", now=NOW, limit=9)
    assert (again.key, again.attempts) == ("k", 1)
    assert [line.text for line in await store.sms_history(again.id)][1:] == ["start", "retry", "start"]


async def test_one_bridge_a_file(store: SqliteStore, path: Path) -> None:
    with pytest.raises(StoreLocked, match=f"process {os.getpid()}"):
        await open_store(path, clock=SetClock())
    await store.close()
    await (await open_store(path, clock=SetClock())).close()


async def test_a_new_file_is_this_users_alone_in_a_new_directory(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "bridge.db"
    async with opened(open_store(path, clock=SetClock())) as store:
        await store.ping()
        for suffix in ("", "-wal", ".lock"):
            assert stat.S_IMODE(path.with_name(path.name + suffix).stat().st_mode) == 0o600


async def test_commands_read_beside_a_running_service_and_without_one(store: SqliteStore, path: Path) -> None:
    inbound = await received(store)
    for _ in range(2):
        async with opened(open_readonly(path)) as queries:
            assert await queries.get_inbound(inbound.id) == inbound
        await store.close()


async def test_reading_makes_no_file(path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        await open_readonly(path)
    assert not path.exists()


@pytest.mark.parametrize("kind", ["text", "foreign"])
async def test_a_file_that_is_no_bridges_database_is_refused_and_kept(path: Path, kind: str) -> None:
    if kind == "text":
        path.write_text("accounts:\n  main: {}\n" * 100)
    else:
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE theirs (id)")
        db.close()
    before = path.read_bytes() if kind == "text" else b""
    with pytest.raises(StoreError, match=r"storage\.url"):
        await open_store(path, clock=SetClock())
    assert kind == "foreign" or path.read_bytes() == before
