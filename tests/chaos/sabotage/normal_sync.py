"""Taken out: the log is synced with each commit. ``synchronous = NORMAL`` syncs it at checkpoints only."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from bridge.store.sqlite import link


def apply() -> None:
    connect = link._connect

    def careless(path: Path, **how: Any) -> sqlite3.Connection:
        db = connect(path, **how)
        db.execute("PRAGMA synchronous = NORMAL")
        return db

    link._connect = careless
