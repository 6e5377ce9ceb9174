"""A PostgreSQL server for tests, each of which has a schema of its own.

``SMS_BRIDGE_TEST_POSTGRES`` names another server; without one that answers, the tests that need it are skipped and say
so. In CI (``CI`` is set) they fail instead.
"""

from __future__ import annotations

import asyncio
import os
from functools import cache
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

SERVER = os.environ.get("SMS_BRIDGE_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")


@cache
def _trouble() -> str | None:
    async def ask() -> None:
        connection = await asyncpg.connect(SERVER, timeout=5)
        await connection.close()

    try:
        asyncio.run(ask())
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        return f"{type(error).__name__}: {error}"
    return None


needs_postgres = pytest.mark.skipif(
    "CI" not in os.environ and _trouble() is not None,
    reason=f"no PostgreSQL for tests (set SMS_BRIDGE_TEST_POSTGRES): {_trouble()}",
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
