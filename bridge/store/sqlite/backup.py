"""Copies the store's file while a service runs, and restores a store from a copy.

A copy holds what one read transaction sees. SQLite's online backup reads it over a read-only connection, so the writer
never waits for it. The copy is written under a temporary name, brought to the present schema, marked as a copy, checked
and synced. Only then does it get its name, so a file of that name is always complete. The first start on a copy reads
the mark (:meth:`bridge.ports.recovery.RecoveryStore.settle_restored`).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bridge.errors import StoreError, StoreUnavailable
from bridge.model.base import Ms
from bridge.store.migrate import shipped
from bridge.store.repositories.recovery import COPY_TAKEN, MARK_COPY
from bridge.store.sqlite.faults import is_disk_full, translate
from bridge.store.sqlite.lock import FileLock
from bridge.store.sqlite.migrate import check_version, migrate, version_of
from bridge.value import value_object

PAGES_AT_A_TIME = 1_000
"""Pages that are copied between two calls of ``progress``."""
RESERVED_BYTES = 64 * 1024 * 1024
"""Bytes of the disk that must stay free after a copy: a full disk would stop the intake of SMS."""
_LOGS = ("-wal", "-journal")
"""Suffixes of the files beside a database that may hold committed data."""

Progress = Callable[[int, int], None]
"""A function that is called with the number of pages done and the number of all pages."""


@value_object
class Copy:
    """A finished copy."""

    taken_at: Ms
    bytes: int
    inbound: int
    sms: int


@value_object
class RestoredFile:
    """The result of a restore: the copy is now the store's file."""

    copy: Copy
    kept: Path | None
    """The path of the former database; None if there was none."""


def take(database: Path, target: Path, *, now: Callable[[], Ms], overwrite: bool, progress: Progress) -> Copy:
    """Copy the store into ``target``, whether a service runs on it or not.

    :raises StoreUnavailable: the store cannot be read, or the copy cannot be written. No file is left behind.
    :raises StoreError: ``target`` may not be written to, or the file that was read is damaged or is not a store.
    """
    database = database.resolve()
    _check_target(database, target, overwrite)
    with _part_file(target) as part:
        copy = _copy(database, part, now, progress, still=False)
        _check_target(database, target, overwrite)
        os.replace(part, target)
        sync(target.parent)
    return copy


def restore_copy(source: Path, database: Path, *, now: Callable[[], Ms], progress: Progress) -> RestoredFile:
    """Replace the store's file by a copy of ``source``, and keep the former database beside it.

    ``source`` may also be a copy that was made by hand, without a mark. The new copy of it gets the mark. ``source`` is
    not changed.
    :raises StoreLocked: a service runs on the database.
    :raises StoreUnavailable: ``source`` cannot be read, or the copy cannot be written.
    :raises StoreError: ``source`` is damaged, is not a store, or is of a newer version. The database is not changed.
    """
    source, database = source.resolve(), database.resolve()
    with _os_errors_translated(database):
        database.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(database)
    lock.take()
    try:
        with _part_file(database) as part:
            copy = _copy(source, part, lambda: min(_modified_at(source), now()), progress, still=True)
            kept = _keep_former(database, now())
            os.replace(part, database)
            sync(database.parent)
    finally:
        lock.release()
    return RestoredFile(copy=copy, kept=kept)


def _check_target(database: Path, target: Path, overwrite: bool) -> None:
    if not target.parent.is_dir():
        raise StoreError(f"there is no directory {target.parent}: make it first")
    if target.is_dir():
        raise StoreError(f"{target} is a directory: name a file")
    if target.resolve() in {database, *(database.with_name(database.name + end) for end in (*_LOGS, "-shm", ".lock"))}:
        raise StoreError(f"{target} belongs to the store itself: name another file")
    if target.exists() and not overwrite:
        raise StoreError(f"{target} exists already: name another file, or say --force to replace it")


@contextmanager
def _part_file(target: Path) -> Iterator[Path]:
    """Make an empty file beside ``target`` that only this user can read. Deletes it at the end and after an error."""
    with _os_errors_translated(target.parent):
        fd, name = tempfile.mkstemp(dir=target.parent, prefix=f"{target.name}.", suffix=".part")
    os.close(fd)
    part = Path(name)
    try:
        with _os_errors_translated(target):
            yield part
    finally:
        for end in ("", "-journal", "-wal", "-shm"):
            part.with_name(part.name + end).unlink(missing_ok=True)


@contextmanager
def _os_errors_translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"{path}: cannot be written ({error.strerror})") from error


