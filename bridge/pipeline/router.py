"""From a stored message to what is done about it: claim a batch, decide, settle. Nothing is done before it is written.

Routing is repeatable until the moment ``settle`` commits: the decision is pure, the writing is one transaction, and a
message whose contact or budget moved meanwhile is simply decided again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from bridge.config import Settings
from bridge.errors import StoreUnavailable
from bridge.model import (
    ADMIN_CHAT,
    Decision,
    Fired,
    InboundState,
    NewPost,
    PostKind,
    PostPriority,
    Settled,
    Settlement,
    Sms,
    SmsState,
    Unrouted,
)
from bridge.pipeline import guards
from bridge.pipeline.clock import day_of
from bridge.pipeline.plan import Budget, plan
from bridge.pipeline.signals import Signals
from bridge.pipeline.worker import IDLE
from bridge.ports import Clock, RouterStore
from bridge.rules.context import RuleMessage
from bridge.rules.engine import RuleSet
from bridge.telemetry import frames
from bridge.text import phones

log = structlog.get_logger()

BATCH = 64
"""Messages a transaction settles: enough to share one fsync, few enough that deciding them blocks the loop for some
milliseconds only."""


class Launcher(Protocol):
    """The outbox, seen from the router: rows born ``sending`` need a place to go at once."""

    def reserve(self, account: str) -> bool:
        """Take a rate token and a connection for one SMS of the account, if both are free now."""

    def give_back(self, account: str) -> None:
        """The reserved place was not used."""

    def launch(self, sms: Sms) -> None:
        """Send a row that is ``sending`` already, on a reserved place."""


class Router:
    def __init__(
        self,
        *,
        settings: Settings,
        store: RouterStore,
        rules: Callable[[], RuleSet],
        launcher: Launcher,
        signals: Signals,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._store = store
        self._rules = rules
        self._launcher = launcher
        self._signals = signals
        self._clock = clock
        self._window = guards.longest_window(settings.guards)

    async def step(self) -> int:
        """Route one batch. Returns how long to wait for more, in milliseconds."""
        now = self._clock.now()
        batch = await self._store.claim_unrouted(limit=BATCH, recent_since=now - self._window)
        self._signals.keeping_up(len(batch) < BATCH)
        if not batch:
            return IDLE
        rules = self._rules()
        budget = await self._budget(now)
        settlements = [self._settlement(item, rules, budget, now) for item in batch]
        await self._settle(batch, settlements)
        return 0

    async def _budget(self, now: int) -> Budget:
        day = day_of(now)
        limit = self._settings.guards.daily_parts
        return Budget(day=day, limit=limit, spent=0 if limit is None else await self._store.spent_parts(day))

    def _settlement(self, item: Unrouted, rules: RuleSet, budget: Budget, now: int) -> Settlement:
        if item.inbound.fault is not None:
            return quarantine(item, rules.version, item.inbound.fault, now)
        decision = self._decide(item, rules)
        # A first reply is born ``sending`` where the outbox has a place for it: saves it a commit of its own.
        account = item.inbound.account
        place = any(fired.replies for fired in decision.fired) and self._launcher.reserve(account)
        try:
            settlement = plan(item, decision, settings=self._settings, budget=budget, now=now, place=place)
            if place and not settlement.replies:
                self._launcher.give_back(account)
            return settlement
        except Exception as error:  # the same: shown to people, and the ones behind it go on
            if place:
                self._launcher.give_back(account)
            fault = f"internal error ({type(error).__name__})"
            log.error("plan_failed", inbound_id=item.inbound.id, error_class=type(error).__name__, trace=frames(error))
            return quarantine(item, rules.version, fault, now)

    def _decide(self, item: Unrouted, rules: RuleSet) -> Decision:
        inbound = item.inbound
        message = RuleMessage(
            text=inbound.text,
            sender=inbound.sender,
            subscriber=inbound.subscriber,
            receiver=inbound.receiver,
            prefix=inbound.prefix,
            account=inbound.account,
            date=inbound.date,
            contact_name=item.contact.name,
            id=inbound.id,
        )
        try:
            return rules.decide(message, inbound.received_at)
        except Exception as error:  # a fault of ours in one message must not stop the ones behind it
            log.error("rules_failed", inbound_id=inbound.id, error_class=type(error).__name__, trace=frames(error))
            failed = Fired(rule="", file="", line=0, error=f"internal error ({type(error).__name__})")
            return Decision(fired=(failed,), rules_version=rules.version)

    async def _settle(self, batch: Sequence[Unrouted], settlements: Sequence[Settlement]) -> None:
        try:
            results = await self._store.settle(settlements)
        except BaseException as error:  # cancellation too: places that nobody gives back are lost for good
            self._give_back(settlements)
            if isinstance(error, StoreUnavailable) or not isinstance(error, Exception):
                raise
            await self._settle_singly(batch, settlements)
            return
        for item, settlement, settled in zip(batch, settlements, results, strict=True):
            self._follow_up(item, settlement, settled)

    async def _settle_singly(self, batch: Sequence[Unrouted], settlements: Sequence[Settlement]) -> None:
        """One of the batch cannot be written at all: find it and put it to people."""
        refused: list[Exception] = []
        for item, settlement in zip(batch, settlements, strict=True):
            try:
                await self._settle_alone(item, settlement)
            except StoreUnavailable:
                raise
            except Exception as error:  # not even its quarantine: those behind it must not wait for that
                refused.append(error)
        if refused:
            raise refused[0]

    async def _settle_alone(self, item: Unrouted, settlement: Settlement) -> None:
        try:
            await self._store.settle([queued_only(settlement)])
        except StoreUnavailable:
            raise
        except Exception as error:
            log.error("settle_refused", inbound_id=settlement.inbound_id, error_class=type(error).__name__)
            kept = quarantine(item, settlement.rules_version, "cannot be stored", settlement.now)
            await self._store.settle([kept])
        self._signals.sms.set()
        self._signals.posts.set()

    def _follow_up(self, item: Unrouted, settlement: Settlement, settled: Settled | None) -> None:
        reserved = wants_birth(settlement)
        born = settled.born_sending if settled is not None else ()
        for sms in born:
            self._launcher.launch(sms)
        if reserved and not born:
            self._launcher.give_back(settlement.replies[0].account)
        if settled is None:
            return
        inbound = item.inbound
        log.info(
            "routed",
            inbound_id=inbound.id,
            account=inbound.account,
            smsid=inbound.smsid,
            subscriber=phones.mask(inbound.subscriber),
            rule=settlement.rule,
            outcome=settlement.outcome,
            ms=settlement.now - inbound.received_at,
        )
        if len(settlement.replies) > len(born):
            self._signals.sms.set()
        if settlement.forwards or settlement.posts or settlement.alerts:
            self._signals.posts.set()

    def _give_back(self, settlements: Sequence[Settlement]) -> None:
        for settlement in settlements:
            if wants_birth(settlement):
                self._launcher.give_back(settlement.replies[0].account)


def wants_birth(settlement: Settlement) -> bool:
    return any(reply.state is SmsState.SENDING for reply in settlement.replies)


def queued_only(settlement: Settlement) -> Settlement:
    return replace(settlement, replies=tuple(replace(reply, state=SmsState.QUEUED) for reply in settlement.replies))


def quarantine(item: Unrouted, rules_version: str, fault: str, now: int) -> Settlement:
    """A malformed call with an id: acknowledged, kept as it came, put to the team."""
    inbound = item.inbound
    post = NewPost(
        chat=ADMIN_CHAT,
        kind=PostKind.ALERT,
        priority=PostPriority.FAILURE,
        key=f"quarantine:{inbound.id}",
        payload={
            "text": "alert.quarantine",
            "params": {"account": inbound.account, "smsid": inbound.smsid, "fault": fault},
        },
        inbound_id=inbound.id,
    )
    return Settlement(
        inbound_id=inbound.id,
        contact_version=item.contact.version,
        now=now,
        state=InboundState.QUARANTINED,
        rule=None,
        rules_version=rules_version,
        outcome=f"quarantined: {fault}",
        posts=(post,),
    )
