"""Reading connections: they never wait for the writer, and each query sees one committed state of everything.

A read that begins after an awaited write returned sees that write. They cannot write: opened read-only.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from bridge.errors import StoreError
from bridge.store.sqlite.connection import ThreadConnection
from bridge.store.sqlite.faults import translate
from bridge.store.sqlite.tx import SqliteTx
from bridge.store.transaction import Unit

T = TypeVar("T")


class Readers:
    """A small pool. A slow question of a person keeps one connection, never the whole store."""

    def __init__(self, links: Sequence[ThreadConnection], path: Path) -> None:
        self._links = tuple(links)
        self._path = path
        self._idle: asyncio.LifoQueue[ThreadConnection] = asyncio.LifoQueue()
        for link in self._links:
            self._idle.put_nowait(link)
        self._closing = False

    async def run(self, query: Unit[T]) -> T:
        """The query's result out of one snapshot. :raises StoreUnavailable: the file cannot be read now."""
        link = await self._idle.get()
        try:
            if self._closing:
                raise StoreError("the store is closed")
            return await link.call(lambda db: _snapshot(db, query))
        except sqlite3.Error as error:
            link.judge(error)
            raise translate(error, self._path) from error
        finally:
            # A cancelled caller's query still runs in the link's thread; the next one queues behind it there.
            self._idle.put_nowait(link)

    async def close(self) -> None:
        self._closing = True
        for link in self._links:
            await link.close()


def _snapshot(db: sqlite3.Connection, query: Unit[T]) -> T:
    db.execute("BEGIN")
    try:
        return query(SqliteTx(db))
    finally:
        with contextlib.suppress(sqlite3.Error):  # nothing was written; the query's own error is the one to report
            db.execute("ROLLBACK")