def _copy(source: Path, part: Path, taken_at: Callable[[], Ms], progress: Progress, *, still: bool) -> Copy:
    with _errors_name_source(source), closing(_reading(source, still=still)) as db:
        # This transaction is open until the end. So the backup sees one moment, and the writer's commits do not make it
        # start again.
        db.execute("BEGIN")
        check_version(db, shipped()[-1].version)
        if version_of(db) == 0:
            raise StoreError("it is empty: there is no store in it")
        taken = taken_at()
        size = _number(db, "PRAGMA page_count") * _number(db, "PRAGMA page_size")
        _check_room(part.parent, size)
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            # The whole file is synced below.
            copy.execute("PRAGMA synchronous = OFF")
            with _write_errors_translated(part.parent):
                db.backup(copy, pages=PAGES_AT_A_TIME, progress=lambda _, left, pages: progress(pages - left, pages))
            made = _check_and_mark(copy, taken, part)
    sync(part)
    return made


def _check_and_mark(copy: sqlite3.Connection, taken_at: Ms, part: Path) -> Copy:
    """Check the copy, bring it to the present schema, mark it, and leave it as one file without a log beside it."""
    copy.execute("PRAGMA journal_mode = DELETE")
    damage = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if damage != "ok":
        raise StoreError(f"it is damaged ({damage}): the copy was thrown away")
    copy.row_factory = sqlite3.Row
    migrate(copy, shipped())
    already = copy.execute(COPY_TAKEN.text).fetchone()["taken_at"]
    if already is None:
        copy.execute(MARK_COPY.text, {"taken_at": taken_at})
    return Copy(
        taken_at=taken_at if already is None else already,
        bytes=part.stat().st_size,
        inbound=_number(copy, "SELECT count(*) FROM inbound"),
        sms=_number(copy, "SELECT count(*) FROM sms"),
    )


def _reading(path: Path, *, still: bool) -> sqlite3.Connection:
    """Open the file for reading. ``still``: no program writes it now. So SQLite need not make files beside it, and its
    directory may be read-only."""
    if not path.is_file():
        raise StoreUnavailable(f"there is no file {path}")
    quiet = "&immutable=1" if still and not path.with_name(path.name + "-wal").exists() else ""
    return sqlite3.connect(f"{path.as_uri()}?mode=ro{quiet}", uri=True, isolation_level=None)


def _keep_former(database: Path, now: Ms) -> Path | None:
    """Give the former database a second name, and rename its logs to match."""
    if not database.exists():
        return None
    # First move the content of its log into the file. If that fails (perhaps the reason for the restore), keep the log.
    with contextlib.suppress(sqlite3.Error), closing(sqlite3.connect(database, timeout=1, isolation_level=None)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    stamp = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    name = f"{database.name}.before-restore-{stamp}"
    # A second restore within a second gets a number.
    names = (database.with_name(name if number == 1 else f"{name}-{number}") for number in itertools.count(1))
    kept = next(each for each in names if not each.exists())
    # A hard link, not a rename: so a database exists at every moment, and no start makes an empty one.
    os.link(database, kept)
    for end in _LOGS:
        log = database.with_name(database.name + end)
        if log.exists():
            os.replace(log, kept.with_name(kept.name + end))
    database.with_name(database.name + "-shm").unlink(missing_ok=True)
    return kept


def _check_room(directory: Path, size: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < size + RESERVED_BYTES:
        raise StoreUnavailable(
            f"{directory}: {free / 1e6:.0f} MB are free, the copy takes {size / 1e6:.0f} MB and"
            f" {RESERVED_BYTES / 1e6:.0f} MB are left to the service: free some space, or name a file on another disk"
        )


@contextmanager
def _errors_name_source(source: Path) -> Iterator[None]:
    """Make errors name the file that is read. Errors of writing name the file that is written."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, source) from error
    except StoreUnavailable:
        raise
    except StoreError as error:
        raise StoreError(f"{source}: {error}") from error


@contextmanager
def _write_errors_translated(directory: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if is_disk_full(error) or code in (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE):
            raise StoreUnavailable(f"{directory}: the copy could not be written there ({error})") from error
        raise


def _modified_at(path: Path) -> Ms:
    """The time at which a copy without a mark was last written, by its files."""
    logs = (path.with_name(path.name + end) for end in _LOGS)
    return max(int(file.stat().st_mtime * 1000) for file in (path, *logs) if file.exists())


def _number(db: sqlite3.Connection, statement: str) -> int:
    return int(db.execute(statement).fetchone()[0])


def sync(path: Path) -> None:
    """Sync the content of a file, or the entries of a directory, to the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
