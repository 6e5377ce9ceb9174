"""This bridge among others on one store: what it may count on, what only one of them does, and what it tells the rest.

A bridge reports that it is alive, and is told what is its own until when. Between two reports only its own clock says
whether that still holds: one that cannot report, or slept, stops in time by itself. Where a store belongs to one bridge
everything is its own for ever, and nothing of this costs anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog

from bridge.model.base import SECOND, Ms
from bridge.model.cluster import LeaseStatus, Node
from bridge.pipeline.clock import SharedClock
from bridge.pipeline.signals import Signal, Signals
from bridge.pipeline.worker import IDLE, Step
from bridge.ports.clock import Clock
from bridge.ports.record import FleetStore

log = structlog.get_logger()

INTAKE, ROUTER, SENDER, TELEGRAM, STATUS = ROLES = ("intake", "router", "sender", "telegram", "status")
"""What a process may be for: take callbacks, route, send, talk to Telegram, and ask what became of SMS and accounts."""

WATCH = "watch"
"""The duty of whoever looks after the accounts and tells people what nobody else tells them."""
SINGLETON_ROLES = {TELEGRAM: (TELEGRAM,), STATUS: (STATUS, WATCH)}
"""What one bridge at a time does, by the role it belongs to."""

REPORT: Ms = 3 * SECOND
"""Between two reports."""
EXACT: Ms = SECOND
"""A report that took longer does not tell the time: the store may have looked at its clock anywhere in between."""
MARGIN: Ms = SECOND
"""Left of a lease when it is given up: for what is under way to end."""
LONGEST_REQUEST: Ms = 50 * SECOND
"""What a request to the platform may take, and something over."""
BELL: Ms = 50
"""What is rung within so long is rung together."""


class Cluster:
    """Told to others by :meth:`step`; asked by everybody else."""

    def __init__(
        self,
        *,
        store: FleetStore,
        signals: Signals,
        clock: Clock,
        shared_clock: SharedClock | None,
        name: str,
        roles: frozenset[str],
    ) -> None:
        """``shared_clock``: to be set by what the store says."""
        self.roles = roles
        self._store = store
        self._signals = signals
        self._clock = clock
        self._shared_clock = shared_clock
        self._name = name
        self.rules_version: Callable[[], str] = str
        """Of the rules in force, for the others to see."""
        self._on: dict[str, Callable[[], None]] = {name: signal.hear for name, signal in signals.named().items()}
        self._wanted = [single for role in sorted(roles) for single in SINGLETON_ROLES.get(role, ())]
        self._lease: LeaseStatus | None = None
        self._asked_at: Ms = 0
        self.joined = 0
        """How often this bridge came to others that shared the rate without it."""
        self._unaware: frozenset[str] = frozenset()
        """Others that sent when we came, as long as they may not know of us and are there."""
        self._known_at: Ms = 0
        """By then they know of us, or have stopped: their leases of that time are over."""
        self._steady_since: Ms = 0
        """Since when no report was missed, and no lease ended by the store's clock alone."""
        self._changed = asyncio.Event()
        self._rung: set[str] = set()
        self._bell = Signal()

    # ------------------------------------------------ what may be counted on

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self._lease.nodes if self._lease is not None else ()

    @property
    def senders(self) -> int:
        """How many bridges share the rate of an account; what it allows is divided among them."""
        return max(sum(SENDER in node.roles for node in self.nodes), 1)

    @property
    def position(self) -> int:
        """Which of those that send this one is, from 0, in an order that all know: the oldest is the first."""
        mine = self._lease.id if self._lease is not None else ""
        ids = [node.id for node in self.nodes if SENDER in node.roles]
        return ids.index(mine) if mine in ids else 0

    def leads(self, role: str) -> bool:
        lease = self._lease
        return lease is not None and role in lease.leads and self._left(lease.expires_in) > MARGIN

    def may_send(self) -> bool:
        """Whether a request that leaves now ends before anybody calls it lost, and while the others divide the rate of
        an account with us: that is from when all must have heard of us until we are not heard of any more."""
        lease = self._lease
        if lease is None or (self._unaware and self._clock.monotonic() < self._known_at):
            return False
        return self._left(lease.expires_in) > 0 and self._left(lease.sends_expire_in) > LONGEST_REQUEST

    def may_judge(self) -> bool:
        """Whether what this bridge knows of the others is worth something. One that was away itself, or saw the store
        come back just now, gives them time to report."""
        lease = self._lease
        if lease is None or lease.expires_in is None or self._left(lease.expires_in) <= MARGIN:
            return False
        return self._clock.monotonic() - self._steady_since > lease.expires_in

    def _left(self, expires_in: Ms | None) -> Ms:
        """By this machine's clock, which nobody sets, from the moment before the store was asked."""
        return LONGEST_REQUEST * 1_000 if expires_in is None else self._asked_at + expires_in - self._clock.monotonic()

    # ------------------------------------------------ reporting

    async def step(self) -> Ms:
        """Report once. :raises StoreError: what was said before holds as long as it was said to."""
        asked = self._clock.monotonic()
        lease = await self._store.report_alive(
            name=self._name, roles=self.roles, rules=self.rules_version(), wanted=self._wanted
        )
        answered = self._clock.monotonic()
        before, self._lease = self._lease, lease
        self._look_around(before, lease, asked, answered)
        self._asked_at = asked
        if lease.now is not None and self._shared_clock is not None and (before is None or answered - asked <= EXACT):
            self._shared_clock.set(lease.now, (asked + answered) // 2)
        self._tell(before, lease)
        self._changed.set()
        return REPORT if lease.expires_in is not None else IDLE

    def _look_around(self, before: LeaseStatus | None, now: LeaseStatus, asked: Ms, answered: Ms) -> None:
        """Who knows of whom. ``self._asked_at`` is when ``before`` was asked for."""
        seen = frozenset(node.id for node in now.nodes if SENDER in node.roles and node.id != now.id)
        if before is None or answered - self._asked_at >= (before.expires_in or 0):
            # New, or so long unheard of that the others have divided everything among themselves.
            self._steady_since = asked
            self._unaware = seen
            # That one has reported since does not say that it got the answer. But it sends only as long as the last
            # answer that it got allows: one from before we came is over by then.
            self._known_at = answered + (now.expires_in or 0)
            self.joined += bool(seen)
            return
        self._unaware &= seen
        if self._set_forth(before, now, asked):
            self._steady_since = asked

    def _set_forth(self, before: LeaseStatus, now: LeaseStatus, asked: Ms) -> bool:
        """The store's clock ended leases before their time: whoever seems dead need not be."""
        if before.now is None or now.now is None or now.expires_in is None:
            return False
        return (now.now - before.now) - (asked - self._asked_at) > now.expires_in // 2

    def _tell(self, before: LeaseStatus | None, now: LeaseStatus) -> None:
        if now.expires_in is None:
            return
        leads = before.leads if before is not None else frozenset()
        for role in sorted(now.leads - leads):
            log.info("singleton_role_taken", role=role)
        for role in sorted(leads - now.leads):
            log.warning("singleton_role_lost", role=role)
        if before is None or len(before.nodes) != len(now.nodes):
            log.info("bridges", alive=len(now.nodes), names=[node.name for node in now.nodes])

    async def leave(self) -> None:
        """At the end, when nothing is under way any more."""
        with suppress(Exception):  # what is not given back runs out by itself
            await self._store.leave()

    # ------------------------------------------------ what only one does

    def when_leader(self, role: str, step: Step) -> Step:
        """The step while the duty is ours; a look now and then whether it is, else."""

        async def guarded() -> Ms:
            return await step() if self.leads(role) else REPORT

        return guarded

    async def while_leader(self, role: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run a part that has loops of its own whenever the duty is ours, and end it when it is not any more."""
        while True:
            await self._until(lambda: self.leads(role))
            part = asyncio.ensure_future(run())
            loss = asyncio.ensure_future(self._until(lambda: not self.leads(role)))
            try:
                await asyncio.wait((part, loss), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (part, loss):
                    task.cancel()
                await asyncio.gather(part, loss, return_exceptions=True)
            if part.done() and not part.cancelled():
                part.result()  # whoever started us handles its error
                return

    async def _until(self, true: Callable[[], bool]) -> None:
        """A lease ends without anybody's word, so the time is looked at, too, and at its end to the moment."""
        while not true():
            self._changed.clear()
            left = self._left(self._lease.expires_in) - MARGIN if self._lease is not None else 0
            await self._clock.wait(self._changed, min(left, SECOND) if left > 0 else SECOND)

    # ------------------------------------------------ the bell

    def connect(self) -> None:
        """From now on what this bridge signals to itself is heard by the others, and the other way round."""
        for name, signal in self._signals.named().items():
            signal.also = lambda name=name: self.ring(name)

    def listen(self, word: str, act: Callable[[], None]) -> None:
        """Have ``act`` done when another bridge rings this word."""
        self._on[word] = act

    def ring(self, word: str) -> None:
        if len(self.nodes) > 1:
            self._rung.add(word)
            self._bell.set()

    async def ringing(self) -> Ms:
        """A step: what was rung meanwhile goes out together."""
        if self._rung:
            words, self._rung = sorted(self._rung), set()
            await self._store.ring(words)
            await self._clock.sleep(BELL)
        return IDLE

    @property
    def bell(self) -> Signal:
        return self._bell

    async def hearing(self) -> None:
        await self._store.hear(self._heard)

    def _heard(self, word: str) -> None:
        if (act := self._on.get(word)) is not None:
            act()


def described(nodes: Sequence[Node]) -> list[str]:
    """A line a bridge, for people."""
    return [
        f"{node.name}: {' '.join(role for role in ROLES if role in node.roles)};"
        f" rules {node.rules_version}, version {node.version}"
        + (f"; duties {', '.join(sorted(node.leads))}" if node.leads else "")
        for node in nodes
    ]
