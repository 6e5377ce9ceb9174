"""Brings a SQLite database to the present schema: applies numbered files, each in one transaction with its number.

Runs at a start, before anything else uses the file. If a migration fails, the database keeps the version before it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence

from bridge.errors import StoreError
from bridge.store.migrate import Migration, refuse_development, refuse_newer
from bridge.store.sqlite.faults import is_environment_fault


def version_of(db: sqlite3.Connection) -> int:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    return int(version)


def check_version(db: sqlite3.Connection, latest: int) -> int:
    """The version of the database; 0 if it is empty.

    :raises StoreError: the database is newer than the program, of a development version, or another program's.
    """
    version = version_of(db)
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()]
    refuse_development(tables)
    refuse_newer(version, latest)
    if version == 0 and tables:
        raise StoreError("the database belongs to another program: check storage.url")
    return version


def migrate(db: sqlite3.Connection, migrations: Sequence[Migration]) -> int:
    """Apply the missing migrations; returns how many.

    :raises StoreError: a migration failed. The message names it, and the database keeps the version before it.
    """
    version = check_version(db, migrations[-1].version if migrations else 0)
    missing = [migration for migration in migrations if migration.version > version]
    for migration in missing:
        _apply(db, migration)
    return len(missing)


def _apply(db: sqlite3.Connection, migration: Migration) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements(migration.sql):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {migration.version}")
        db.execute("COMMIT")
    except BaseException as error:
        if db.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # the error that led here is the one to report
                db.execute("ROLLBACK")
        if not isinstance(error, sqlite3.Error) or is_environment_fault(error):
            raise
        message = f"migration {migration.name} failed ({error}); the database is as it was before"
        raise StoreError(message) from error


def statements(script: str) -> Iterator[str]:
    """Yields the statements of the script one by one, for ``execute``: ``executescript`` would commit first."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if any(line.strip() and not line.lstrip().startswith("--") for line in pending.splitlines()):
        raise StoreError(f"a migration ends in the middle of a statement: {pending.strip()[:80]}")
