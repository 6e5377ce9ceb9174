"""Notifies the other nodes by NOTIFY which kinds of work there are, and listens to their notifications.

A notification may be lost. It only shortens a wait, since each loop also looks for work regularly. So notifications are
not part of a transaction, and those of one moment are sent together.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Set
from contextlib import suppress
from typing import Any

import asyncpg

from bridge.errors import StoreError
from bridge.model.work import Work
from bridge.ports.store import OnWork
from bridge.store import locks
from bridge.store.postgres.pool import TIMEOUT, Pool
from bridge.store.postgres.tx import lock_key

NOTIFY_EVERY_S = 0.05
"""Seconds between two notifications of a node, at least."""
LIVENESS_CHECK_S = 20.0
"""Seconds between two checks of a listening connection that the server still answers."""
RECONNECT_S = 2.0
"""Seconds between two attempts to connect again."""

_FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, StoreError)


def channel(schema: str) -> str:
    """The name of the channel of one schema. A database may hold several stores, so each schema has its own."""
    return f"sms_bridge_{lock_key(schema, locks.NOTIFICATIONS) & (2**64 - 1):x}"


class Notifications:
    """Sends and receives the notifications of one node. Call ``close`` before the pool is closed."""

    def __init__(self, pool: Pool, schema: str, node: str) -> None:
        self._pool = pool
        self._channel = channel(schema)
        self._node = node
        self.has_listeners = False
        """Whether there are other nodes. If not, nothing is sent."""
        self._pending: set[Work] = set()
        self._sending: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def notify(self, work: Set[Work]) -> None:
        """Notify the other nodes of this work, within :data:`NOTIFY_EVERY_S`."""
        if not self.has_listeners or not work:
            return
        self._pending |= work
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while self._pending:
            payload = json.dumps([self._node, *sorted(self._pending)])
            self._pending.clear()
            with suppress(*_FAILURES):
                async with self._pool.connection() as connection:
                    await connection.execute("SELECT pg_notify($1, $2)", self._channel, payload)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), NOTIFY_EVERY_S)
        self._sending = None

    async def listen(self, on_work: OnWork) -> None:
        """Call ``on_work`` for each notification of another node, until cancelled."""

        def received(connection: object, pid: int, channel: str, payload: str) -> None:
            node, *names = json.loads(payload)
            if node != self._node:
                # A node of a later version may name kinds of work that this version does not know.
                on_work({work for work in Work if work in names})

        while True:
            try:
                await self._listen(received)
            except _FAILURES:
                # Not logged: other parts report that the store cannot be reached.
                await asyncio.sleep(RECONNECT_S)

    async def _listen(self, received: Callable[[Any, int, str, str], None]) -> None:
        connection = await self._pool.separate()
        try:
            ended = asyncio.Event()
            connection.add_termination_listener(lambda _: ended.set())
            await connection.add_listener(self._channel, received)
            while not ended.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(LIVENESS_CHECK_S):
                        await ended.wait()
                        break
                # Only a query shows that a connection was cut silently.
                await connection.execute("SELECT 1", timeout=TIMEOUT / 1000)
            raise ConnectionResetError
        finally:
            connection.terminate()

    async def close(self) -> None:
        """Send the pending notifications."""
        self._closing.set()
        if self._sending is not None:
            await self._sending
