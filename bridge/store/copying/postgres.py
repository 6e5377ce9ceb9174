"""A schema on a PostgreSQL server as one end of a move."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bridge.errors import StoreError, StoreLocked, StoreUnavailable
from bridge.model.base import Ms
from bridge.store import locks
from bridge.store.copying.tables import BATCH, misfit, select
from bridge.store.migrate import exactly_ours
from bridge.store.postgres import faults, identity
from bridge.store.postgres.migrate import migrate, space_of, version_of
from bridge.store.postgres.pool import connected
from bridge.store.postgres.tx import NOW, lock_key
from bridge.store.schema.mapping import Table
from bridge.store.schema.tables import MOVED
from bridge.store.schema.types import ColumnType, Line

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
_HAS_NODES = "SELECT to_regclass('node') IS NOT NULL"
_ALIVE = f"SELECT name FROM node WHERE alive_until > {NOW} ORDER BY name"


class PostgresEnd:
    def __init__(self, connection: Any, where: str, space: str) -> None:
        self._connection = connection
        self.where = where
        self._space = space

    async def table_names(self) -> set[str]:
        with faults.named(self.where):
            return {row["tablename"] for row in await self._connection.fetch(_TABLES)}

    async def count(self, table: Table) -> int:
        with faults.named(self.where):
            return int(await self._connection.fetchval(f"SELECT count(*) FROM {table.name}"))

    async def lines(self, table: Table) -> AsyncIterator[list[Line]]:
        with faults.named(self.where):
            cursor = await self._connection.cursor(select(table))
            while lines := await cursor.fetch(BATCH):
                yield [tuple(line) for line in lines]


class PostgresSource(PostgresEnd):
    """``whole``: the transaction in which everything is read; a mark ends it."""

    def __init__(self, connection: Any, where: str, space: str, whole: Any) -> None:
        super().__init__(connection, where, space)
        self._whole = whole

    async def know_itself(self, now: Ms) -> None:
        with faults.named(self.where):
            await identity.compare(self._connection, self._space, now)

    async def mark(self, now: Ms) -> None:
        with faults.named(self.where):
            await identity.mark(self._connection, now)
            await self._whole.commit()

    async def adopt(self, now: Ms) -> None:
        with faults.named(self.where):
            await identity.adopt(self._connection, now)
            await self._whole.commit()


class PostgresTarget(PostgresEnd):
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Migrations are a part of it: a copy that fails leaves an empty schema as empty as it was.

        Bridges that start meanwhile wait as they do for another's migrations, and then find it whole.
        """
        whole = self._connection.transaction()
        with faults.named(self.where):
            await whole.start()
            await migrate_within(self._connection, self._space)
            await self._alone()
        yield
        try:
            await whole.commit()
        except Exception as error:
            raise StoreUnavailable(
                f"{faults.commit_unknown(error, self.where)}: copy again. Where the target is not empty then,"
                " everything was kept, and no bridge may be started on the source"
            ) from error

    async def _alone(self) -> None:
        """Nobody else writes from here on; what was written before is in the way."""
        await nobody_runs(self._connection)
        names = [table.name for table in MOVED]
        await self._connection.execute(f"LOCK TABLE {', '.join(names)} IN EXCLUSIVE MODE")
        counts = {name: await self._connection.fetchval(f"SELECT count(*) FROM {name}") for name in names}
        if any(counts.values()):
            held = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
            raise StoreError(f"it is not empty ({held}): name an empty schema, or drop this one and make it anew")

    async def put(self, table: Table, lines: Sequence[Line]) -> None:
        try:
            await self._connection.copy_records_to_table(
                table.name, schema_name=self._space, columns=tuple(table.types), records=lines
            )
        except Exception as error:
            if (words := misfit(table, lines)) is not None:
                # From None: the driver's own words quote the value.
                raise StoreError(f"{self.where}: {words}; nothing was copied") from None
            translated = faults.translate(error, f"{self.where}: {table.name}")
            raise translated from error

    async def finish(self) -> None:
        """Numbers that the server gives go on behind those that are taken, and it knows what it will search."""
        with faults.named(self.where):
            for table in MOVED:
                if (column := _numbered(table)) is not None:
                    highest = f"(SELECT max({column}) FROM {table.name})"
                    # What is counted by itself begins at 1; chats' ids, which nobody counts, may be negative.
                    await self._connection.execute(
                        f"SELECT setval(pg_get_serial_sequence('{table.name}', '{column}'), {highest})"
                        f" WHERE {highest} > 0"
                    )
                await self._connection.execute(f"ANALYZE {table.name}")


@asynccontextmanager
async def source(url: str, *, upgrade: bool = False) -> AsyncIterator[PostgresSource]:
    """Locked against writers, in one transaction, to the end of the move. ``upgrade``: an older version is brought up
    to date in it."""
    async with connected(url) as (connection, where):
        with faults.named(where):
            space = await space_of(connection)
            whole = connection.transaction()
            await whole.start()
            await nobody_runs(connection)
            if upgrade and await version_of(connection):
                await migrate_within(connection, space)
            exactly_ours(await version_of(connection))
            end = PostgresSource(connection, where, space, whole)
            names = ", ".join(table.name for table in MOVED)
            await connection.execute(f"LOCK TABLE {names} IN EXCLUSIVE MODE")
        yield end


@asynccontextmanager
async def target(url: str) -> AsyncIterator[PostgresTarget]:
    async with connected(url) as (connection, where):
        with faults.named(where):
            space = await space_of(connection)
        yield PostgresTarget(connection, where, space)


async def migrate_within(connection: Any, space: str) -> None:
    """In a transaction that is open; nobody else migrates before its end."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", lock_key(space, locks.MIGRATIONS))
    await migrate(connection)


async def nobody_runs(connection: Any) -> None:
    """:raises StoreLocked: bridges are alive on this schema, by its own clock."""
    if await connection.fetchval(_HAS_NODES) and (names := await connection.fetch(_ALIVE)):
        listed = ", ".join(row["name"] for row in names)
        raise StoreLocked(
            f"it is in use by running bridges ({listed}): stop them first (one that was killed counts for ten seconds)"
        )


def _numbered(table: Table) -> str | None:
    """The column that the server counts by itself: INTEGER PRIMARY KEY in the schema file."""
    column = table.key[0]
    return column if len(table.key) == 1 and table.types[column] is ColumnType.INTEGER else None
