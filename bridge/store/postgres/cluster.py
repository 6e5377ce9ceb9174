"""Several bridges on one database: who is alive, who does what only one may do, and which messages are whose.

All of it is leases on the database's clock. A bridge that is not heard of in time has lost them, whether it is dead,
cut off or merely asleep; it knows by its own clock when that is so, and acts accordingly. Nothing here runs within the
transactions of a message's way but :data:`TAKE_UNROUTED`, and that where a bridge has nothing of its own, or
once a second.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import asyncpg

from bridge import __version__
from bridge.model.base import SECOND, Ms
from bridge.model.cluster import LeaseStatus, Node
from bridge.store import locks
from bridge.store.postgres.pool import TIMEOUT, Pool
from bridge.store.postgres.transaction import Transactions
from bridge.store.postgres.tx import NOW, lock_key
from bridge.store.repository import Readers, Writer
from bridge.store.schema.tables import BRIDGE, DUTY, INTEGER, TEXT
from bridge.store.statement import Statement
from bridge.store.transaction import Params, Row, Tx

LEASE: Ms = 10 * SECOND
"""So long a bridge that is not heard of keeps its duties and its messages."""
SEND_LEASE: Ms = 75 * SECOND
"""So long after that was last reported a request of a bridge may be under way: more than the longest request (45 s)
and what may pass between the report and the request."""
OVERDUE: Ms = 5 * SECOND
"""A message that its bridge did not route for so long is anybody's who has nothing to do; then it has as long again."""
KEPT_AFTER_END: Ms = 24 * 3600 * SECOND
"""So long after its end a bridge's row is of use to nobody."""
LIVENESS_CHECK_S = 20.0
"""Seconds after which whoever hears nothing asks whether the server is still there."""
TAKE_OVER_EVERY_S = 1.0
"""Seconds between two looks for messages that nobody routes, of a bridge that has some of its own."""
RECONNECT_S = 2.0
"""Seconds between two attempts to hear again."""

# Those of a dead bridge, of a bridge that does not route, or of one that does not get to it; in the index's order, so
# that no more are read than are taken.
TAKE_UNROUTED = Statement(
    f"""
UPDATE inbound SET taken_by = :bridge, taken_at = :now WHERE id IN (
    SELECT i.id FROM inbound AS i
    WHERE i.state = 'new' AND i.id > 0 AND i.taken_by <> :bridge
      AND (i.taken_at < :late OR NOT EXISTS (
        SELECT 1 FROM bridge AS b WHERE b.id = i.taken_by AND b.alive_until > {NOW}))
      AND (
        SELECT 1 FROM inbound AS e
        WHERE e.state = 'new' AND e.subscriber = i.subscriber AND e.id < i.id LIMIT 1) IS NULL
    LIMIT :limit FOR UPDATE OF i SKIP LOCKED)
""",
    DUTY,
    now=INTEGER,
    late=INTEGER,
    limit=INTEGER,
)

REPORT = Statement(
    """
INSERT INTO bridge (id, name, roles, version, rules_version, started_at, seen_at, alive_until, sends_until)
VALUES (:bridge, :name, :roles, :program, :rules, :now, :now, :alive_until, :sends_until)
ON CONFLICT (id) DO UPDATE SET roles = excluded.roles, rules_version = excluded.rules_version,
    seen_at = excluded.seen_at, alive_until = excluded.alive_until, sends_until = excluded.sends_until
""",
    BRIDGE,
    bridge=TEXT,
    program=TEXT,
    rules=TEXT,
    now=INTEGER,
)

TAKE_DUTY = Statement(
    """
INSERT INTO duty (name, bridge, since) VALUES (:name, :bridge, :now)
ON CONFLICT (name) DO UPDATE SET bridge = excluded.bridge, since = excluded.since
WHERE duty.bridge <> excluded.bridge
  AND NOT EXISTS (SELECT 1 FROM bridge AS b WHERE b.id = duty.bridge AND b.alive_until > :now)
""",
    DUTY,
    now=INTEGER,
)

DROP_DUTY = Statement(
    "DELETE FROM duty WHERE bridge = :bridge AND name = :name",
    DUTY,
)
DUTIES = Statement("SELECT name, bridge FROM duty")
MEMBERS = Statement(
    """
SELECT id, name, roles, version, rules_version, started_at, seen_at FROM bridge
WHERE alive_until > :now ORDER BY started_at, id
""",
    now=INTEGER,
)
LEAVE_DUTIES = Statement(
    "DELETE FROM duty WHERE bridge = :bridge",
    DUTY,
)
LEAVE = Statement(
    "DELETE FROM bridge WHERE id = :bridge",
    DUTY,
)
FORGET = Statement(
    "DELETE FROM bridge WHERE sends_until < :before",
    before=INTEGER,
)


class ClusterQueries:
    """Questions about the fleet; mixed into what has readers."""

    _readers: Readers

    async def nodes(self) -> Sequence[Node]:
        return await self._readers.run(lambda tx: _members(tx, tx.now()))


