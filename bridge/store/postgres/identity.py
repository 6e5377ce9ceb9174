"""Whether this database is the one that bridges ran on before, or was restored from a dump of it.

What is compared is what a restored dump cannot keep: the numbers of cluster, database and table. What is copied below
the tables (a base backup, a snapshot of the disk, recovery to a point in time, a standby that was promoted) keeps them:
for these there is ``sms-bridge store restored``. See docs/decisions/0014-restored-dumps.md.
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
KEEP_PLACE = IDENTITY.statement("""
INSERT INTO identity (id, place, at) VALUES (1, :place, :at)
ON CONFLICT (id) DO UPDATE SET place = excluded.place, at = excluded.at
""")

_NUMBERS = """
SELECT d.oid::text AS database, 'identity'::regclass::oid::text AS identity
FROM pg_database AS d WHERE d.datname = current_database()
"""
_MAY_ASK = "SELECT has_function_privilege('pg_control_system()', 'EXECUTE')"
_CLUSTER = "SELECT system_identifier::text FROM pg_control_system()"


async def compare(connection: Any, space: str, now: Ms) -> None:
    """Mark the store as a copy where it has moved, and remember where it is.

    Always writes: a start on a database that takes no writes ends here.
    """
    place = await _place(connection)
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", lock_key(space, locks.RESTORATION))
        known = _parsed(await connection.fetchval(KNOWN_PLACE.text) or "")
        if _the_same(known, place):
            place = {**known, **place}
        else:
            # A dump does not say when it was made: the last that happened in it is as near as can be.
            last_activity = await connection.fetchval(LAST_ACTIVITY.text)
            await mark(connection, now if last_activity is None else last_activity)
        await _keep(connection, place, now)


async def adopt(connection: Any, now: Ms) -> None:
    """This is the store itself, wherever it is now."""
    await _keep(connection, await _place(connection), now)


async def mark(connection: Any, taken_at: Ms) -> None:
    """From now on it is a copy of that moment, if it is not one already."""
    if await connection.fetchval(COPY_TAKEN.text) is None:
        await connection.execute(dialect.numbered(MARK_COPY).text, taken_at)


async def _keep(connection: Any, place: Mapping[str, str], now: Ms) -> None:
    words = " ".join(f"{name}={number}" for name, number in place.items())
    statement = dialect.numbered(KEEP_PLACE)
    values = {"place": words, "at": now}
    await connection.execute(statement.text, *(values[name] for name in statement.names))


async def _place(connection: Any) -> dict[str, str]:
    place = dict(await connection.fetchrow(_NUMBERS))
    if await connection.fetchval(_MAY_ASK):
        place["cluster"] = await connection.fetchval(_CLUSTER)
    return place


def _parsed(words: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words.split())


def _the_same(known: Mapping[str, str], place: Mapping[str, str]) -> bool:
    """By what is known of both: the right to ask for the cluster's number may come and go."""
    return all(known[name] == place[name] for name in known.keys() & place.keys())
