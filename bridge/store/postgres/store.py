"""Opens and closes the store on one schema of a PostgreSQL database."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import uuid4

import structlog

from bridge.model.base import Ms
from bridge.ports.clock import Clock
from bridge.ports.queries import QueryStore
from bridge.ports.store import OnWork, Store
from bridge.store.migrate import require_present
from bridge.store.postgres import faults, identity
from bridge.store.postgres.cluster import ClusterQueries, ClusterRepository
from bridge.store.postgres.migrate import migrate, schema_name, version_of
from bridge.store.postgres.notifications import Notifications
from bridge.store.postgres.pool import Pool
from bridge.store.postgres.transaction import Transactions
from bridge.store.postgres.tx import PostgresTx
from bridge.store.postgres.writer import PostgresWriter
from bridge.store.repositories.facade import Repositories
from bridge.store.repositories.queries import QueryRepository
from bridge.store.transaction import Unit

T = TypeVar("T")

_WRITE_CONNECTIONS, _READ_CONNECTIONS = 8, 4
"""Most connections of one node, for units that write and for queries. Reports and listening use one more each."""
_SYNCS = "SELECT current_setting('fsync')"

log = structlog.get_logger()


class PostgresReaders:
    """Runs each query in a read-only transaction of its own."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def run(self, query: Unit[T]) -> T:
        return await self._transactions.read(query)

    async def close(self) -> None:
        await self._transactions.close()


class PostgresQueries(ClusterQueries, QueryRepository):
    """Implements :class:`~bridge.ports.queries.QueryStore`. :func:`open_readonly` makes it."""

    def __init__(self, readers: PostgresReaders) -> None:
        super().__init__(readers)
        self._open = readers

    async def close(self) -> None:
        await self._open.close()


class PostgresStore(ClusterRepository, Repositories):
    """Implements :class:`~bridge.ports.store.Store`. :func:`open_store` makes it."""

    def __init__(
        self,
        readers: PostgresReaders,
        transactions: Transactions,
        reports: Transactions,
        notifications: Notifications,
        node: str,
        clock: Clock,
    ) -> None:
        """``reports``: transactions on a connection of their own. So a node whose other connections are all busy does
        not lose its leases."""
        self.writer = PostgresWriter(transactions)
        """Public for metrics, which read its numbers of units and of commits."""
        super().__init__(readers, self.writer, clock)
        self._reading = readers
        self._transactions = transactions
        self._reports = reports
        self._notifications = notifications
        self._node = node

    async def close(self) -> None:
        await self.writer.close()
        await self._notifications.close()
        await self._reading.close()
        await self._reports.close()
        await self._transactions.close()


async def open_store(url: str, *, clock: Clock, on_work: OnWork = lambda work: None) -> PostgresStore:
    """Connect, and bring the schema to the present version.

    :raises StoreUnavailable: the server cannot be reached now.
    :raises StoreError: the schema is of a newer or of a development version, or belongs to another program.
    """
    writing, reading = Pool(url, _WRITE_CONNECTIONS), Pool(url, _READ_CONNECTIONS)
    try:
        async with writing.connection() as connection:
            schema = await _prepared(connection, writing.where, clock.now())
    except BaseException:
        await writing.close()
        await reading.close()
        raise
    node = uuid4().hex
    notifications = Notifications(writing, schema, node)

    def committed(tx: PostgresTx) -> None:
        if tx.work:
            on_work(tx.work)
        notifications.notify(tx.work | tx.work_for_others)

    return PostgresStore(
        PostgresReaders(Transactions(reading, schema, node)),
        Transactions(writing, schema, node, committed),
        Transactions(Pool(url, 1), schema, node),
        notifications,
        node,
        clock,
    )


async def _prepared(connection: Any, where: str, now: Ms) -> str:
    with faults.named(where):
        await migrate(connection)
        if await connection.fetchval(_SYNCS) == "off":
            log.warning(
                "server_does_not_sync",
                error=f"{where}: fsync is off on this server: a power cut may take acknowledged messages along, and the"
                " database with them. Turn it on in postgresql.conf",
            )
        schema = await schema_name(connection)
        await identity.compare(connection, schema, now)
        return schema


async def open_readonly(url: str) -> PostgresQueries:
    """Open a database for reading, whether services run on it or not.

    :raises StoreUnavailable: the server cannot be reached.
    :raises StoreError: the schema is not of this program's version.
    """
    pool = Pool(url, 1)
    try:
        async with pool.connection() as connection:
            schema = await _checked(connection, pool.where)
    except BaseException:
        await pool.close()
        raise
    return PostgresQueries(PostgresReaders(Transactions(pool, schema, "")))


async def _checked(connection: Any, where: str) -> str:
    with faults.named(where):
        schema = await schema_name(connection)
        require_present(await version_of(connection))
        return schema


def _as_ports(store: PostgresStore, queries: PostgresQueries) -> tuple[Store, QueryStore]:
    """Lets the type checker compare both classes with their ports."""
    return store, queries