class ClusterRepository(ClusterQueries):
    """:class:`~bridge.ports.record.FleetStore`; mixed into what has a writer."""

    _writer: Writer
    _writing: Pool
    _space: str
    _bridge: str
    _transactions: Transactions
    _reports: Transactions
    look_around_s = TAKE_OVER_EVERY_S
    _took_at = 0.0
    _all_route = False
    """As far as is known, whoever takes callbacks routes them too: none is nobody's."""

    async def report_alive(self, *, name: str, roles: frozenset[str], rules: str, wanted: Sequence[str]) -> LeaseStatus:
        def unit(tx: Tx) -> LeaseStatus:
            # One after the other: of two that start at once, one sees the other.
            tx.lock([locks.CLUSTER])
            now = tx.now()
            tx.run(REPORT, {**self._about(name, roles, rules), **_leases(now)})
            mine = _duties(tx, self._bridge, wanted, now)
            tx.run(FORGET, {"before": now - KEPT_AFTER_END})
            return LeaseStatus(
                leads=frozenset(mine),
                expires_in=LEASE,
                sends_expire_in=SEND_LEASE,
                nodes=_members(tx, now),
                id=self._bridge,
                now=now,
            )

        standing, _ = await self._reports.write(unit)
        self._transactions.routes = "router" in roles
        self._all_route = all("router" in node.roles for node in standing.nodes)
        return standing

    def _about(self, name: str, roles: frozenset[str], rules: str) -> Params:
        return {
            "bridge": self._bridge,
            "name": name,
            "roles": " ".join(sorted(roles)),
            "program": __version__,
            "rules": rules,
        }

    async def leave(self) -> None:
        me: Params = {"bridge": self._bridge}
        await self._writer.run(lambda tx: (tx.run(LEAVE_DUTIES, me), tx.run(LEAVE, me)))

    async def ring(self, words: Sequence[str]) -> None:
        channel, payload = _channel(self._space), json.dumps([self._bridge, *words])
        async with self._writing.connection() as connection:
            await connection.execute("SELECT pg_notify($1, $2)", channel, payload)

    async def hear(self, heard: Callable[[str], None]) -> None:
        def told(connection: object, pid: int, channel: str, payload: str) -> None:
            bridge, *words = json.loads(payload)
            if bridge != self._bridge:
                for word in words:
                    heard(word)

        while True:
            try:
                await self._listen(told)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                # Whoever has something to do looks now and then: nothing is lost, and the store's absence is told by
                # those who need it.
                await asyncio.sleep(RECONNECT_S)

    async def _listen(self, told: Callable[[Any, int, str, str], None]) -> None:
        connection = await self._writing.separate()
        try:
            ended = asyncio.Event()
            connection.add_termination_listener(lambda _: ended.set())
            await connection.add_listener(_channel(self._space), told)
            while not ended.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(LIVENESS_CHECK_S):
                        await ended.wait()
                        break
                # A link that is cut without a word is noticed by a question alone.
                await connection.execute("SELECT 1", timeout=TIMEOUT / 1000)
            raise ConnectionResetError
        finally:
            connection.terminate()

    def _take_unrouted(self, tx: Tx, limit: int, *, idle: bool) -> bool:
        """A bridge that has enough to do looks now and then all the same: else the dead one's might wait for ever."""
        if not idle and self._all_route and time.monotonic() - self._took_at < self.look_around_s:
            return False
        self._took_at = time.monotonic()
        now = tx.now()
        return tx.run(TAKE_UNROUTED, {"bridge": self._bridge, "now": now, "late": now - OVERDUE, "limit": limit}) > 0


def _leases(now: Ms) -> Params:
    return {"now": now, "alive_until": now + LEASE, "sends_until": now + SEND_LEASE}


def _channel(space: str) -> str:
    return f"sms_bridge_{lock_key(space, locks.NOTIFICATIONS) & (2**64 - 1):x}"


def _duties(tx: Tx, bridge: str, wanted: Sequence[str], now: Ms) -> set[str]:
    for name in wanted:
        tx.run(TAKE_DUTY, {"name": name, "bridge": bridge, "now": now})
    mine = {row["name"] for row in tx.all(DUTIES) if row["bridge"] == bridge}
    for name in mine.difference(wanted):
        tx.run(DROP_DUTY, {"name": name, "bridge": bridge})
    return mine.intersection(wanted)


def _members(tx: Tx, now: Ms) -> tuple[Node, ...]:
    leads: dict[str, set[str]] = {}
    for row in tx.all(DUTIES):
        leads.setdefault(row["bridge"], set()).add(row["name"])
    return tuple(_node(row, frozenset(leads.get(row["id"], ()))) for row in tx.all(MEMBERS, {"now": now}))


def _node(row: Row, leads: frozenset[str]) -> Node:
    return Node(
        id=row["id"],
        name=row["name"],
        roles=frozenset(row["roles"].split()),
        version=row["version"],
        rules_version=row["rules_version"],
        started_at=row["started_at"],
        seen_at=row["seen_at"],
        leads=leads,
    )
