"""The schema on PostgreSQL: from every earlier version, by one bridge at a time, wholly or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import bridge.store.postgres.migrate
from bridge.errors import StoreError, StoreOutdated
from bridge.store import open_queries, open_storage
from bridge.store.migrate import Migration, shipped
from bridge.store.postgres.migrate import migrate, version_of
from tests import postgres
from tests.contract.builders import SetClock, accept, call, opened

pytestmark = postgres.needs_postgres

ROWS = """
INSERT INTO inbound (account, smsid, content_hash, sender, subscriber, receiver, prefix, text, date_raw, raw_query,
                     received_at) VALUES ('main', '1', '\\x00ff', '7999', '7999', '1234', '', 'Ё', '', '', 1);
INSERT INTO contact (subscriber, version) VALUES ('7999', 1);
INSERT INTO conversation (chat, subscriber, code, account, receiver, last_inbound_id, created_at)
    VALUES ('support', '7999', 'abcd', 'main', '1234', 1, 1), ('support', '7998', 'efgh', 'main', '1234', NULL, 1);
INSERT INTO topic VALUES (-100, 5, 1);
INSERT INTO sms (key, account, recipient, sender_name, text, parts, origin, priority, state, created_at, due_at)
    VALUES ('a', 'main', '7999', 'Shop', 'text', 1, 'rule', 1, 'queued', 1, 1);
INSERT INTO sms_event (sms_id, at, move, from_state, to_state, reason, detail, author)
    VALUES (1, 1, 'start', 'queued', 'sending', '', '', '');
INSERT INTO chat_post (chat, kind, priority, payload, conversation_id, state, created_at, due_at) VALUES
    ('support', 'inbound', 0, '{}', 1, 'posted', 0, 0), ('support', 'inbound', 0, '{}', 1, 'waiting', 0, 0),
    ('support', 'status', 3, '{}', 1, 'waiting', 0, 0), ('support', 'notice', 1, '{}', 1, 'waiting', 0, 0),
    ('support', 'inbound', 0, '{}', 2, 'waiting', 0, 0);
INSERT INTO chat_message VALUES (-100, 7, 1, 1, 1, 1);
INSERT INTO chat_alias VALUES (-100, -200, 1);
INSERT INTO tg_update (bot_id, update_id, raw, received_at) VALUES (1, 2, '{}', 3);
INSERT INTO account_state (account, balance) VALUES ('main', 0.5);
INSERT INTO alert (key, text, params, account, opened_at) VALUES ('k', 't', '{}', 'main', 1);
INSERT INTO spend VALUES ('2026-11-26', 3);
INSERT INTO pulse VALUES (1, 1);
"""
"""What the first version could hold; what later ones add has defaults."""
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'schema_version'"
SHAPE = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull, a.attidentity,
       l.collname, pg_get_expr(d.adbin, d.adrelid) AS fallback
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'i') ORDER BY 1, 2
"""


@pytest.fixture
async def url(tmp_path: Path) -> str:
    return await postgres.schema_of(tmp_path)


