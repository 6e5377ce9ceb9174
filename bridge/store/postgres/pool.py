"""Connections to the server, made when they are needed and made anew after they broke.

While the server cannot be reached, nobody waits for it twice: for a moment after each failed attempt, whoever comes is
told the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from bridge.errors import StoreError, StoreUnavailable
from bridge.model.base import SECOND, Ms
from bridge.store.postgres.faults import translate

TIMEOUT: Ms = 5 * SECOND
"""How long a statement, a lock, a new connection or a free one is waited for; callbacks are refused after it."""
RETRY_PAUSE: Ms = 250
"""Between two attempts to reach a server that is away."""
_SETTINGS = {
    "application_name": "sms-bridge",
    "default_transaction_isolation": "read committed",
    "lock_timeout": str(TIMEOUT),
    "statement_timeout": str(2 * TIMEOUT),
    # A bridge that is stopped in the middle (a suspended machine) must not keep its locks, above all not the one under
    # which all report: they have another try before their leases end.
    "idle_in_transaction_session_timeout": str(TIMEOUT),
    # A statement is planned once a session, often while its tables are empty: the plan must be one for full tables.
    # Left to its estimates the server reads whole tables then, and goes on doing so while they grow.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
"""A message that was acknowledged must be on the disk, whatever the server's or the user's default is."""

_LISTENING = {"application_name": "sms-bridge (listening)"}


def masked_url(url: str) -> str:
    """The server, database and schema of a URL as messages name them: never the password."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    schema = "".join(f"?{name}={value}" for name, value in parse_qsl(parts.query) if name == "search_path")
    return f"postgresql://{parts.hostname or ''}{port}{parts.path}{schema}"


class Pool:
    """Connects when somebody asks, so many times at most; ``close`` last. One event loop.

    asyncpg's own pool takes as long for one loan as the server does for a statement, in two tasks.
    """

    def __init__(self, url: str, size: int) -> None:
        self._url = url
        self.where = masked_url(url)
        self._size = size
        self._free = asyncio.Semaphore(size)
        self._idle: list[Any] = []
        """The one used last is used next: its session is warm, and so is its process."""
        self._open: set[Any] = set()
        self._closed = False
        self._refused: Exception | None = None
        self._try_at = 0.0

    async def separate(self) -> Any:
        """A connection beside the pool, for whoever keeps one for good and ends it himself."""
        return await asyncpg.connect(self._url, timeout=TIMEOUT / 1000, server_settings=_LISTENING)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """One connection for one transaction. :raises StoreUnavailable: none is to be had now."""
        if self._closed:
            raise StoreError("the store is closed")
        try:
            async with asyncio.timeout(TIMEOUT / 1000):
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
                    self._forget(connection)
                else:
                    self._idle.append(connection)
        finally:
            self._free.release()

    async def _connected(self) -> Any:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self._forget(connection)
        now = asyncio.get_running_loop().time()
        if self._refused is not None and now < self._try_at:
            raise translate(self._refused, self.where) from self._refused
        try:
            connection = await self._connect()
        except Exception as error:
            self._refused, self._try_at = error, asyncio.get_running_loop().time() + RETRY_PAUSE / 1000
            raise translate(error, self.where) from error
        self._refused = None
        return connection

    async def _connect(self) -> Any:
        connection = await asyncpg.connect(
            self._url,
            timeout=TIMEOUT / 1000,
            command_timeout=2 * TIMEOUT / 1000,
            statement_cache_size=512,
            max_cacheable_statement_size=64 * 1024,
            server_settings=_SETTINGS,
        )
        self._open.add(connection)
        try:
            await connection.execute(_DURABLE)
        except BaseException:
            self._forget(connection)
            raise
        return connection

    def distrust(self, connection: Any) -> None:
        """It did not answer in time. The idle ones lead to the same place, and would each be waited for as long."""
        for other in (connection, *self._idle):
            self._forget(other)
        self._idle.clear()

    def _forget(self, connection: Any) -> None:
        connection.terminate()
        self._open.discard(connection)

    async def close(self) -> None:
        """Waits up to ``TIMEOUT`` for transactions under way, then ends all connections. A second call does nothing."""
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
