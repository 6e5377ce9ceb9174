"""Opens a store of either engine by its ``storage.url``. Also marks a store as a restored copy, or as not a copy.

The driver of PostgreSQL is an optional extra and slow to import, so it is imported only for a PostgreSQL URL.
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
    """A store that one command opened, only for reading."""

    async def close(self) -> None: ...


async def open_storage(url: str, *, clock: Clock, on_work: OnWork = lambda work: None) -> Store:
    """Open the whole store, for a running service. The store calls ``on_work`` after each commit that makes work.

    :raises StoreLocked: another process uses this SQLite file.
    :raises StoreUnavailable: the store cannot be used now.
    :raises StoreError: the store is of a newer or of a development version, or belongs to another program.
    """
    if is_sqlite(url):
        return await sqlite.open_store(sqlite_path(url), clock=clock, on_work=on_work)
    from bridge.store.postgres import store

    return await store.open_store(url, clock=clock, on_work=on_work)


async def open_queries(url: str) -> Queries:
    """Open a store for reading, whether a service runs on it or not.

    :raises StoreUnavailable: the store does not exist or cannot be read.
    :raises StoreError: the store is not of this program's version.
    """
    if is_sqlite(url):
        return await sqlite.open_readonly(sqlite_path(url))
    from bridge.store.postgres import store

    return await store.open_readonly(url)


async def check_shared_storage(url: str, *, now: Ms) -> None:
    """Check whether a service could work on this PostgreSQL database. Changes nothing.

    :raises StoreUnavailable: a service cannot use it now.
    :raises StoreError: a service can never use it: the database is newer than this program, is of a development
        version, or belongs to another program.
    """
    from bridge.store.postgres import dry_run

    await dry_run.check_usable(url, now)


async def mark_restored(url: str, *, taken_at: Ms) -> None:
    """Mark the store as a copy made at ``taken_at``. After its first start people decide about the SMS that wait in it.

    Brings an older version up to date: if a start did that instead, the start would also send the SMS that wait.
    :raises StoreLocked: a service runs on the store.
    :raises StoreUnavailable: the store cannot be used now.
    :raises StoreError: the store is newer than this program, or the database is empty.
    """
    async with open_source(url, upgrade=True) as source:
        await source.mark(taken_at)


async def adopt(url: str, *, now: Ms) -> None:
    """Accept a PostgreSQL database that was moved as a whole: it is the store itself, not a copy. Waiting SMS are sent.

    Runs before the first start in the new place, so it also brings an older version up to date.
    :raises StoreLocked: a service runs on the store.
    :raises StoreUnavailable: the store cannot be used now.
    :raises StoreError: the store is newer than this program, or the database is empty.
    """
    from bridge.store.copying.postgres import source

    async with source(url, upgrade=True) as end:
        await end.adopt(now)
