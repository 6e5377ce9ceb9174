"""Coordinates several nodes on one database: which are alive, which one leads a role, which messages each one routes.

All coordination uses leases by the database's clock. A node that does not report in time loses its leases, whether it
is dead, cut off or suspended. It counts on its own clock when they end, and stops in time.

Only :data:`TAKE_UNROUTED` runs in the transactions that route messages: when a node has no message of its own, and
otherwise once a second.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from bridge import __version__
from bridge.model.base import SECOND, Ms
from bridge.model.cluster import LeaseStatus, Node
from bridge.model.work import Work
from bridge.ports.store import OnWork
from bridge.store import locks
from bridge.store.postgres.notifications import Notifications
from bridge.store.postgres.transaction import Transactions
from bridge.store.postgres.tx import NOW
from bridge.store.repository import Readers, Writer
from bridge.store.schema.tables import LEADER, NODE
from bridge.store.schema.types import INTEGER
from bridge.store.statement import Statement
from bridge.store.transaction import Params, Row, Tx

LEASE: Ms = 10 * SECOND
"""How long a node keeps its roles and its messages after its last report."""
SEND_LEASE: Ms = 75 * SECOND
"""How long after a node's last report its requests may still be under way. This is more than the longest request (45 s)
and the time that may pass between the report and the request."""
OVERDUE: Ms = 5 * SECOND
"""If a node has not routed a message after this time, another node may take it, which then has the same time."""
NODES_KEPT: Ms = 24 * 3600 * SECOND
"""How long a node's row is kept after the last of its requests must have ended (``sends_until``)."""
TAKE_UNROUTED_EVERY_S = 1.0
"""Seconds between two searches for unrouted messages by a node that has messages of its own. A node without any, or
beside a node that does not route, searches at each claim."""

# Takes the messages of a node that is dead, does not route, or is too slow. Reads in the order of the index, so it
# reads no more rows than it takes.
TAKE_UNROUTED = LEADER.statement(
    f"""
UPDATE inbound SET taken_by = :node, taken_at = :now WHERE id IN (
    SELECT i.id FROM inbound AS i
    WHERE i.state = 'new' AND i.id > 0 AND i.taken_by <> :node
      AND (i.taken_at < :late OR NOT EXISTS (
        SELECT 1 FROM node AS n WHERE n.id = i.taken_by AND n.alive_until > {NOW}))
      AND (
        SELECT 1 FROM inbound AS e
        WHERE e.state = 'new' AND e.subscriber = i.subscriber AND e.id < i.id LIMIT 1) IS NULL
    LIMIT :limit FOR UPDATE OF i SKIP LOCKED)
""",
    late=INTEGER,
)

REPORT = NODE.statement("""
INSERT INTO node (id, name, roles, version, rules_version, started_at, seen_at, alive_until, sends_until)
VALUES (:id, :name, :roles, :version, :rules_version, :now, :now, :alive_until, :sends_until)
ON CONFLICT (id) DO UPDATE SET roles = excluded.roles, rules_version = excluded.rules_version,
    seen_at = excluded.seen_at, alive_until = excluded.alive_until, sends_until = excluded.sends_until
""")

TAKE_ROLE = LEADER.statement("""
INSERT INTO leader (role, node, since) VALUES (:role, :node, :now)
ON CONFLICT (role) DO UPDATE SET node = excluded.node, since = excluded.since
WHERE leader.node <> excluded.node
  AND NOT EXISTS (SELECT 1 FROM node AS n WHERE n.id = leader.node AND n.alive_until > :now)
""")
GIVE_UP_ROLE = LEADER.statement("DELETE FROM leader WHERE node = :node AND role = :role")
LEADERS = Statement("SELECT role, node FROM leader")
NODES = Statement("""
SELECT id, name, roles, version, rules_version, started_at, seen_at FROM node
WHERE alive_until > :now ORDER BY started_at, id
""")
GIVE_UP_ALL_ROLES = LEADER.statement("DELETE FROM leader WHERE node = :node")
DELETE_NODE = NODE.statement("DELETE FROM node WHERE id = :id")
FORGET_NODES = Statement("DELETE FROM node WHERE sends_until < :before")


