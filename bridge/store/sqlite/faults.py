"""Translates SQLite's errors into the program's own.

Messages name the file and say what to do. They quote SQLite's message, which may name tables and columns, never values.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from bridge.errors import CommitUnknown, StoreError, StoreUnavailable

_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    sqlite3.SQLITE_BUSY: "another program has locked it: close that program",
    sqlite3.SQLITE_LOCKED: "another program has locked it: close that program",
    sqlite3.SQLITE_READONLY: "it may not be written: check its permissions, its directory's and the mount",
    sqlite3.SQLITE_PERM: "it may not be opened: check its permissions",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check that it and its directory exist and may be written",
    sqlite3.SQLITE_IOERR: "the disk reports an error: check the system's log",
    sqlite3.SQLITE_CORRUPT: "it is damaged: stop the bridge and restore a backup",
    sqlite3.SQLITE_NOTADB: "it is not an SQLite database: check storage.url",
    sqlite3.SQLITE_NOMEM: "memory ran out",
    sqlite3.SQLITE_PROTOCOL: "its locks do not work: a network file system is not usable here",
}
"""Primary error code → advice, for faults of the environment, not of the work. Each of them may pass by itself."""

_RECONNECT = frozenset(
    {
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)
"""After these errors a new connection is opened. Opening shows whether the fault has passed."""


def _primary(error: BaseException) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def is_environment_fault(error: BaseException) -> bool:
    """Whether the environment is at fault: the database could not be used, and the work itself may be good."""
    return isinstance(error, sqlite3.Error) and _primary(error) in _ADVICE


def needs_reconnect(error: BaseException) -> bool:
    return isinstance(error, sqlite3.Error) and _primary(error) in _RECONNECT


def is_failed_sync(error: BaseException) -> bool:
    """Whether a sync failed. Then it is not known what the disk holds, and another sync does not show it."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_IOERR_FSYNC


def is_locked(error: BaseException) -> bool:
    """Whether another program kept the file locked for longer than the busy timeout."""
    return isinstance(error, sqlite3.Error) and _primary(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_disk_full(error: BaseException) -> bool:
    return isinstance(error, sqlite3.Error) and _primary(error) == sqlite3.SQLITE_FULL


def translate(error: Exception, path: Path) -> Exception:
    """The program's error for an error of the driver. Any other error, which is a mistake of our own, is returned
    unchanged."""
    if isinstance(error, sqlite3.Error):
        advice = _ADVICE.get(_primary(error) or 0)
        if advice is None:
            return StoreError(f"{path}: the database refused the work ({error})")
        return StoreUnavailable(f"{path}: {advice} ({error})")
    if isinstance(error, (OverflowError, UnicodeError)):
        return StoreError(f"{path}: a value cannot be stored ({type(error).__name__})")
    return error


def commit_unknown(error: Exception, path: Path) -> CommitUnknown:
    """The error for work whose COMMIT failed, but which SQLite may have committed."""
    if isinstance(error, StoreUnavailable):
        return CommitUnknown(str(error))
    advice = _ADVICE.get(_primary(error) or 0, "the commit failed")
    return CommitUnknown(f"{path}: {advice} ({error}); whether the last changes are kept is not known")
