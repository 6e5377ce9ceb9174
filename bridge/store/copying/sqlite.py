"""A SQLite file as the source or the target of a move."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

from bridge.errors import StoreError, StoreUnavailable
from bridge.model.base import Ms
from bridge.store.copying.tables import BATCH, select
from bridge.store.migrate import require_present, shipped
from bridge.store.repositories.recovery import COPY_TAKEN, MARK_COPY
from bridge.store.schema.mapping import Table
from bridge.store.schema.types import ParamRow
from bridge.store.sqlite.backup import sync
from bridge.store.sqlite.faults import translate
from bridge.store.sqlite.lock import FileLock
from bridge.store.sqlite.migrate import check_version, migrate

_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"


class SqliteSide:
    """The common part of source and target. Error messages name the file and never quote a value."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self._path = path
        self._db = db
        self.where = str(path)

    async def table_names(self) -> set[str]:
        with named(self._path):
            return {str(row[0]) for row in self._db.execute(_TABLES)}

    async def count(self, table: Table) -> int:
        with named(self._path):
            return int(self._db.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0])

    async def lines(self, table: Table) -> AsyncIterator[list[ParamRow]]:
        with named(self._path):
            cursor = self._db.execute(select(table))
            while lines := cursor.fetchmany(BATCH):
                yield lines


class SqliteSource(SqliteSide):
    async def mark_if_restored(self, now: Ms) -> None:
        """Does nothing: a copy of a file was marked when it was made."""

    async def mark(self, now: Ms) -> None:
        """Mark the file over a second connection, since the first one is read-only."""
        with named(self._path), closing(sqlite3.connect(self._path, isolation_level=None)) as db:
            self._db.execute("ROLLBACK")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("BEGIN IMMEDIATE")
            if db.execute(COPY_TAKEN.text).fetchone()[0] is None:
                db.execute(MARK_COPY.text, {"taken_at": now})
            db.execute("COMMIT")


class SqliteTarget(SqliteSide):
    """The target of a move: a new file, which gets its name when it is complete."""

    def __init__(self, path: Path, part: Path, db: sqlite3.Connection) -> None:
        super().__init__(path, db)
        self._part = part

    async def put(self, table: Table, lines: Sequence[ParamRow]) -> None:
        columns, marks = ", ".join(table.types), ", ".join("?" * len(table.types))
        with named(self._path):
            self._db.executemany(f"INSERT INTO {table.name} ({columns}) VALUES ({marks})", lines)

    async def finish(self) -> None:
        with named(self._path):
            self._db.execute("ANALYZE")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        with named(self._path):
            self._db.execute("BEGIN")
        yield
        with named(self._path):
            self._db.execute("COMMIT")
            self._db.close()
            sync(self._part)
            # os.link, not os.replace: if another program has made a file of that name since, that file stays.
            os.link(self._part, self._path)
            sync(self._path.parent)


@asynccontextmanager
async def source(path: Path, *, upgrade: bool = False) -> AsyncIterator[SqliteSource]:
    """Take the lock of the source and open the source in one read transaction.

    ``upgrade``: bring an older version up to date first.
    """
    path = _existing_file(path)
    lock = FileLock(path)
    lock.take()
    try:
        if upgrade:
            _upgrade(path)
        with closing(_opened(f"{path.as_uri()}?mode=ro", path)) as db:
            with named(path):
                db.execute("BEGIN")
                _require_present(db)
            yield SqliteSource(path, db)
    finally:
        lock.release()


@asynccontextmanager
async def target(path: Path) -> AsyncIterator[SqliteTarget]:
    path = _free_path(path)
    lock = FileLock(path)
    part = path.with_name(path.name + ".part")
    lock.take()
    try:
        with named(path):
            os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
        with closing(_opened(part.as_uri(), path)) as db:
            with named(path):
                # The whole file is synced once, at the end.
                db.execute("PRAGMA synchronous = OFF")
                db.execute("PRAGMA foreign_keys = ON")
                migrate(db, shipped())
            yield SqliteTarget(path, part, db)
    finally:
        for end in ("", "-journal"):
            part.with_name(part.name + end).unlink(missing_ok=True)
        lock.release()


def _existing_file(path: Path) -> Path:
    path = path.resolve()
    if not path.is_file():
        raise StoreUnavailable(f"there is no file {path}")
    return path


def _free_path(path: Path) -> Path:
    path = path.resolve()
    if path.exists():
        raise StoreError(f"{path} exists already: name another file")
    with named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _opened(uri: str, path: Path) -> sqlite3.Connection:
    with named(path):
        return sqlite3.connect(uri, uri=True, isolation_level=None)


def _upgrade(path: Path) -> None:
    with closing(_opened(f"{path.as_uri()}?mode=rw", path)) as db, named(path):
        if check_version(db, shipped()[-1].version):
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
            migrate(db, shipped())


def _require_present(db: sqlite3.Connection) -> None:
    require_present(check_version(db, shipped()[-1].version))


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Make errors name the file. Omits SQLite's message about a text that is not UTF-8: it quotes the text."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) is not None:
            raise translate(error, path) from error
        raise StoreError(f"{path}: a text in it is not UTF-8") from None
    except sqlite3.Error as error:
        raise translate(error, path) from error
    except OSError as error:
        raise StoreUnavailable(f"{path}: cannot be written ({error.strerror})") from error
    except StoreError as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error
