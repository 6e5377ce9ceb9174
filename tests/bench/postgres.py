"""PostgreSQL for a benchmark: schemas made and dropped, filled at once by SQL, asked from outside.

Which server: ``SMS_BRIDGE_TEST_POSTGRES``, as for the tests. Each measurement has a schema of its own there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg

from bridge.store.postgres.migrate import migrate
from tests.bench.load import FIRST_NUMBER, FIRST_SMSID, STEP, SUBSCRIBERS
from tests.postgres import SERVER

T = TypeVar("T")
DAY = 86_400_000
FIRST_STORED = 2 * FIRST_SMSID
"""Calls of the past have other names than those that come."""


@contextmanager
def schema() -> Iterator[str]:
    """Its URL, while it is there."""
    url = make_schema()
    try:
        yield url
    finally:
        drop_schema(url)


def make_schema() -> str:
    """The URL of a new, empty one."""
    name = f"bench_{uuid4().hex}"
    _run(_with(SERVER, lambda connection: connection.execute(f"CREATE SCHEMA {name}")))
    return f"{SERVER}?search_path={name}"


def drop_schema(url: str) -> None:
    async def drop(connection: Any) -> None:
        # its tables first, a few at a time: each takes locks, and the server has a table of them for all
        name = url.rpartition("=")[2]
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", name)
        for row in rows:
            await connection.execute(f"DROP TABLE {name}.{row[0]} CASCADE")
        await connection.execute(f"DROP SCHEMA {name} CASCADE")

    _run(_with(SERVER, drop))


def ask(url: str, question: str) -> int:
    number: int = _run(_with(url, lambda connection: connection.fetchval(question)))
    return number


def size(url: str) -> int:
    """Bytes of all tables with their indexes."""
    wanted = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = "
    return int(ask(url, f"{wanted} current_schema()::regnamespace"))


def fill(url: str, messages: int) -> None:
    """A year of answered messages by half as many subscribers; see :mod:`tests.bench.prefill`."""

    async def work(connection: Any) -> None:
        await fill_on(connection, messages)
        # Or what is measured next would write it out.
        await connection.execute("CHECKPOINT")

    _run(_with(url, work))


async def fill_on(connection: Any, messages: int) -> None:
    await migrate(connection)
    await connection.execute("SET synchronous_commit = off")
    await connection.execute("SET maintenance_work_mem = '256MB'")
    await connection.execute("SET statement_timeout = 0")
    # Made again behind the rows: that is several times faster. So are the constraints that point elsewhere.
    later = [
        *await _made(connection, "p", "ALTER TABLE %s DROP CONSTRAINT %s", _FOREIGN),
        *await _made(connection, "p", "ALTER TABLE %s DROP CONSTRAINT %s", _UNIQUE),
        *await _made(connection, "i", "DROP INDEX %s", _INDEXES),
    ]
    for statement in _rows(messages):
        await connection.execute(statement)
    for statement in reversed(later):
        await connection.execute(statement)
    for table in _NUMBERED:
        await connection.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
        )
    await connection.execute("VACUUM ANALYZE inbound, contact, sms, sms_event, spend")


_NUMBERED = ("inbound", "sms", "sms_event")
_FOREIGN = """
SELECT conrelid::regclass::text AS of, quote_ident(conname) AS name, pg_get_constraintdef(oid) AS definition
FROM pg_constraint WHERE connamespace = current_schema()::regnamespace AND contype = 'f'
"""
_UNIQUE = """
SELECT conrelid::regclass::text AS of, quote_ident(conname) AS name, pg_get_constraintdef(oid) AS definition
FROM pg_constraint WHERE connamespace = current_schema()::regnamespace AND contype = 'u'
"""
_INDEXES = """
SELECT quote_ident(indexname) AS name, indexdef AS definition FROM pg_indexes
WHERE schemaname = current_schema() AND indexname NOT IN (
    SELECT conname FROM pg_constraint WHERE connamespace = current_schema()::regnamespace)
