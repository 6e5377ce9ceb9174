"""The store on one PostgreSQL database: opening, closing."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import uuid4

import structlog

from bridge.model.base import Ms
from bridge.ports.clock import Clock
from bridge.ports.queries import QueryStore
from bridge.ports.store import OnWork, Store
from bridge.store.migrate import exactly_ours
from bridge.store.postgres import faults, identity
from bridge.store.postgres.cluster import ClusterQueries, ClusterRepository
from bridge.store.postgres.migrate import migrate, space_of, version_of
from bridge.store.postgres.notifications import Notifications
from bridge.store.postgres.pool import Pool
from bridge.store.postgres.transaction import Transactions
from bridge.store.postgres.tx import PostgresTx
from bridge.store.postgres.writer import PostgresWriter
from bridge.store.repositories.facade import Repositories
from bridge.store.repositories.queries import QueryRepository
from bridge.store.transaction import Unit

T = TypeVar("T")

_WRITING, _READING = 8, 4
"""Most connections of one node."""
_SYNCS = "SELECT current_setting('fsync')"

log = structlog.get_logger()


class PostgresReaders:
    def __init__(self, pool: Pool, transactions: Transactions) -> None:
        self._pool = pool
        self._transactions = transactions

    async def run(self, query: Unit[T]) -> T:
        return await self._transactions.read(query)

    async def close(self) -> None:
        await self._pool.close()


class PostgresQueries(ClusterQueries, QueryRepository):
    """A :class:`~bridge.ports.queries.QueryStore`; made by :func:`open_readonly`."""

    def __init__(self, readers: PostgresReaders) -> None:
        super().__init__(readers)
        self._open = readers

    async def close(self) -> None:
        await self._open.close()


class PostgresStore(ClusterRepository, Repositories):
    """A :class:`~bridge.ports.store.Store`; made by :func:`open_store`."""

    def __init__(
        self,
        readers: PostgresReaders,
        writing: Pool,
        reporting: Pool,
        notifications: Notifications,
        place: tuple[str, str],
        on_work: OnWork,
        clock: Clock,
    ) -> None:
        """``place``: the schema, and the id of this node."""

        def committed(tx: PostgresTx) -> None:
            if tx.work:
                on_work(tx.work)
            notifications.notify(tx.work | tx.work_for_others)

        space, node = place
        transactions = Transactions(writing, space, node, committed)
        self.writer = PostgresWriter(transactions)
        """For metrics: how many units shared how many commits."""
        super().__init__(readers, self.writer, clock)
        self._reading = readers
        self._writing = writing
        self._reporting = reporting
        self._reports = Transactions(reporting, space, node)
        """On a connection of their own: whoever waits for the others' connections must not lose his leases by it."""
        self._transactions = transactions
        self._notifications = notifications
        self._node = node

    @property
    def _claiming(self) -> PostgresWriter:
        """A claim may take messages of others."""
        return self.writer

    async def close(self) -> None:
        await self.writer.close()
        await self._notifications.close()
        await self._reading.close()
        await self._reporting.close()
        await self._writing.close()


async def open_store(url: str, *, clock: Clock, on_work: OnWork = lambda work: None) -> PostgresStore:
    """Connect, and bring the schema to the present version.

    :raises StoreUnavailable: the server cannot be reached now.
    :raises StoreError: the schema is of a newer version, or another program's.
    """
    writing, reading = Pool(url, _WRITING), Pool(url, _READING)
    try:
        async with writing.connection() as connection:
            space = await _prepared(connection, writing.where, clock.now())
    except BaseException:
        await writing.close()
        await reading.close()
        raise
    node = uuid4().hex
    readers = PostgresReaders(reading, Transactions(reading, space, node))
    notifications = Notifications(writing, space, node)
    return PostgresStore(readers, writing, Pool(url, 1), notifications, (space, node), on_work, clock)


async def _prepared(connection: Any, where: str, now: Ms) -> str:
    with faults.named(where):
        await migrate(connection)
        if await connection.fetchval(_SYNCS) == "off":
            log.warning(
                "server_does_not_sync",
                error=f"{where}: fsync is off on this server: a power cut may take acknowledged messages along, and the"
                " database with them. Turn it on in postgresql.conf",
            )
        space = await space_of(connection)
        await identity.compare(connection, space, now)
        return space


async def open_readonly(url: str) -> PostgresQueries:
    """Ask a database while services run on it, or without one.

    :raises StoreUnavailable: it cannot be reached. :raises StoreError: its version is not this program's.
    """
    pool = Pool(url, 1)
    try:
        async with pool.connection() as connection:
            space = await _checked(connection, pool.where)
    except BaseException:
        await pool.close()
        raise
    return PostgresQueries(PostgresReaders(pool, Transactions(pool, space, "")))


async def _checked(connection: Any, where: str) -> str:
    with faults.named(where):
        space = await space_of(connection)
        exactly_ours(await version_of(connection))
        return space


def _as_ports(store: PostgresStore, queries: PostgresQueries) -> tuple[Store, QueryStore]:
    """For the type checker alone: both keep to their ports."""
    return store, queries
