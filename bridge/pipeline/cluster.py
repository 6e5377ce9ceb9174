"""Coordinates this node with the others that share a store: what it may do, and the roles that only one node has.

A node reports that it is alive and gets a lease: what it may do, and for how long. Between two reports it checks by its
own clock whether the lease still holds. So a node that cannot report, or that slept, stops in time by itself. If the
store belongs to one node, the lease has no end, and the coordination costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog

from bridge.model.base import SECOND, Ms
from bridge.model.cluster import LeaseStatus, Node
from bridge.pipeline.clock import SharedClock
from bridge.pipeline.services import Services
from bridge.pipeline.worker import IDLE, Step

log = structlog.get_logger()

INTAKE, ROUTER, SENDER, TELEGRAM, STATUS = ROLES = ("intake", "router", "sender", "telegram", "status")
"""The roles of a process: take callbacks; route; send; talk to Telegram; poll delivery reports and watch accounts."""

WATCH = "watch"
"""The singleton role that watches the accounts and runs ``pipeline/watches/``."""
SINGLETON_ROLES = {TELEGRAM: (TELEGRAM,), STATUS: (STATUS, WATCH)}
"""The singleton roles, which one node at a time does for all, by the role of the process that includes them."""

REPORT_EVERY: Ms = 3 * SECOND
MAX_EXACT_REPORT: Ms = SECOND
"""A report that took longer does not set the clock, because the store may have read its clock at any moment of it.
The first report sets it in any case."""
LEASE_MARGIN: Ms = SECOND
"""The node gives up a lease this long before its end, so that work under way can end."""
MAX_REQUEST: Ms = 50 * SECOND
"""The longest time that a request to the platform may take, plus some seconds."""


class Cluster:
    """Reports this node as alive with each :meth:`step`. The other parts ask it what this node may do."""

    def __init__(
        self, *, services: Services, shared_clock: SharedClock | None, name: str, roles: frozenset[str]
    ) -> None:
        """``shared_clock``: is set to the time of the store.

        ``name``: shown to people. ``roles``: a subset of :data:`ROLES`.
        """
        self.roles = roles
        self._store = services.store
        self._clock = services.clock
        self._shared_clock = shared_clock
        self._name = name
        self.rules_version: Callable[[], str] = str
        """Returns the version of the rules in force, which other nodes show."""
        self._wanted = [single for role in sorted(roles) for single in SINGLETON_ROLES.get(role, ())]
        self._lease: LeaseStatus | None = None
        self._asked_at: Ms = 0
        """When the lease was asked for, in monotonic time."""
        self.joined = 0
        """How often this node joined other nodes that had divided the rate without it."""
        self._unaware: frozenset[str] = frozenset()
        """The senders that were there when this node joined and that may not know of it yet."""
        self._all_aware_at: Ms = 0
        """By then these senders know of this node or have stopped, because their leases from before have ended."""
        self._steady_since: Ms = 0
        """The time since which no report was missed and no lease ended because the store's clock was set."""
        self._changed = asyncio.Event()

    # ------------------------------------------------ what this node may do

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self._lease.nodes if self._lease is not None else ()

    @property
    def senders(self) -> int:
        """How many nodes share the rate of an account."""
        return max(sum(SENDER in node.roles for node in self.nodes), 1)

    @property
    def position(self) -> int:
        """The position of this node among the senders, from 0. All nodes use the same order, the oldest first."""
        mine = self._lease.id if self._lease is not None else ""
        ids = [node.id for node in self.nodes if SENDER in node.roles]
        return ids.index(mine) if mine in ids else 0

    def leads(self, role: str) -> bool:
        """Whether this node has the singleton role now."""
        lease = self._lease
        return lease is not None and role in lease.leads and self._time_left(lease.expires_in) > LEASE_MARGIN

    def may_send(self) -> bool:
        """Whether a request may leave now.

        It must end before another node calls it lost. And the other nodes must share the rate with this node: they do
        so from the time when all must know of it until its lease ends.
        """
        lease = self._lease
        if lease is None or (self._unaware and self._clock.monotonic() < self._all_aware_at):
            return False
        return self._time_left(lease.expires_in) > 0 and self._time_left(lease.sends_expire_in) > MAX_REQUEST

    def may_recover_others(self) -> bool:
        """Whether this node may call other nodes dead.

        If it was away itself, or the store was, the other nodes first get the time of one lease to report.
        """
        lease = self._lease
        if lease is None or lease.expires_in is None or self._time_left(lease.expires_in) <= LEASE_MARGIN:
            return False
        return self._clock.monotonic() - self._steady_since > lease.expires_in

    def _time_left(self, expires_in: Ms | None) -> Ms:
        """The time left by the monotonic clock. It counts from the moment before the store was asked."""
        return MAX_REQUEST * 1_000 if expires_in is None else self._asked_at + expires_in - self._clock.monotonic()

    # ------------------------------------------------ reporting

    async def step(self) -> Ms:
        """Report once. :raises StoreError: the report failed; the last lease holds until its end."""
        asked = self._clock.monotonic()
        lease = await self._store.report_alive(
            name=self._name, roles=self.roles, rules=self.rules_version(), wanted=self._wanted
        )
        answered = self._clock.monotonic()
        before, self._lease = self._lease, lease
        self._note_senders(before, lease, asked, answered)
        self._asked_at = asked
        if (
            lease.now is not None
            and self._shared_clock is not None
            and (before is None or answered - asked <= MAX_EXACT_REPORT)
        ):
            self._shared_clock.set(lease.now, (asked + answered) // 2)
        log_changes(before, lease)
        self._changed.set()
        return REPORT_EVERY if lease.expires_in is not None else IDLE

    def _note_senders(self, before: LeaseStatus | None, now: LeaseStatus, asked: Ms, answered: Ms) -> None:
        """Note which senders may not know of this node.

        ``self._asked_at`` is still the time at which ``before`` was asked for.
        """
        seen = frozenset(node.id for node in now.nodes if SENDER in node.roles and node.id != now.id)
        if before is None or answered - self._asked_at >= (before.expires_in or 0):
            # This node is new, or was silent for so long that the others divided the rate without it.
            self._steady_since = asked
            self._unaware = seen
            # A node that has reported since then may not have received the answer. But it sends only as long as the
            # last answer that it received allows, and an answer from before this node joined has expired by then.
            self._all_aware_at = answered + (now.expires_in or 0)
            self.joined += bool(seen)
            return
        self._unaware &= seen
        if self._store_clock_jumped(before, now, asked):
            self._steady_since = asked

    def _store_clock_jumped(self, before: LeaseStatus, now: LeaseStatus, asked: Ms) -> bool:
        """Whether the store's clock was set forward. That ends leases early, also those of nodes that are alive."""
        if before.now is None or now.now is None or now.expires_in is None:
            return False
        return (now.now - before.now) - (asked - self._asked_at) > now.expires_in // 2

    async def leave(self) -> None:
        """Give the lease back at the end, when no work is under way any more."""
        with suppress(Exception):  # a lease that is not given back expires by itself
            await self._store.leave()

    # ------------------------------------------------ what one node does for all

    def when_leader(self, role: str, step: Step) -> Step:
        """Wrap a step so that it works only while this node has the singleton role.

        Otherwise it only checks the role.
        """

        async def guarded() -> Ms:
            return await step() if self.leads(role) else REPORT_EVERY

        return guarded

    async def while_leader(self, role: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run a part that has its own loops while this node has the singleton role.

        Cancels it when the role is lost.
        """
        while True:
            await self._wait_until(lambda: self.leads(role))
            part = asyncio.ensure_future(run())
            loss = asyncio.ensure_future(self._wait_until(lambda: not self.leads(role)))
            try:
                await asyncio.wait((part, loss), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (part, loss):
                    task.cancel()
                await asyncio.gather(part, loss, return_exceptions=True)
            if part.done() and not part.cancelled():
                part.result()  # the caller handles its error
                return

    async def _wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` returns True. It is checked after each report and when the lease expires."""
        while not condition():
            self._changed.clear()
            left = self._time_left(self._lease.expires_in) - LEASE_MARGIN if self._lease is not None else 0
            await self._clock.wait(self._changed, min(left, SECOND) if left > 0 else SECOND)


def log_changes(before: LeaseStatus | None, now: LeaseStatus) -> None:
    """Log the singleton roles that this node got or lost, and changes in the number of nodes."""
    if now.expires_in is None:
        return
    leads = before.leads if before is not None else frozenset()
    for role in sorted(now.leads - leads):
        log.info("singleton_role_taken", role=role)
    for role in sorted(leads - now.leads):
        log.warning("singleton_role_lost", role=role)
    if before is None or len(before.nodes) != len(now.nodes):
        log.info("nodes_counted", alive=len(now.nodes), names=[node.name for node in now.nodes])


def node_lines(nodes: Sequence[Node]) -> list[str]:
    """Describe each node in one line, for people."""
    return [
        f"{node.name}: {' '.join(role for role in ROLES if role in node.roles)};"
        f" rules {node.rules_version}, version {node.version}"
        + (f"; leads {', '.join(sorted(node.leads))}" if node.leads else "")
        for node in nodes
    ]
