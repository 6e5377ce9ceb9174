"""Which engine a URL of ``storage.url`` means."""

from __future__ import annotations

from pathlib import Path

_SQLITE = "sqlite:///"


def is_sqlite(url: str) -> bool:
    """False: it is a URL of PostgreSQL. The configuration lets no other pass."""
    return url.startswith(_SQLITE)


def sqlite_path(url: str) -> Path:
    return Path(url.removeprefix(_SQLITE))
