"""Runs queries on read-only connections to a SQLite file. They never wait for the writer.

A query sees one committed state of the whole file. A query that starts after a write has returned sees that write.
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
    """A small pool of connections. A slow query keeps one of them busy, not the whole store."""

    def __init__(self, connections: Sequence[ThreadConnection], path: Path) -> None:
        self._connections = tuple(connections)
        self._path = path
        self._idle: asyncio.LifoQueue[ThreadConnection] = asyncio.LifoQueue()
        for connection in self._connections:
            self._idle.put_nowait(connection)
        self._closing = False

    async def run(self, query: Unit[T]) -> T:
        """Run the query on one snapshot and return its result. :raises StoreUnavailable: the file cannot be read."""
        connection = await self._idle.get()
        try:
            if self._closing:
                raise StoreError("the store is closed")
            return await connection.call(lambda db: _snapshot(db, query))
        except sqlite3.Error as error:
            connection.distrust_if_faulty(error)
            raise translate(error, self._path) from error
        finally:
            # The query of a cancelled caller still runs in the connection's thread. The next query waits for it there.
            self._idle.put_nowait(connection)

    async def close(self) -> None:
        self._closing = True
        for connection in self._connections:
            await connection.close()


def _snapshot(db: sqlite3.Connection, query: Unit[T]) -> T:
    db.execute("BEGIN")
    try:
        return query(SqliteTx(db))
    finally:
        with contextlib.suppress(sqlite3.Error):  # nothing was written; the query's own error is the one to report
            db.execute("ROLLBACK")
