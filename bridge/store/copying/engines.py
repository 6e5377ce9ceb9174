"""Opens the source or the target of a copy by its URL."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from bridge.store.copying.tables import Source, Target
from bridge.store.urls import is_sqlite, sqlite_path


def open_source(url: str, *, upgrade: bool = False) -> AbstractAsyncContextManager[Source]:
    """Open the source. ``upgrade``: bring an older version up to date; without it an older version is refused."""
    if is_sqlite(url):
        from bridge.store.copying import sqlite

        return sqlite.source(sqlite_path(url), upgrade=upgrade)
    from bridge.store.copying import postgres

    return postgres.source(url, upgrade=upgrade)


def open_target(url: str) -> AbstractAsyncContextManager[Target]:
    if is_sqlite(url):
        from bridge.store.copying import sqlite

        return sqlite.target(sqlite_path(url))
    from bridge.store.copying import postgres

    return postgres.target(url)
