"""One SQLite connection in a thread of its own, through aiosqlite's public calls.

It knows nothing of transactions: the writer and the readers begin and end them.
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
    # In WAL mode NORMAL loses acknowledged commits with the power; only FULL syncs the log with each commit.
    "PRAGMA synchronous = FULL",
    # checkpoint.py makes them: SQLite does not report the failure of a checkpoint that it makes by itself.
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA cache_size = -8000",  # KiB; twice as much was no faster, with a million messages in the file either
)
_READER_PRAGMAS = ("PRAGMA query_only = ON", "PRAGMA cache_size = -2000")
_COMMON_PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    # In mapped memory a read error is a signal that kills the process.
    "PRAGMA mmap_size = 0",
    "PRAGMA temp_store = MEMORY",
)

_BLOCK = 1 << 20
"""Bytes of the log that are written at a time."""


class FileGuard:
    """Notices that the database file or its log was deleted or replaced while a connection is open.

    SQLite goes on writing into the deleted file and reports success. The guard opens no file: closing any descriptor
    of the database would drop the locks of the process on it.
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
        """Remember which file the log is now. Called after each connection that the writer opens."""
        self._log = self._identity(self._wal)

    def check(self) -> None:
        """:raises StoreUnavailable: a file is gone, so what is written would be lost."""
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
    """Write the content of the log again in its place, and sync it.

    After a failed sync the kernel counts pages as written that never reached the disk, and no later sync writes them.
    SQLite finds them in the cache when it opens the log, and appends to them. A power cut would then lose what was
    acknowledged behind them. Holds the write lock, so that nothing is appended while it runs.
    :raises StoreUnavailable: the disk refuses it.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        _write_again(log)
    except OSError as error:
        raise StoreUnavailable(f"{log}: cannot be written ({error.strerror}): check the disk and the mount") from error
    finally:
        db.execute("ROLLBACK")


def _write_again(file: Path) -> None:
    fd = os.open(file, os.O_RDWR | os.O_CLOEXEC)  # SQLite has no lock on its log that closing it would drop
    try:
        offset = 0
        while block := os.pread(fd, _BLOCK, offset):
            offset += os.pwrite(fd, block, offset)
        if offset:
            os.fsync(fd)
    finally:
        os.close(fd)


class BatchConnection(sqlite3.Connection):
    """A connection whose ``commit()`` runs the next unit of work that was queued for it.

    aiosqlite runs ``commit()`` in the connection's thread. It is the one public call that brings a whole function there
    in one hop. Transactions are begun and ended by statements, so ``commit()`` has no other use here.
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
    # Never "rwc": a file that vanished must not come back empty.
    mode = "ro" if readonly else "rw"
    db = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,  # the driver's own mode begins transactions by itself, deferred ones
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
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # only a statement opens the file and its log
        if not readonly:
            _rewrite_log(db, log_of(path))
    except BaseException:
        db.close()
        raise
    return db


class ThreadConnection:
    """One SQLite connection with a thread of its own, opened anew after an error that makes it doubtful."""

    def __init__(self, path: Path, *, readonly: bool, busy_timeout: Ms, guard: FileGuard | None = None) -> None:
        self._path = path
        self._readonly = readonly
        self._busy_timeout = busy_timeout
        self._guard = guard
        self._thread: aiosqlite.Connection | None = None
        self._jobs: deque[Job[Any]] = deque()
        """Those of the open connection."""
        self._suspect = False

    async def open(self) -> None:
        """:raises StoreUnavailable: the file cannot be used."""
        await self._close_connection()
        if self._guard is not None:
            self._guard.check()
        failures: list[Exception] = []

        def connect() -> sqlite3.Connection:
            # An exception here would end aiosqlite's thread and its caller would wait for ever. An empty database in
            # memory takes the connection's place until it is closed below.
            try:
                db = _connect(self._path, readonly=self._readonly, busy_timeout=self._busy_timeout)
            except (sqlite3.Error, StoreUnavailable) as error:
                failures.append(error)
                return sqlite3.connect(":memory:")
            self._jobs = db.jobs
            return db

        # The class instead of aiosqlite.connect(): pragmas are set in the same hop that opens.
        self._thread = await aiosqlite.Connection(connect, iter_chunk_size=64)
        if failures:
            await self._close_connection()
            raise translate(failures[0], self._path) from failures[0]
        if self._guard is not None:
            self._guard.watch_log()
        self._suspect = False

    async def call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in the connection's thread, in one hop. Cancelling the caller does not stop it.

        :raises StoreUnavailable: the connection had to be opened anew and could not be.
        """
        if self._suspect or self._thread is None:
            await self.open()
        assert self._thread is not None
        job = Job(work)
        # Nothing is awaited between the two: jobs and calls of commit() are queued in the same order.
        self._jobs.append(job)
        await self._thread.commit()
        return cast(T, job.result)

    def distrust(self) -> None:
        """Open a new connection before the next call."""
        self._suspect = True

    def distrust_if_faulty(self, error: BaseException) -> None:
        """Distrust the connection where ``error`` says that it may be at fault."""
        if needs_reconnect(error):
            self.distrust()

    async def _close_connection(self) -> None:
        thread, self._thread = self._thread, None
        if thread is None:
            return
        try:
            await thread.close()
        except sqlite3.Error:
            # It is given up already, and the error that made it so has been reported.
            self._suspect = True

    async def close(self) -> None:
        await self._close_connection()
