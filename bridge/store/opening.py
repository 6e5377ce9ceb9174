"""Which engine a URL of ``storage.url`` means. Nothing else in the program asks.

PostgreSQL's driver is an extra and costs time to import: it is looked for only where it is wanted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from bridge.model.base import Ms
from bridge.ports.clock import Clock
from bridge.ports.queries import QueryStore
from bridge.ports.store import OnWork, Store
from bridge.store.sqlite import store as sqlite

_SQLITE = "sqlite:///"


class Queries(QueryStore, Protocol):
    """What commands ask, opened for them alone."""

    async def close(self) -> None: ...


def is_sqlite(url: str) -> bool:
    return url.startswith(_SQLITE)


def sqlite_path(url: str) -> Path:
    return Path(url.removeprefix(_SQLITE))


async def open_storage(url: str, *, clock: Clock, on_work: OnWork = lambda work: None) -> Store:
    """The whole store, for a running service. ``on_work`` is called after each commit that makes work.

    :raises StoreLocked: another bridge runs on this SQLite file. :raises StoreUnavailable: it cannot be used now.
    :raises StoreError: it is of a newer version, or another program's.
    """
    if is_sqlite(url):
        return await sqlite.open_store(sqlite_path(url), clock=clock, on_work=on_work)
    from bridge.store.postgres import store

    return await store.open_store(url, clock=clock, on_work=on_work)


async def open_queries(url: str) -> Queries:
    """Questions only, beside a running bridge or without one.

    :raises StoreUnavailable: it is not there, or cannot be read. :raises StoreError: its version is not ours.
    """
    if is_sqlite(url):
        return await sqlite.open_readonly(sqlite_path(url))
    from bridge.store.postgres import store

    return await store.open_readonly(url)


async def try_shared(url: str, *, now: Ms) -> None:
    """Whether a bridge could work on this database of a server; changes nothing.

    :raises StoreUnavailable: not now. :raises StoreError: it is newer than this program, or another program's.
    """
    from bridge.store.postgres import dry_run

    await dry_run.check_usable(url, now)


async def mark_restored(url: str, *, taken_at: Ms) -> None:
    """What is in it is a copy of that moment: the first start asks people about what waits.

    Of an older version it is brought up to date here: a start that did it would send what waits.

    :raises StoreLocked: a bridge runs on it. :raises StoreUnavailable: it cannot be used now.
    :raises StoreError: it is newer than this program, or nothing is in it.
    """
    from bridge.store.copying.engines import open_source

    async with open_source(url, upgrade=True) as source:
        await source.mark(taken_at)


async def adopt(url: str, *, now: Ms) -> None:
    """The opposite, for a database of a server that was moved as a whole: it is no copy, what waits goes on.
    Before the first start, so here, too, an older version is brought up to date.

    :raises StoreLocked: a bridge runs on it. :raises StoreUnavailable: it cannot be used now.
    :raises StoreError: it is newer than this program, or nothing is in it.
    """
    from bridge.store.copying.of_postgres import source

    async with source(url, upgrade=True) as end:
        await end.adopt(now)
