"""Detects whether this database is the one that nodes ran on before, or was restored from a dump of it.

The *place* of a store is three numbers of PostgreSQL: of the server's cluster, of the database and of the table
``identity``. A restored dump has other numbers, so each start compares them. Copies below the tables keep the numbers:
a base backup, a snapshot of the disk, recovery to a point in time, a promoted standby. For those an administrator runs
``sms-bridge store restored``. See docs/decisions/0014-restored-dumps.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.model.base import Ms
from bridge.store import locks
from bridge.store.postgres import dialect
from bridge.store.postgres.tx import lock_key
from bridge.store.repositories.recovery import COPY_TAKEN, MARK_COPY
from bridge.store.repositories.watches import LAST_ACTIVITY
from bridge.store.schema.tables import IDENTITY
from bridge.store.statement import Statement

KNOWN_PLACE = Statement("SELECT place FROM identity")
SAVE_PLACE = IDENTITY.statement("""
INSERT INTO identity (id, place, at) VALUES (1, :place, :at)
ON CONFLICT (id) DO UPDATE SET place = excluded.place, at = excluded.at
""")

_NUMBERS = """
SELECT d.oid::text AS database, 'identity'::regclass::oid::text AS identity
FROM pg_database AS d WHERE d.datname = current_database()
"""
_MAY_READ_CLUSTER = "SELECT has_function_privilege('pg_control_system()', 'EXECUTE')"
_CLUSTER = "SELECT system_identifier::text FROM pg_control_system()"


async def compare(connection: Any, schema: str, now: Ms) -> None:
    """Mark the store as a copy if its place has changed, and store the present place.

    Always writes a row, so a start on a read-only database fails here.
    """
    place = await _place(connection)
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", lock_key(schema, locks.RESTORATION))
        known = _parsed(await connection.fetchval(KNOWN_PLACE.text) or "")
        if _is_same_place(known, place):
            place = {**known, **place}
        else:
            # A dump does not say when it was made. The time of its last event is the best estimate.
            last_activity = await connection.fetchval(LAST_ACTIVITY.text)
            await mark(connection, now if last_activity is None else last_activity)
        await _keep(connection, place, now)


async def adopt(connection: Any, now: Ms) -> None:
    """Store the present place and do not mark the store: it is the store itself, not a copy."""
    await _keep(connection, await _place(connection), now)


async def mark(connection: Any, taken_at: Ms) -> None:
    """Mark the store as a copy made at ``taken_at``, if it is not marked already."""
    if await connection.fetchval(COPY_TAKEN.text) is None:
        await connection.execute(dialect.numbered(MARK_COPY).text, taken_at)


async def _keep(connection: Any, place: Mapping[str, str], now: Ms) -> None:
    words = " ".join(f"{name}={number}" for name, number in place.items())
    statement = dialect.numbered(SAVE_PLACE)
    values = {"place": words, "at": now}
    await connection.execute(statement.text, *(values[name] for name in statement.names))


async def _place(connection: Any) -> dict[str, str]:
    place = dict(await connection.fetchrow(_NUMBERS))
    if await connection.fetchval(_MAY_READ_CLUSTER):
        place["cluster"] = await connection.fetchval(_CLUSTER)
    return place


def _parsed(words: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words.split())


def _is_same_place(known: Mapping[str, str], place: Mapping[str, str]) -> bool:
    """Whether all numbers agree that both places have. The right to read the server's number may come and go."""
    return all(known[name] == place[name] for name in known.keys() & place.keys())
