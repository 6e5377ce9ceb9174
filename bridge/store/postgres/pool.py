"""Opens connections to the server when they are needed, and opens new ones after they break.

asyncpg's own pool is not used: docs/decisions/0016-connection-pool.md says why, with figures.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from bridge.errors import StoreError, StoreUnavailable
from bridge.model.base import SECOND, Ms
from bridge.store.postgres import faults

TIMEOUT: Ms = 5 * SECOND
"""Longest wait for a lock, a new connection or a free one. A statement may take twice as long. After these times the
work fails and callbacks are refused."""
RETRY_PAUSE: Ms = 250
"""Shortest time between two attempts to reach a server that does not answer."""

PLANNING = {
    # The server plans a statement once a session, often while its tables are empty. The plan must also be good for full
    # tables, so it must not depend on parameter values or on the rows of that moment. By its own estimates the server
    # would read whole tables, and would go on doing so while they grow. tests/unit/postgres/test_plans.py names the
    # statements that need each switch.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    # A scan that is switched off has a huge cost estimate. If the server must use one all the same, even on a table of
    # a few rows, that estimate would make it compile the statement first.
    "jit": "off",
}
"""Settings that decide how the server plans the statements of a session."""
_SETTINGS = {
    "application_name": "sms-bridge",
    "default_transaction_isolation": "read committed",
    "lock_timeout": str(TIMEOUT),
    "statement_timeout": str(2 * TIMEOUT),
    # A node whose machine is suspended in a transaction must not keep its locks. The most important one is the lock
    # under which all nodes report. After this timeout the others have one more try before their leases end.
    "idle_in_transaction_session_timeout": str(TIMEOUT),
    **PLANNING,
}
_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
"""Switches ``synchronous_commit`` on where the server's or the user's default is ``off``: an acknowledged message must
be on the disk."""

_LISTENING = {"application_name": "sms-bridge (listening)"}
_COPYING = {
    "application_name": "sms-bridge store copy",
    "lock_timeout": str(TIMEOUT),
    # Copying a million rows takes a minute, so the server's limits on time do not apply.
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}


def masked_url(url: str) -> str:
    """The server, database and schema of a URL, for messages. Never contains the password."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    schema = "".join(f"?{name}={value}" for name, value in parse_qsl(parts.query) if name == "search_path")
    return f"postgresql://{parts.hostname or ''}{port}{parts.path}{schema}"


async def _connect(url: str, settings: Mapping[str, str], **options: Any) -> Any:
    return await asyncpg.connect(url, timeout=TIMEOUT / 1000, server_settings=dict(settings), **options)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[tuple[Any, str]]:
    """Open a connection without a pool, for work that may take long. Yields the connection and the masked URL.

    Closes the connection at the end. Changes that are not committed are lost.
    """
    where = masked_url(url)
    with faults.named(where):
        connection = await _connect(url, _COPYING)
    try:
        yield connection, where
    finally:
        connection.terminate()


class Pool:
    """A pool of at most ``size`` connections for one event loop. It opens each when it is needed. Close it last.

    While the server cannot be reached, callers do not wait for it one after the other. For :data:`RETRY_PAUSE` after a
    failed attempt all of them get the error of that attempt at once.
    """

    def __init__(self, url: str, size: int) -> None:
        self._url = url
        self.where = masked_url(url)
        self._size = size
        self._free = asyncio.Semaphore(size)
        self._idle: list[Any] = []
        """A stack: the connection that was used last is used next, since its session and its process are warm."""
        self._open: set[Any] = set()
        self._closed = False
        self._last_error: Exception | None = None
        self._retry_at = 0.0

    async def separate(self) -> Any:
        """Open a connection for listening, outside the pool. The caller closes it."""
        return await _connect(self._url, _LISTENING)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Lend a connection for one transaction. :raises StoreUnavailable: no connection is free or can be opened."""
        if self._closed:
            raise StoreError("the store is closed")
        try:
            async with asyncio.timeout(TIMEOUT / 1000):
                await self._free.acquire()
        except TimeoutError as error:
            raise StoreUnavailable(f"{self.where}: all connections are busy") from error
        try:
            connection = await self._connection()
            try:
                yield connection
            finally:
                # A connection that is left in a transaction cannot be used again.
                if connection.is_closed() or connection.is_in_transaction():
                    self._forget(connection)
                else:
                    self._idle.append(connection)
        finally:
            self._free.release()

    async def _connection(self) -> Any:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self._forget(connection)
        now = asyncio.get_running_loop().time()
        if self._last_error is not None and now < self._retry_at:
            raise faults.translate(self._last_error, self.where) from self._last_error
        try:
            connection = await self._opened()
        except Exception as error:
            self._last_error, self._retry_at = error, asyncio.get_running_loop().time() + RETRY_PAUSE / 1000
            raise faults.translate(error, self.where) from error
        self._last_error = None
        return connection

    async def _opened(self) -> Any:
        connection = await _connect(
            self._url,
            _SETTINGS,
            command_timeout=2 * TIMEOUT / 1000,
            statement_cache_size=512,
            max_cacheable_statement_size=64 * 1024,
        )
        self._open.add(connection)
        try:
            await connection.execute(_DURABLE)
        except BaseException:
            self._forget(connection)
            raise
        return connection

    def distrust(self, connection: Any) -> None:
        """Terminate a connection that did not answer in time, and all idle ones.

        The idle ones lead to the same server, so each would cost the same wait.
        """
        for other in (connection, *self._idle):
            self._forget(other)
        self._idle.clear()

    def _forget(self, connection: Any) -> None:
        connection.terminate()
        self._open.discard(connection)

    async def close(self) -> None:
        """Wait up to ``TIMEOUT`` for running transactions, then close all connections. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            async with asyncio.timeout(TIMEOUT / 1000):
                for _ in range(self._size):
                    await self._free.acquire()
                for connection in self._idle:
                    await connection.close()
        for connection in tuple(self._open):
            self._forget(connection)
