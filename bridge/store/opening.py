"""Opens a store of either engine by its ``storage.url``, and marks one as a restored copy, or as none.

The driver of PostgreSQL is an extra and takes long to import, so it is imported only where the URL asks for it.
"""

from __future__ import annotations

from typing import Protocol

from bridge.model.base import Ms
from bridge.ports.clock import Clock
from bridge.ports.queries import QueryStore
from bridge.ports.store import OnWork, Store
from bridge.store.copying.engines import open_source
from bridge.store.sqlite import store as sqlite
from bridge.store.urls import is_sqlite, sqlite_path


class Queries(QueryStore, Protocol):
    """A store opened for reading alone, for one command."""

    async def close(self) -> None: ...


async def open_storage(url: str, *, clock: Clock, on_work: OnWork = lambda work: None) -> Store:
    """Open the whole store, for a running service. ``on_work`` is called after each commit that makes work.

    :raises StoreLocked: another process runs on this SQLite file.
    :raises StoreUnavailable: it cannot be used now.
    :raises StoreError: it is of a newer or of a development version, or another program's.
    """
    if is_sqlite(url):
        return await sqlite.open_store(sqlite_path(url), clock=clock, on_work=on_work)
    from bridge.store.postgres import store

    return await store.open_store(url, clock=clock, on_work=on_work)


async def open_queries(url: str) -> Queries:
    """Open a store for reading, whether a service runs on it or not.

    :raises StoreUnavailable: it is not there, or cannot be read.
    :raises StoreError: it is not of this program's version.
    """
    if is_sqlite(url):
        return await sqlite.open_readonly(sqlite_path(url))
    from bridge.store.postgres import store

    return await store.open_readonly(url)


async def try_shared(url: str, *, now: Ms) -> None:
    """Check whether a service could work on this database of a PostgreSQL server. Changes nothing.

    :raises StoreUnavailable: not now.
    :raises StoreError: never: it is newer than this program, or another program's.
    """
    from bridge.store.postgres import dry_run

    await dry_run.check_usable(url, now)


async def mark_restored(url: str, *, taken_at: Ms) -> None:
    """Mark the store as a copy of that moment: at the first start people decide about what waits in it.

    An older version is brought up to date here, since a start that did it would send what waits.
    :raises StoreLocked: a service runs on it.
    :raises StoreUnavailable: it cannot be used now.
    :raises StoreError: it is newer than this program, or there is no store in it.
    """
    async with open_source(url, upgrade=True) as source:
        await source.mark(taken_at)


async def adopt(url: str, *, now: Ms) -> None:
    """Accept a PostgreSQL database that was moved as a whole as the store itself, not a copy: what waits goes on.

    It must be said before the first start, so an older version is brought up to date here, too.
    :raises StoreLocked: a service runs on it.
    :raises StoreUnavailable: it cannot be used now.
    :raises StoreError: it is newer than this program, or there is no store in it.
    """
    from bridge.store.copying.postgres import source

    async with source(url, upgrade=True) as end:
        await end.adopt(now)
