"""A PostgreSQL server for tests, each of which has a schema of its own.

``SMS_BRIDGE_TEST_POSTGRES`` names another server; without one that answers, the tests that need it are skipped and say
so. In CI (``CI`` is set) they fail instead.
"""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from bridge.store.copying import postgres, sqlite
from bridge.store.postgres.migrate import schema_name
from bridge.store.postgres.pool import connected
from bridge.store.schema.tables import MOVED

SERVER = os.environ.get("SMS_BRIDGE_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")


@cache
def why_unreachable() -> str | None:
    async def ask() -> None:
        connection = await asyncpg.connect(SERVER, timeout=5)
        await connection.close()

    try:
        asyncio.run(ask())
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        return f"{type(error).__name__}: {error}"
    return None


needs_postgres = pytest.mark.skipif(
    "CI" not in os.environ and why_unreachable() is not None,
    reason=f"no PostgreSQL for tests (set SMS_BRIDGE_TEST_POSTGRES): {why_unreachable()}",
)


_made: dict[Path, str] = {}
_clean: list[str] = []
"""Made, at the present version, and empty again."""
_STALE_S = 2 * 3600
"""Nothing that a run which was killed has left is younger than any test takes."""
_CHANGED = """
SELECT EXISTS (SELECT 1 FROM pg_proc WHERE pronamespace = current_schema()::regnamespace) OR EXISTS (
    SELECT 1 FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND reltuples > 0
        AND relname <> 'schema_version')
"""
"""A test made a trigger to get in the way, or had tables counted, which changes how they are read."""
_EMPTY = """
SELECT string_agg(statement, ';' ORDER BY oid DESC) FROM (
    SELECT format('DELETE FROM %I', relname) AS statement, oid FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname <> 'schema_version'
    UNION ALL
    SELECT format('SELECT setval(%L, 1, false)', relname), oid FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'S') AS every
"""
"""Newest table first, so that what refers to a row goes before it. For a few rows this is many times as fast as
TRUNCATE, which makes the files of every table and index anew."""


async def schema_of(folder: Path, *, ready: bool = False) -> str:
    """The URL of the schema that stands for this folder: without a table when it is first asked for, or with the
    program's own, all empty, if one that is ``ready`` will do."""
    name = _made.get(folder)
    if name is None:
        if ready and _clean:
            name = _clean.pop()
        else:
            name = f"t_{int(time.time())}_{uuid4().hex}"
            await _do(f"CREATE SCHEMA {name}")
        _made[folder] = name
    return f"{SERVER}?search_path={name}"


async def recycle(folder: Path) -> None:
    """Its test is over: another may have the tables, for making them is what takes most of a test's time."""
    name = _made.pop(folder, None)
    if name is None:
        return
    connection = await asyncpg.connect(f"{SERVER}?search_path={name}")
    try:
        if await connection.fetchval(_CHANGED):
            await connection.execute(f"DROP SCHEMA {name} CASCADE")
        elif statements := await connection.fetchval(_EMPTY):
            await connection.execute(statements)
            _clean.append(name)
    finally:
        await connection.close()


async def drop_all() -> None:
    """Drops the schemas of this process, and old ones of processes that were killed."""
    names = [*_made.values(), *_clean]
    _made.clear()
    _clean.clear()
    connection = await asyncpg.connect(SERVER)
    try:
        for (name,) in await connection.fetch("SELECT nspname FROM pg_namespace WHERE nspname ~ '^t_[0-9]{10}_'"):
            if int(name.split("_")[1]) < time.time() - _STALE_S:
                names.append(name)
        for name in names:
            await connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
    finally:
        await connection.close()


async def _do(statement: str) -> None:
    connection = await asyncpg.connect(SERVER)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    """Look into the store from outside, as a person with psql would; also within a running loop."""

    async def ask() -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as beside:
        return beside.submit(asyncio.run, ask()).result()


async def as_sqlite(url: str, path: Path) -> None:
    """Everything that is in the store at this moment, in an SQLite file: for what judges stores by looking into such a
    file. As `store copy` does it, but beside bridges that run, and leaving the store as it is."""
    async with (
        connected(url) as (connection, where),
        sqlite.target(path) as copy,
        connection.transaction(isolation="repeatable_read", readonly=True),
        copy.transaction(),
    ):
        source = postgres.PostgresSide(connection, where, await schema_name(connection))
        for table in MOVED:
            async for lines in source.lines(table):
                await copy.put(table, lines)
