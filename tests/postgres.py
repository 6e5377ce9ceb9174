"""A PostgreSQL server for tests, each of which has a schema of its own.

``SMS_BRIDGE_TEST_POSTGRES`` names another server; without one that answers, the tests that need it are skipped and say
so. In CI (``CI`` is set) they fail instead.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cache
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from bridge.pipeline.clock import SystemClock
from bridge.store import open_store

SERVER = os.environ.get("SMS_BRIDGE_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")


@cache
def trouble() -> str | None:
    async def ask() -> None:
        connection = await asyncpg.connect(SERVER, timeout=5)
        await connection.close()

    try:
        asyncio.run(ask())
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        return f"{type(error).__name__}: {error}"
    return None


needs_postgres = pytest.mark.skipif(
    "CI" not in os.environ and trouble() is not None,
    reason=f"no PostgreSQL for tests (set SMS_BRIDGE_TEST_POSTGRES): {trouble()}",
)


_made: dict[Path, str] = {}


async def schema_of(folder: Path) -> str:
    """The URL of the schema that stands for this folder, made empty when it is first asked for."""
    name = _made.get(folder)
    if name is None:
        name = _made[folder] = f"t_{uuid4().hex}"
        await _do(f"CREATE SCHEMA {name}")
    return f"{SERVER}?search_path={name}"


async def drop_all() -> None:
    """What this process made."""
    while _made:
        await _do(f"DROP SCHEMA {_made.popitem()[1]} CASCADE")


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
    """Everything that is in the store, in an SQLite file: for what judges stores by looking into such a file."""
    store = await open_store(path, clock=SystemClock())
    await store.close()
    connection = await asyncpg.connect(url)
    with closing(sqlite3.connect(path)) as database, database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            found = await connection.fetch(f"SELECT {', '.join(columns)} FROM {table}")
            marks = ", ".join("?" * len(columns))
            database.executemany(f"INSERT INTO {table} VALUES ({marks})", [tuple(row) for row in found])
    await connection.close()
