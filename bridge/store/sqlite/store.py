"""Opens and closes the store on one SQLite file. One process writes the file; commands read it at the same time with
:func:`open_readonly`."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bridge.errors import StoreError, StoreUnavailable
from bridge.model.base import SECOND, Ms
from bridge.ports.clock import Clock
from bridge.ports.queries import QueryStore
from bridge.ports.store import OnWork, Store
from bridge.store.migrate import require_present, shipped
from bridge.store.repositories.facade import Repositories
from bridge.store.repositories.queries import QueryRepository
from bridge.store.sqlite.connection import FileGuard, ThreadConnection
from bridge.store.sqlite.faults import translate
from bridge.store.sqlite.lock import FileLock
from bridge.store.sqlite.migrate import check_version, migrate
from bridge.store.sqlite.readers import Readers
from bridge.store.sqlite.single_node import SingleNode, SingleNodeQueries
from bridge.store.sqlite.writer import Writer

BUSY_TIMEOUT: Ms = 5 * SECOND
"""Longest wait of a commit while another program has the file locked. After it callbacks are refused."""
_READERS = 2


class SqliteQueries(SingleNodeQueries, QueryRepository):
    """Implements :class:`~bridge.ports.queries.QueryStore`. :func:`open_readonly` makes it."""

    def __init__(self, readers: Readers) -> None:
        super().__init__(readers)
        self._open = readers

    async def close(self) -> None:
        await self._open.close()


class SqliteStore(SingleNode, SingleNodeQueries, Repositories):
    """Implements :class:`~bridge.ports.store.Store`. :func:`open_store` makes it."""

    def __init__(self, readers: Readers, writer: Writer, clock: Clock, lock: FileLock) -> None:
        super().__init__(readers, writer, clock)
        self._reading = readers
        self.writer = writer
        """Public for metrics, which read its numbers of units and of commits."""
        self._lock = lock

    async def close(self) -> None:
        # SQLite makes a checkpoint when the last connection closes, unless that one is read-only. So the writer closes
        # last if a checkpoint is allowed, and first if not.
        parts = (self._reading, self.writer) if self.writer.checkpoints.allowed else (self.writer, self._reading)
        try:
            for part in parts:
                await part.close()
        finally:
            self._lock.release()


def _prepared(path: Path) -> Path:
    """Make the directory and an empty file that only this user can read. SQLite gives the log the same permissions."""
    path = path.resolve()
    try:
        made = [directory for directory in path.parents if not directory.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            made.insert(0, path)
        for entry in made:
            _sync_directory(entry.parent)
    except OSError as error:
        raise StoreUnavailable(
            f"{path}: cannot be made ({error.strerror}): check the directory and its permissions"
        ) from error
    return path


def _sync_directory(directory: Path) -> None:
    """Make new entries of the directory survive a power cut. SQLite itself syncs only the directory of the file.

    Ignores the error of network file systems that cannot sync directories, since nothing better can be done.
    """
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)


def _absolute(path: Path) -> Path:
    return path.resolve()


async def open_store(
    path: Path, *, clock: Clock, on_work: OnWork = lambda work: None, busy_timeout: Ms = BUSY_TIMEOUT
) -> SqliteStore:
    """Open the file under its lock, make it if it is missing, and bring it to the present schema.

    :raises StoreLocked: another process uses the file.
    :raises StoreUnavailable: the file cannot be written now.
    :raises StoreError: the file is of a newer or of a development version, or belongs to another program.
    """
    path = _prepared(path)
    lock = FileLock(path)
    lock.take()
    guard = FileGuard(path)
    writing = ThreadConnection(path, readonly=False, busy_timeout=busy_timeout, guard=guard)
    reading = [ThreadConnection(path, readonly=True, busy_timeout=busy_timeout) for _ in range(_READERS)]
    try:
        await writing.open()
        await _checked(writing, path, partial(migrate, migrations=shipped()))
        for connection in reading:
            await connection.open()
    except BaseException:
        for connection in (*reading, writing):
            await connection.close()
        lock.release()
        raise
    writer = Writer(writing, guard, path, on_work)
    writer.start()
    return SqliteStore(Readers(reading, path), writer, clock, lock)


async def open_readonly(path: Path, *, busy_timeout: Ms = BUSY_TIMEOUT) -> SqliteQueries:
    """Open the file for reading, whether a service runs on it or not. Takes no lock, makes no file.

    :raises StoreUnavailable: there is no such file, or it cannot be read.
    :raises StoreError: the file is not of this program's version.
    """
    path = _absolute(path)
    connection = ThreadConnection(path, readonly=True, busy_timeout=busy_timeout)
    try:
        await connection.open()
        await _checked(connection, path, _require_present)
    except BaseException:
        await connection.close()
        raise
    return SqliteQueries(Readers([connection], path))


async def _checked(connection: ThreadConnection, path: Path, work: Callable[[sqlite3.Connection], int]) -> None:
    try:
        await connection.call(work)
    except sqlite3.Error as error:
        raise translate(error, path) from error
    except StoreError as error:
        raise type(error)(f"{path}: {error}") from error


def _require_present(db: sqlite3.Connection) -> int:
    version = check_version(db, shipped()[-1].version)
    require_present(version)
    return version


def _as_ports(store: SqliteStore, queries: SqliteQueries) -> tuple[Store, QueryStore]:
    """Lets the type checker compare both classes with their ports."""
    return store, queries
