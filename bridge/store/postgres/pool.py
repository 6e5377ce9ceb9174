"""Connections to the server, made when they are needed and made anew after they broke.

While the server cannot be reached, nobody waits for it twice: for a moment after each failed attempt, whoever comes is
told the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from bridge.errors import StoreUnavailable
from bridge.model import SECOND, Ms
from bridge.store.postgres.faults import translate

PATIENCE: Ms = 5 * SECOND
"""How long a statement, a lock, a new connection or a free one is waited for; callbacks are refused after it."""
REST: Ms = 250
"""Between two attempts to reach a server that is away."""
_SETTINGS = {
    "application_name": "sms-bridge",
    "default_transaction_isolation": "read committed",
    "lock_timeout": str(PATIENCE),
    "statement_timeout": str(2 * PATIENCE),
    # A bridge that is stopped in the middle (a suspended machine) must not keep its locks.
    "idle_in_transaction_session_timeout": str(3 * PATIENCE),
    "plan_cache_mode": "force_generic_plan",
}

_LISTENING = {"application_name": "sms-bridge (listening)"}


def place(url: str) -> str:
    """The server and database of a URL as messages name them: never the password."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"postgresql://{parts.hostname or ''}{port}{parts.path}"


class Pool:
    """``open`` first, ``close`` last; both in one event loop."""

    def __init__(self, url: str, size: int) -> None:
        self._url = url
        self.where = place(url)
        self._size = size
        self._pool: Any = None
        self._free = asyncio.Semaphore(size)
        self._refused: Exception | None = None
        self._try_at = 0.0

    async def open(self, **settings: str) -> None:
        """Connects to nothing yet. ``settings`` are the session's."""
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=self._size,
            timeout=PATIENCE / 1000,
            command_timeout=2 * PATIENCE / 1000,
            statement_cache_size=512,
            max_cacheable_statement_size=64 * 1024,
            server_settings={**_SETTINGS, **settings},
            reset=_leave_as_it_is,
        )

    async def separate(self) -> Any:
        """A connection beside the pool, for whoever keeps one for good and ends it himself."""
        return await asyncpg.connect(self._url, timeout=PATIENCE / 1000, server_settings=_LISTENING)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """One connection for one transaction. :raises StoreUnavailable: none is to be had now."""
        try:
            async with asyncio.timeout(PATIENCE / 1000):
                await self._free.acquire()
        except TimeoutError as error:
            raise StoreUnavailable(f"{self.where}: all connections are busy") from error
        try:
            connection = await self._connected()
            try:
                yield connection
            finally:
                # A connection in the middle of a transaction is no use to anybody.
                if connection.is_closed() or connection.is_in_transaction():
                    connection.terminate()
                await self._pool.release(connection)
        finally:
            self._free.release()

    async def _connected(self) -> Any:
        now = asyncio.get_running_loop().time()
        if self._refused is not None and now < self._try_at:
            raise translate(self._refused, self.where) from self._refused
        try:
            connection = await self._pool.acquire(timeout=PATIENCE / 1000)
        except Exception as error:
            self._refused, self._try_at = error, asyncio.get_running_loop().time() + REST / 1000
            raise translate(error, self.where) from error
        self._refused = None
        return connection

    async def close(self) -> None:
        if self._pool is not None:
            try:
                async with asyncio.timeout(PATIENCE / 1000):
                    await self._pool.close()
            except TimeoutError:
                self._pool.terminate()


async def _leave_as_it_is(connection: object) -> None:
    """What asyncpg would reset between two users costs a round trip; nothing here changes a session."""