class ClusterQueries:
    """Lists the nodes. A mixin for a class that has readers."""

    _readers: Readers

    async def nodes(self) -> Sequence[Node]:
        return await self._readers.run(lambda tx: _nodes(tx, tx.now()))


class ClusterRepository(ClusterQueries):
    """Implements :class:`~bridge.ports.cluster.ClusterStore`. A mixin for a class that has a writer."""

    _writer: Writer
    _notifications: Notifications
    _node: str
    _transactions: Transactions
    _reports: Transactions
    take_unrouted_every_s = TAKE_UNROUTED_EVERY_S
    _took_at = 0.0
    _all_route = False
    """Whether every live node has the role ``router``, as of this node's last report."""

    async def report_alive(self, *, name: str, roles: frozenset[str], rules: str, wanted: Sequence[str]) -> LeaseStatus:
        def unit(tx: Tx) -> LeaseStatus:
            # Reports run one after the other, so if two nodes start at once, the second sees the first.
            tx.lock([locks.CLUSTER])
            now = tx.now()
            tx.run(REPORT, {**self._about(name, roles, rules), **_leases(now)})
            leads = _take_roles(tx, self._node, wanted, now)
            tx.run(FORGET_NODES, {"before": now - NODES_KEPT})
            return LeaseStatus(
                leads=leads,
                expires_in=LEASE,
                sends_expire_in=SEND_LEASE,
                nodes=_nodes(tx, now),
                id=self._node,
                now=now,
            )

        lease, _ = await self._reports.write(unit)
        self._transactions.routes = "router" in roles
        self._notifications.has_listeners = len(lease.nodes) > 1
        self._all_route = all("router" in node.roles for node in lease.nodes)
        return lease

    def _about(self, name: str, roles: frozenset[str], rules: str) -> Params:
        return {
            "id": self._node,
            "name": name,
            "roles": " ".join(sorted(roles)),
            "version": __version__,
            "rules_version": rules,
        }

    async def leave(self) -> None:
        await self._writer.run(
            lambda tx: (tx.run(GIVE_UP_ALL_ROLES, {"node": self._node}), tx.run(DELETE_NODE, {"id": self._node}))
        )

    def notify(self, work: Work) -> None:
        self._notifications.notify({work})

    async def listen(self, on_work: OnWork) -> None:
        await self._notifications.listen(on_work)

    def _take_unrouted(self, tx: Tx, limit: int, *, idle: bool) -> bool:
        """Take the messages of nodes that do not route them.

        A node with messages of its own does it at times, too: a dead node's messages must not wait for ever.
        """
        if not idle and self._all_route and time.monotonic() - self._took_at < self.take_unrouted_every_s:
            return False
        self._took_at = time.monotonic()
        now = tx.now()
        return tx.run(TAKE_UNROUTED, {"node": self._node, "now": now, "late": now - OVERDUE, "limit": limit}) > 0


def _leases(now: Ms) -> Params:
    return {"now": now, "alive_until": now + LEASE, "sends_until": now + SEND_LEASE}


def _take_roles(tx: Tx, node: str, wanted: Sequence[str], now: Ms) -> frozenset[str]:
    """Take the wanted roles that no other live node leads, and give up the roles that are not wanted any more.

    Returns the roles that the node leads now.
    """
    for role in wanted:
        tx.run(TAKE_ROLE, {"role": role, "node": node, "now": now})
    mine = frozenset(row["role"] for row in tx.all(LEADERS) if row["node"] == node)
    for role in mine.difference(wanted):
        tx.run(GIVE_UP_ROLE, {"role": role, "node": node})
    return mine.intersection(wanted)


def _nodes(tx: Tx, now: Ms) -> tuple[Node, ...]:
    leads: dict[str, set[str]] = {}
    for row in tx.all(LEADERS):
        leads.setdefault(row["node"], set()).add(row["role"])
    return tuple(_node(row, frozenset(leads.get(row["id"], ()))) for row in tx.all(NODES, {"now": now}))


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
