"""Taken out: the log is synced with each commit. ``synchronous = NORMAL`` syncs it at checkpoints only."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from bridge.store.sqlite import connection


def apply() -> None:
    connect = connection._connect

    def careless(path: Path, **how: Any) -> sqlite3.Connection:
        db = connect(path, **how)
        db.execute("PRAGMA synchronous = NORMAL")
        return db

    connection._connect = careless