"""


async def _made(connection: Any, kind: str, drop: str, wanted: str) -> list[str]:
    """Drops them and tells how to make them again."""
    rows = await connection.fetch(wanted)
    for row in rows:
        await connection.execute(drop % ((row["of"], row["name"]) if kind == "p" else row["name"]))
    if kind == "i":
        return [row["definition"] for row in rows]
    return [f"ALTER TABLE {row['of']} ADD CONSTRAINT {row['name']} {row['definition']}" for row in rows]


def _rows(count: int) -> Sequence[str]:
    """The same rows as SQLite's."""
    start = time.time_ns() // 1_000_000 - 365 * DAY
    n = (
        f"(SELECT i, {start} + i * {364 * DAY // count} AS at, i % {max(count // 2, 1)} * 2 * {STEP}::bigint"
        f" % {SUBSCRIBERS} + {FIRST_NUMBER} AS who FROM generate_series(0::bigint, {count - 1}) AS i) AS n"
    )
    waiting = f"i >= {count - count // 500}"
    return (
        f"""
        INSERT INTO inbound (account, smsid, content_hash, sender, subscriber, receiver, prefix, text, date_raw, date,
                             raw_query, received_at, state, rule, rules_version, outcome, settled_at)
        SELECT 'main', i + {FIRST_STORED}, sha256(int8send(i)), who, who, '1234', '',
               'слово' || (i % 100) || ' пришлите адрес', '2026-01-01 12:00:00', at / 1000 * 1000,
               convert_to('date=2026-01-01%2012%3A00%3A00&text=%D1%81%D0%BB%D0%BE%D0%B2%D0%BE1%20%D0%BF%D1%80%D0%B8'
                   || '%D1%88%D0%BB%D0%B8%D1%82%D0%B5%20%D0%B0%D0%B4%D1%80%D0%B5%D1%81&smsid=' || i || '&sender='
                   || who || '&receiver=1234&prefix=', 'UTF8'),
               at, 'routed', 'word-' || (i % 100), '700a069c803a', 'replied', at + 5
        FROM {n}
        """,
        f"""
        INSERT INTO contact (subscriber, version, first_seen_at)
        SELECT who, 1 + count(*), min(at) FROM {n} GROUP BY who
        """,
        f"""
        INSERT INTO sms (key, account, recipient, sender_name, text, parts, origin, priority, state, created_at, due_at,
                         expires_at, attempts, sending_since, left_at, sent_at, final_at, platform_ids, platform_status,
                         reason, poll_at, polls, inbound_id, author)
        SELECT 'rule:' || (i + 1) || ':0', 'main', who, 'MyShop',
               'Ответ на «слово' || (i % 100) || '»: пришлите адрес', 1, 'rule', 1,
               CASE WHEN {waiting} THEN 'sent' WHEN i % 100 = 0 THEN 'undelivered' ELSE 'delivered' END,
               at + 5, at + 5, at + 3600005, 1, at + 5, at + 5, at + 50,
               CASE WHEN NOT {waiting} THEN at + 5050 END, '["' || (100000000 + i) || '"]',
               CASE WHEN {waiting} THEN 'Send' WHEN i % 100 = 0 THEN 'not_deliver' ELSE 'deliver' END,
               CASE WHEN {waiting} THEN '' WHEN i % 100 = 0 THEN 'undelivered' ELSE 'delivered' END,
               CASE WHEN {waiting} THEN {start + 365 * DAY + DAY // 4} END, 1, i + 1, 'word-' || (i % 100)
        FROM {n}
        """,
        """
        INSERT INTO sms_event (sms_id, at, move, from_state, to_state, reason, detail, author)
        SELECT id, sent_at, 'accepted', 'sending', 'sent', '', '', '' FROM sms
        """,
        """
        INSERT INTO sms_event (sms_id, at, move, from_state, to_state, reason, detail, author)
        SELECT id, final_at, state, 'sent', state, reason, '', '' FROM sms WHERE final_at IS NOT NULL
        """,
        f"""
        INSERT INTO spend (day, parts)
        SELECT to_char(to_timestamp(at / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD'), count(*) FROM {n} GROUP BY 1
        """,
    )


async def _with(url: str, work: Any) -> Any:
    connection = await asyncpg.connect(url, command_timeout=None)
    try:
        return await work(connection)
    finally:
        await connection.close()


def _run(work: Coroutine[object, object, T]) -> T:
    return asyncio.run(work)
