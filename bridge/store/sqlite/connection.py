"""A SQLite connection in a thread of its own, made with aiosqlite's public calls.

This module does not begin or end transactions. The writer and the readers do.
"""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import aiosqlite

from bridge.errors import StoreUnavailable
from bridge.model.base import Ms
from bridge.store.sqlite.faults import needs_reconnect, translate

T = TypeVar("T")

_WRITER_PRAGMAS = (
    # In WAL mode with NORMAL a power cut loses acknowledged commits. Only FULL syncs the log with each commit.
    "PRAGMA synchronous = FULL",
    # checkpoint.py makes the checkpoints: SQLite does not report the failure of one that it makes by itself.
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA cache_size = -8000",  # KiB; twice as much was no faster, with a million messages in the file either
)
_READER_PRAGMAS = ("PRAGMA query_only = ON", "PRAGMA cache_size = -2000")
_COMMON_PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    # With mapped memory a read error would be a signal that kills the process.
    "PRAGMA mmap_size = 0",
    "PRAGMA temp_store = MEMORY",
)

_BLOCK = 1 << 20
"""Bytes of the log that are rewritten at a time."""


class FileGuard:
    """Detects that the database file or its log was deleted or replaced while a connection is open.

    SQLite would go on writing into the deleted file and report success. The guard does not open the files: closing any
    descriptor of the database would release all locks of the process on it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wal = log_of(path)
        self._file = self._identity(path)
        self._log: tuple[int, int] | None = None

    @staticmethod
    def _identity(path: Path) -> tuple[int, int] | None:
        try:
            status = os.stat(path)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def watch_log(self) -> None:
        """Store which file the log is now. The writer's connection calls it each time it is opened."""
        self._log = self._identity(self._wal)

    def check(self) -> None:
        """Check both files. :raises StoreUnavailable: a file was deleted or replaced, so writes would be lost."""
        if self._identity(self._path) != self._file:
            raise StoreUnavailable(
                f"{self._path}: the database file was deleted or replaced while the bridge runs. Put it back,"
                " or stop the bridge, restore a backup and start again; nothing is acknowledged until then"
            )
        if self._log is not None and self._identity(self._wal) != self._log:
            raise StoreUnavailable(
                f"{self._wal}: the database's log was deleted or replaced while the bridge runs. Put it back, or stop"
                " the bridge and start it again, but not by kill -9: what the log held is saved as it stops; nothing"
                " is acknowledged until then"
            )


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _rewrite_log(db: sqlite3.Connection, log: Path) -> None:
    """Write the content of the log again over itself, and sync it.

    After a failed sync the kernel counts pages as written that never reached the disk, and no later sync writes them.
    When SQLite opens the log it reads these pages from the cache and appends to them. A power cut would then lose all
    acknowledged data after them. Holds the write lock, so nothing is appended while it runs.
    :raises StoreUnavailable: the disk refuses the write or the sync.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        _write_again(log)
    except OSError as error:
        raise StoreUnavailable(f"{log}: cannot be written ({error.strerror}): check the disk and the mount") from error
    finally:
        db.execute("ROLLBACK")


def _write_again(file: Path) -> None:
    fd = os.open(file, os.O_RDWR | os.O_CLOEXEC)  # closing it releases no lock: SQLite has none on its log
    try:
        offset = 0
        while block := os.pread(fd, _BLOCK, offset):
            offset += os.pwrite(fd, block, offset)
        if offset:
            os.fsync(fd)
    finally:
        os.close(fd)


class BatchConnection(sqlite3.Connection):
    """A connection whose ``commit()`` runs the next job in :attr:`jobs`.

    aiosqlite runs ``commit()`` in the connection's thread. It is the only public call that can run a whole function
    there in one hop. Transactions begin and end by SQL statements, so ``commit()`` has no other use here.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.jobs: deque[Job[Any]] = deque()

    def commit(self) -> None:
        job = self.jobs.popleft()
        job.result = job.work(self)


@dataclass(eq=False, slots=True)
class Job(Generic[T]):
    """One unit of work, and its result once it has run."""

    work: Callable[[sqlite3.Connection], T]
    result: T | None = None


def _connect(path: Path, *, readonly: bool, busy_timeout: Ms) -> BatchConnection:
    # Never "rwc": SQLite must not make an empty file in the place of a file that was deleted.
    mode = "ro" if readonly else "rw"
    db = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,  # the driver's default mode begins deferred transactions by itself
        cached_statements=256,
        timeout=busy_timeout / 1000,
        factory=BatchConnection,
    )
    try:
        db.row_factory = sqlite3.Row
        db.execute(f"PRAGMA busy_timeout = {int(busy_timeout)}")
        if not readonly and db.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise StoreUnavailable(f"{path}: this file system cannot hold a write-ahead log; use a local disk")
        for pragma in (*_COMMON_PRAGMAS, *(_READER_PRAGMAS if readonly else _WRITER_PRAGMAS)):
            db.execute(pragma)
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # opens the file and its log
        if not readonly:
            _rewrite_log(db, log_of(path))
    except BaseException:
        db.close()
        raise
    return db


class ThreadConnection:
    """A SQLite connection with a thread of its own. After an error that may be its fault it is opened again."""

    def __init__(self, path: Path, *, readonly: bool, busy_timeout: Ms, guard: FileGuard | None = None) -> None:
        self._path = path
        self._readonly = readonly
        self._busy_timeout = busy_timeout
        self._guard = guard
        self._thread: aiosqlite.Connection | None = None
        self._jobs: deque[Job[Any]] = deque()
        """The job queue of the open connection."""
        self._suspect = False

    async def open(self) -> None:
        """Open the connection, or close it and open it again. :raises StoreUnavailable: the file cannot be used."""
        await self._close_connection()
        if self._guard is not None:
            self._guard.check()
        failures: list[Exception] = []

        def connect() -> sqlite3.Connection:
            # An exception here would end aiosqlite's thread, and the caller would wait for ever. So on failure it
            # returns an empty database in memory, which is closed below.
            try:
                db = _connect(self._path, readonly=self._readonly, busy_timeout=self._busy_timeout)
            except (sqlite3.Error, StoreUnavailable) as error:
                failures.append(error)
                return sqlite3.connect(":memory:")
            self._jobs = db.jobs
            return db

        # aiosqlite.Connection, not aiosqlite.connect(): so one hop to the thread opens the file and sets the pragmas.
        self._thread = await aiosqlite.Connection(connect, iter_chunk_size=64)
        if failures:
            await self._close_connection()
            raise translate(failures[0], self._path) from failures[0]
        if self._guard is not None:
            self._guard.watch_log()
        self._suspect = False

    async def call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in the connection's thread, in one hop. Cancelling the caller does not stop it.

        :raises StoreUnavailable: the connection had to be opened again and could not be.
        """
        if self._suspect or self._thread is None:
            await self.open()
        assert self._thread is not None
        job = Job(work)
        # No await between these two lines: jobs and calls of commit() must be queued in the same order.
        self._jobs.append(job)
        await self._thread.commit()
        return cast(T, job.result)

    def distrust(self) -> None:
        """Make the next call open a new connection first."""
        self._suspect = True

    def distrust_if_faulty(self, error: BaseException) -> None:
        """Distrust the connection if ``error`` may be its fault."""
        if needs_reconnect(error):
            self.distrust()

    async def _close_connection(self) -> None:
        thread, self._thread = self._thread, None
        if thread is None:
            return
        try:
            await thread.close()
        except sqlite3.Error:
            # The connection is given up anyway. The error that caused this was reported before.
            self._suspect = True

    async def close(self) -> None:
        await self._close_connection()
