"""What the log holds comes into the database in time; after a sync that failed nothing is carried over any more."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.store import open_store
from bridge.store.sqlite.store import SqliteStore
from tests.chaos.preload import Act, Disk, Kind, missing
from tests.contract.builders import SetClock, accept, call, opened
from tests.needs import in_ci

LONG = "ж" * 50_000
COMMITS = 60
"""So many pages of this text are more than the log may hold before it is looked at first."""

FILL = """
import asyncio, os, sys
from pathlib import Path
from bridge.store import open_store
from tests.contract.builders import SetClock
from tests.unit.store.test_checkpoints import fill

async def main():
    store = await open_store(Path(sys.argv[1]), clock=SetClock())
    await fill(store)
    print(store.writer.checkpoints.allowed)
    with open(os.environ["DISK_CONTROL"], "r+b") as control:
        control.write(bytes(os.path.getsize(control.name)))  # the disk is well again: a sync now would succeed
    await store.close()

asyncio.run(main())
"""


async def fill(store: SqliteStore) -> None:
    for number in range(COMMITS):
        await accept(store, call(str(number), text=LONG))


def log_size(path: Path) -> int:
    log = path.with_name(path.name + "-wal")
    return log.stat().st_size if log.exists() else 0


async def test_the_log_is_carried_over_while_the_bridge_runs(store: SqliteStore, path: Path) -> None:
    await accept(store, call("first"))
    before = path.stat().st_size
    await fill(store)
    await store.ping()
    assert path.stat().st_size > before + 1_000_000
    assert store.writer.checkpoints.allowed


async def test_closing_carries_the_log_over(store: SqliteStore, path: Path) -> None:
    await accept(store, call())
    assert log_size(path)
    await store.close()
    assert not log_size(path)


@pytest.mark.skipif(missing() is not None and not in_ci(), reason=missing() or "")
async def test_after_a_failed_sync_of_the_database_the_log_stays_until_the_next_start(
    tmp_path: Path, path: Path
) -> None:
    folder = path.parent / "data"
    path = folder / "bridge.db"
    async with opened(open_store(path, clock=SetClock())):
        pass
    disk = Disk(folder, tmp_path / "tools", recorded=False)
    disk.fail(Act.SYNC, errno.EIO, Kind.DATABASE)
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(path)],
        env={**os.environ, **disk.environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    disk.close()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False"
    assert "checkpoints_ended" in done.stdout + done.stderr
    assert log_size(path) > COMMITS * len(LONG.encode()), "closing carried the log over all the same"
    async with opened(open_store(path, clock=SetClock())) as store:
        assert (await store.queue_status()).inbound_new == COMMITS
    assert not log_size(path)
