"""A schema of a PostgreSQL database as the source or the target of a move."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bridge.errors import StoreError, StoreLocked, StoreUnavailable
from bridge.model.base import Ms
from bridge.store import locks
from bridge.store.copying.tables import BATCH, describe_invalid_value, select
from bridge.store.migrate import require_present
from bridge.store.postgres import faults, identity
from bridge.store.postgres.migrate import migrate, schema_name, version_of
from bridge.store.postgres.pool import connected
from bridge.store.postgres.tx import NOW, lock_key
from bridge.store.schema.mapping import Table
from bridge.store.schema.tables import MOVED
from bridge.store.schema.types import ColumnType, ParamRow

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
_HAS_NODES = "SELECT to_regclass('node') IS NOT NULL"
_ALIVE = f"SELECT name FROM node WHERE alive_until > {NOW} ORDER BY name"


class PostgresSide:
    def __init__(self, connection: Any, where: str, schema: str) -> None:
        self._connection = connection
        self.where = where
        self._schema = schema

    async def table_names(self) -> set[str]:
        with faults.named(self.where):
            return {row["tablename"] for row in await self._connection.fetch(_TABLES)}

    async def count(self, table: Table) -> int:
        with faults.named(self.where):
            return int(await self._connection.fetchval(f"SELECT count(*) FROM {table.name}"))

    async def lines(self, table: Table) -> AsyncIterator[list[ParamRow]]:
        with faults.named(self.where):
            cursor = await self._connection.cursor(select(table))
            while lines := await cursor.fetch(BATCH):
                yield [tuple(line) for line in lines]


class PostgresSource(PostgresSide):
    """The source of a move. ``whole``: the one transaction that reads everything. Marking the source commits it."""

    def __init__(self, connection: Any, where: str, schema: str, whole: Any) -> None:
        super().__init__(connection, where, schema)
        self._whole = whole

    async def mark_if_restored(self, now: Ms) -> None:
        with faults.named(self.where):
            await identity.compare(self._connection, self._schema, now)

    async def mark(self, now: Ms) -> None:
        with faults.named(self.where):
            await identity.mark(self._connection, now)
            await self._whole.commit()

    async def adopt(self, now: Ms) -> None:
        with faults.named(self.where):
            await identity.adopt(self._connection, now)
            await self._whole.commit()


class PostgresTarget(PostgresSide):
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """The transaction of the whole move. It includes the migrations, so a failed copy leaves an empty schema empty.

        Nodes that start while it runs wait for it as they wait for another node's migrations. They then find a complete
        store.
        """
        whole = self._connection.transaction()
        with faults.named(self.where):
            await whole.start()
            await migrate_within(self._connection, self._schema)
            await self._lock_empty()
        yield
        try:
            await whole.commit()
        except Exception as error:
            raise StoreUnavailable(
                f"{faults.commit_unknown(error, self.where)}: copy again. Where the target is not empty then,"
                " everything was kept, and no bridge may be started on the source"
            ) from error

    async def _lock_empty(self) -> None:
        """Lock the tables against other writers. :raises StoreError: a table has rows already."""
        await check_unused(self._connection)
        names = [table.name for table in MOVED]
        await self._connection.execute(f"LOCK TABLE {', '.join(names)} IN EXCLUSIVE MODE")
        counts = {name: await self._connection.fetchval(f"SELECT count(*) FROM {name}") for name in names}
        if any(counts.values()):
            held = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
            raise StoreError(f"it is not empty ({held}): name an empty schema, or drop this one and make it anew")

    async def put(self, table: Table, lines: Sequence[ParamRow]) -> None:
        try:
            await self._connection.copy_records_to_table(
                table.name, schema_name=self._schema, columns=tuple(table.types), records=lines
            )
        except Exception as error:
            if (words := describe_invalid_value(table, lines)) is not None:
                # "from None" hides the driver's message, which quotes the value.
                raise StoreError(f"{self.where}: {words}; nothing was copied") from None
            translated = faults.translate(error, f"{self.where}: {table.name}")
            raise translated from error

    async def finish(self) -> None:
        """Make the server number new rows above the copied ones, and collect statistics."""
        with faults.named(self.where):
            for table in MOVED:
                if (column := _numbered(table)) is not None:
                    highest = f"(SELECT max({column}) FROM {table.name})"
                    # The server's own numbers begin at 1. Ids of chats come from Telegram and may be negative.
                    await self._connection.execute(
                        f"SELECT setval(pg_get_serial_sequence('{table.name}', '{column}'), {highest})"
                        f" WHERE {highest} > 0"
                    )
                await self._connection.execute(f"ANALYZE {table.name}")


@asynccontextmanager
async def source(url: str, *, upgrade: bool = False) -> AsyncIterator[PostgresSource]:
    """Open the source in one transaction, and lock it against writers until the end of the move.

    ``upgrade``: bring an older version up to date in that transaction.
    """
    async with connected(url) as (connection, where):
        with faults.named(where):
            schema = await schema_name(connection)
            whole = connection.transaction()
            await whole.start()
            await check_unused(connection)
            if upgrade and await version_of(connection):
                await migrate_within(connection, schema)
            require_present(await version_of(connection))
            end = PostgresSource(connection, where, schema, whole)
            names = ", ".join(table.name for table in MOVED)
            await connection.execute(f"LOCK TABLE {names} IN EXCLUSIVE MODE")
        yield end


@asynccontextmanager
async def target(url: str) -> AsyncIterator[PostgresTarget]:
    async with connected(url) as (connection, where):
        with faults.named(where):
            schema = await schema_name(connection)
        yield PostgresTarget(connection, where, schema)


async def migrate_within(connection: Any, schema: str) -> None:
    """Migrate in the open transaction. No other process migrates before this transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", lock_key(schema, locks.MIGRATIONS))
    await migrate(connection)


async def check_unused(connection: Any) -> None:
    """Refuse a schema that is in use. :raises StoreLocked: nodes are alive on it, by the clock of the database."""
    if await connection.fetchval(_HAS_NODES) and (names := await connection.fetch(_ALIVE)):
        listed = ", ".join(row["name"] for row in names)
        raise StoreLocked(
            f"it is in use by running bridges ({listed}): stop them first (one that was killed counts for ten seconds)"
        )


def _numbered(table: Table) -> str | None:
    """The column whose values the server generates: ``INTEGER PRIMARY KEY`` in the schema file. None without one."""
    column = table.key[0]
    return column if len(table.key) == 1 and table.types[column] is ColumnType.INTEGER else None
