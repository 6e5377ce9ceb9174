"""Taken out: checkpoints of our own. SQLite makes them with a commit, as by default, and hides their failures."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from bridge.store.sqlite import connection
from bridge.store.sqlite.checkpoint import PAGES, Checkpoints


async def _none(*_: object) -> None:
    return None


def apply() -> None:
    connect = connection._connect

    def by_default(path: Path, **how: Any) -> sqlite3.Connection:
        db = connect(path, **how)
        db.execute(f"PRAGMA wal_autocheckpoint = {PAGES}")
        return db

    connection._connect = by_default
    Checkpoints.run_if_due = _none
