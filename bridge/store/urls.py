"""Tells from ``storage.url`` which engine is meant."""

from __future__ import annotations

from pathlib import Path

_SQLITE = "sqlite:///"


def is_sqlite(url: str) -> bool:
    """Whether the URL names a SQLite file. If not, it is a PostgreSQL URL: the configuration accepts no third kind."""
    return url.startswith(_SQLITE)


def sqlite_path(url: str) -> Path:
    return Path(url.removeprefix(_SQLITE))