@pytest.fixture
async def session(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def shape(session: Any) -> list[tuple[object, ...]]:
    return [tuple(row) for row in await session.fetch(SHAPE)]


async def counts(session: Any) -> dict[str, int]:
    names = [row[0] for row in await session.fetch(TABLES)]
    return {name: await session.fetchval(f"SELECT count(*) FROM {name}") for name in names}


@pytest.mark.usefixtures("later_version")
async def test_from_an_older_version_a_start_makes_the_present_one_and_keeps_what_is_there(
    url: str, session: Any, tmp_path: Path
) -> None:
    await migrate(session, shipped()[:-1])
    await session.execute(ROWS)
    before = await counts(session)
    async with opened(open_storage(url, clock=SetClock())) as store:
        assert await version_of(session) == shipped()[-1].version
        after = await counts(session)
        assert {name: after[name] for name in before if name != "identity"} == {
            name: count for name, count in before.items() if name != "identity"
        }
        assert len(await store.history("7999", limit=5)) == 2
        assert (await accept(store, call("2"))).new
    fresh = await asyncpg.connect(await postgres.schema_of(tmp_path / "fresh"))
    try:
        assert await migrate(fresh) == len(shipped())
        assert await shape(fresh) == await shape(session)
    finally:
        await fresh.close()


@pytest.mark.usefixtures("later_version")
@pytest.mark.parametrize("past", [0, 1, 2])
async def test_bridges_that_start_at_the_same_moment_migrate_once(url: str, session: Any, past: int) -> None:
    if past:
        await migrate(session, [each for each in shipped() if each.version <= past])
    stores = await asyncio.gather(*(open_storage(url, clock=SetClock()) for _ in range(4)))
    try:
        versions = [row[0] for row in await session.fetch("SELECT version FROM schema_version ORDER BY version")]
        assert versions == [each.version for each in shipped()]
        accepted = await asyncio.gather(*(accept(store, call("1")) for store in stores))
        assert [each.new for each in accepted].count(True) == 1
    finally:
        for store in stores:
            await store.close()


async def test_without_the_lock_they_would_be_in_each_others_way(
    url: str, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the second finds what the first is about to commit."""
    taken = iter(range(100))
    monkeypatch.setattr(bridge.store.postgres.migrate, "lock_key", lambda space, name: next(taken) - 1_000)
    holding = await asyncpg.connect(url)
    try:
        hold = holding.transaction()
        await hold.start()
        await holding.execute("CREATE TABLE schema_version (version BIGINT)")
        starting = asyncio.create_task(migrate(session))
        waits = "SELECT 1 FROM pg_locks WHERE pid = $1 AND NOT granted"
        async with asyncio.timeout(10):
            while not await holding.fetchval(waits, session.get_server_pid()):
                await asyncio.sleep(0.005)
        await hold.commit()
        with pytest.raises(asyncpg.UniqueViolationError):
            await starting
    finally:
        await holding.close()


async def test_a_migration_that_fails_leaves_the_version_before_it_and_quotes_nothing(session: Any) -> None:
    first = Migration(version=1, name="0001_a.sql", sql="CREATE TABLE a (id INTEGER PRIMARY KEY, t TEXT);")
    second = Migration(
        version=2,
        name="0002_b.sql",
        sql="CREATE TABLE b (id INTEGER);\nINSERT INTO a (t) VALUES ('secret');\n"
        "ALTER TABLE a ALTER COLUMN t SET DATA TYPE BIGINT USING CAST(t AS BIGINT);",
    )
    third = Migration(version=3, name="0003_c.sql", sql="CREATE TABLE c (id INTEGER);")
    with pytest.raises(StoreError, match=r"0002_b\.sql failed.*22P02.*as it was before") as told:
        await migrate(session, [first, second, third])
    assert "secret" not in str(told.value)
    assert await version_of(session) == 1
    assert sorted(row[0] for row in await session.fetch(TABLES)) == ["a"]
    mended = Migration(version=2, name="0002_b.sql", sql="CREATE TABLE b (id INTEGER);")
    assert await migrate(session, [first, mended, third]) == 2
    assert await migrate(session, [first, mended, third]) == 0
    assert not await session.fetch("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")


async def test_a_newer_schema_is_refused_with_what_to_do(url: str, session: Any) -> None:
    await migrate(session)
    await session.execute("INSERT INTO schema_version (version) VALUES (999)")
    for opening in (open_storage(url, clock=SetClock()), open_queries(url)):
        with pytest.raises(StoreError, match="newer version") as told:
            await opening
        assert "127.0.0.1" in str(told.value) or "postgresql://" in str(told.value)


@pytest.mark.usefixtures("later_version")
async def test_an_older_schema_can_be_looked_at_by_no_command(url: str, session: Any) -> None:
    await migrate(session, shipped()[:-1])
    with pytest.raises(StoreOutdated, match="start the bridge on it once"):
        await open_queries(url)


async def test_a_schema_of_a_development_version_is_refused_and_left_alone(url: str, session: Any) -> None:
    """Its number is one of those that are used again."""
    await session.execute(
        "CREATE TABLE schema_version (version bigint); INSERT INTO schema_version VALUES (1);"
        "CREATE TABLE inbound (id int)"
    )
    for opening in (open_storage(url, clock=SetClock()), open_queries(url)):
        with pytest.raises(StoreError, match=r"development version before 0\.2\.0"):
            await opening
    assert [row[0] for row in await session.fetch(TABLES)] == ["inbound"]


async def test_another_programs_schema_is_refused_and_left_alone(url: str, session: Any) -> None:
    await session.execute("CREATE TABLE theirs (id int)")
    for opening in (open_storage(url, clock=SetClock()), open_queries(url)):
        with pytest.raises(StoreError, match="another program"):
            await opening
    assert [row[0] for row in await session.fetch(TABLES)] == ["theirs"]
