"""What a session of the bridge's is like, whatever the server's or the user's defaults are."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest
import structlog

from bridge.errors import StoreError, StoreUnavailable
from bridge.store.postgres.migrate import migrate
from bridge.store.postgres.pool import Pool, masked_url
from bridge.store.postgres.store import open_store
from tests import postgres
from tests.contract.builders import SetClock

pytestmark = postgres.needs_postgres


async def setting(url: str, name: str) -> str:
    pool = Pool(url, 1)
    async with pool.connection() as connection:
        value: str = await connection.fetchval("SELECT current_setting($1)", name)
    await pool.close()
    return value


@pytest.mark.parametrize(
    ("default", "taken"), [("off", "on"), ("on", "on"), ("remote_apply", "remote_apply"), ("local", "local")]
)
async def test_a_commit_is_on_the_disk_even_where_the_servers_default_is_not_to_wait(
    tmp_path: Path, default: str, taken: str
) -> None:
    url = await postgres.schema_of(tmp_path)
    assert await setting(f"{url}&synchronous_commit={default}", "synchronous_commit") == taken


@pytest.mark.parametrize("syncs", ["on", "off"])
async def test_a_server_that_does_not_sync_is_named_once_at_the_start(tmp_path: Path, syncs: str) -> None:
    url = await postgres.schema_of(tmp_path)
    schema = url.rpartition("=")[2]
    # No test may turn it off on a server: the schema says that it is, in front of the server's own word.
    connection = await asyncpg.connect(url)
    await connection.execute(
        f"CREATE FUNCTION {schema}.current_setting(name text) RETURNS text LANGUAGE sql"
        f" AS $$ SELECT CASE WHEN name = 'fsync' THEN '{syncs}' ELSE pg_catalog.current_setting(name) END $$"
    )
    await connection.close()
    with structlog.testing.capture_logs() as logged:
        store = await open_store(f"{url},pg_catalog", clock=SetClock())
        await store.close()
    warnings = [line["event"] for line in logged if line["log_level"] == "warning"]
    assert warnings == (["server_does_not_sync"] if syncs == "off" else [])


async def test_a_migration_leaves_no_changed_timeouts_behind(tmp_path: Path) -> None:
    pool = Pool(await postgres.schema_of(tmp_path), 1)
    wanted = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
    async with pool.connection() as connection:
        before = await connection.fetchrow(wanted)
        await migrate(connection)
        assert await connection.fetchrow(wanted) == before
    await pool.close()


async def test_a_connection_is_lent_again_unless_it_broke_or_was_left_in_a_transaction(tmp_path: Path) -> None:
    pool = Pool(await postgres.schema_of(tmp_path), 1)

    async def process() -> int:
        async with pool.connection() as connection:
            number: int = connection.get_server_pid()
            return number

    first = await process()
    assert await process() == first
    async with pool.connection() as connection:
        await connection.execute("BEGIN")
    second = await process()
    assert second != first
    async with pool.connection() as connection:
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(5)")
    assert await process() != second
    await pool.close()
    with pytest.raises(StoreError, match="closed"):
        await process()


async def test_a_server_that_is_away_is_asked_once_in_a_while(unused_tcp_port: int) -> None:
    pool = Pool(f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/test", 1)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="nobody listens there"):
            async with pool.connection():
                pass
    await pool.close()


def test_messages_name_the_schema_and_never_the_password() -> None:
    assert (
        masked_url("postgresql://me:secret@db:5432/sms?search_path=a&password=p")
        == "postgresql://db:5432/sms?search_path=a"
    )
    assert masked_url("postgresql://me:secret@db/sms?sslmode=require") == "postgresql://db/sms"
