"""Brings a PostgreSQL schema to the present version, with the same numbered files as SQLite. One node does it at a
time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from bridge.errors import StoreError
from bridge.store import locks
from bridge.store.migrate import Migration, refuse_development, refuse_newer, shipped
from bridge.store.postgres import dialect, faults
from bridge.store.postgres.pool import TIMEOUT
from bridge.store.postgres.tx import lock_key

_TABLES = "SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
_VERSION = "SELECT max(version) FROM schema_version"
# The column "state" of these tables has no statistics. The server collects statistics when hardly any row waits, and
# they matter when thousands wait. A plan that is made for one waiting row reads all waiting rows for each of them.
# Without statistics the planner assumes that half a per cent of the rows wait.
_WAITING = ("inbound", "sms", "chat_post", "tg_update")
_WITH_STATISTICS = """
SELECT attrelid::regclass::text FROM pg_attribute
WHERE attrelid = ANY ($1::text[]::regclass[]) AND attname = 'state' AND attstattarget IS DISTINCT FROM 0
"""
_MAKE_VERSIONS = (
    "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY, at TIMESTAMPTZ NOT NULL DEFAULT now())"
)


async def schema_name(connection: Any) -> str:
    """The name of the schema that the tables are in. :raises StoreError: there is no such schema."""
    schema = await connection.fetchval("SELECT current_schema()")
    if schema is None:
        raise StoreError(faults.NO_SCHEMA)
    return str(schema)


async def version_of(connection: Any) -> int:
    """The version of the schema; 0 if it is empty.

    :raises StoreError: the schema is of a development version, or belongs to another program.
    """
    tables = [name for (name,) in await connection.fetch(_TABLES)]
    refuse_development(tables)
    if "schema_version" in tables:
        return int(await connection.fetchval(_VERSION) or 0)
    if tables:
        raise StoreError("the schema belongs to another program: check storage.url, or name one by ?search_path=")
    return 0


async def migrate(connection: Any, migrations: Sequence[Migration] | None = None) -> int:
    """Apply the missing migrations; returns how many. Other nodes that start meanwhile wait for it.

    :raises StoreError: a migration failed, or the schema is of a newer version.
    """
    wanted = shipped() if migrations is None else migrations
    lock = lock_key(await schema_name(connection), locks.MIGRATIONS)
    await connection.execute(f"SET lock_timeout = {60 * TIMEOUT}")
    await connection.execute("SET statement_timeout = 0")
    await connection.execute("SELECT pg_advisory_lock($1)", lock, timeout=60 * TIMEOUT / 1000)
    try:
        version = await version_of(connection)
        refuse_newer(version, wanted[-1].version if wanted else 0)
        missing = [migration for migration in wanted if migration.version > version]
        if missing and not version:
            await connection.execute(_MAKE_VERSIONS)
        for migration in missing:
            await _apply(connection, migration)
        if wanted == shipped():
            await _take_no_statistics(connection)
        return len(missing)
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", lock)
            # The connection goes on to other work, with the settings that it was opened with.
            await connection.execute("RESET lock_timeout; RESET statement_timeout")


async def _take_no_statistics(connection: Any) -> None:
    """Switch statistics off for the column ``state`` of the tables in :data:`_WAITING`.

    Runs at each start, since a process may be killed between making the tables and this.
    """
    for (table,) in await connection.fetch(_WITH_STATISTICS, list(_WAITING)):
        await connection.execute(f"ALTER TABLE {table} ALTER COLUMN state SET STATISTICS 0")


async def _apply(connection: Any, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(dialect.schema(migration.sql), timeout=None)
            await connection.execute("INSERT INTO schema_version (version) VALUES ($1)", migration.version)
    except asyncpg.PostgresError as error:
        if faults.is_environment_fault(error):
            raise
        # Without the server's message, which may quote a value.
        message = f"migration {migration.name} failed ({type(error).__name__}, {error.sqlstate})"
        raise StoreError(f"{message}; the database is as it was before") from error
