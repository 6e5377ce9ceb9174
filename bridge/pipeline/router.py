"""Routes stored messages: claims a batch, asks the rules, settles. No effect comes before the commit.

Routing can be repeated until ``settle`` commits. The decision is pure, and all writes are one transaction. A message
whose contact or budget has changed since it was read is decided again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from bridge.config import Settings
from bridge.errors import StoreUnavailable
from bridge.model.alert import alert_post
from bridge.model.base import DAY, HOUR, Json, Ms
from bridge.model.contact import RuleCounter
from bridge.model.decision import Decision, FiredRule
from bridge.model.inbound import InboundState
from bridge.model.routing import ClaimedBatch, ClaimRequest, Settled, Settlement, UnroutedMessage
from bridge.model.routing_outcome import RoutingOutcome
from bridge.model.sms import Sms, SmsState
from bridge.pipeline import guards
from bridge.pipeline.clock import day_of
from bridge.pipeline.effects import rule_message
from bridge.pipeline.plan import Budget, plan
from bridge.pipeline.services import Services
from bridge.pipeline.worker import IDLE
from bridge.rules.engine import RuleSet
from bridge.telemetry.lines import safe_traceback
from bridge.text import phones

log = structlog.get_logger()

BATCH = 64
"""How many messages one transaction settles: enough to share one fsync, and few enough that deciding them blocks the
event loop only for milliseconds."""

LONGEST_WAIT: Ms = DAY
"""If a message waited longer than this for routing, the uses that its limits count may already be deleted."""
USES_KEPT: Ms = 31 * DAY
"""Uses of rules are kept at least this long, so that a limit that is edited to look back further finds them."""
FORGET_BATCH = 2_000
"""How many uses are deleted at a time. The next ones are deleted the next time that there is nothing to route."""
BEHIND: Ms = 100
"""Routing is behind intake when the oldest message has waited this long."""


class Launcher(Protocol):
    """The part of the outbox that the router uses.

    A row that is inserted as ``sending`` needs a slot, to leave at once.
    """

    def reserve(self, account: str) -> bool:
        """Reserve a slot: a rate token and a connection for one SMS of the account.

        False if one of them is not free now.
        """

    def give_back(self, account: str) -> None:
        """Give back a reserved slot that was not used."""

    def launch(self, sms: Sms) -> None:
        """Send, in a reserved slot, a row that is ``sending`` already."""


class NoSender:
    """The launcher of a process that does not send. All replies are inserted as ``queued``."""

    def reserve(self, account: str) -> bool:
        return False

    def give_back(self, account: str) -> None:
        raise AssertionError("nothing was reserved")

    def launch(self, sms: Sms) -> None:
        raise AssertionError("nothing was reserved")


class Router:
    """Routes messages in batches. The next batch is claimed in the transaction that settles the one before."""

    def __init__(
        self,
        *,
        settings: Settings,
        rules: Callable[[], RuleSet],
        launcher: Launcher,
        services: Services,
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._launcher = launcher
        self._store = services.store
        self._signals = services.signals
        self._clock = services.clock
        self._window = guards.longest_window(settings.guards)
        self._next: tuple[RuleSet, ClaimedBatch] | None = None
        """The batch that the store claimed with the last settlement, and the rules that it was claimed for."""
        self._forgot_at: Ms = 0

    async def step(self) -> Ms:
        """Route one batch. Returns how long to wait for more messages, in milliseconds."""
        now = self._clock.now()
        rules = self._rules()
        claim = self._claim(rules, now)
        claimed = await self._claimed(rules, claim)
        batch = claimed.messages
        # A full batch must wait, too: one old message that cannot be routed does not mean that routing is behind.
        self._signals.note_routing(len(batch) < BATCH or now - batch[0].inbound.received_at < BEHIND)
        if not batch:
            await self._forget(rules, now)
            return IDLE
        budget = Budget(day=claimed.day, limit=self._settings.guards.daily_parts, spent=claimed.spent)
        totals = Counter(claimed.totals)
        settlements = [self._settlement(item, rules, budget, totals, now) for item in batch]
        if (found := await self._settle(batch, settlements, claim)) is not None:
            self._next = rules, found
        return 0

    def _claim(self, rules: RuleSet, now: Ms) -> ClaimRequest:
        counting = rules.counting
        return ClaimRequest(
            limit=BATCH,
            recent_since=now - self._window,
            day=day_of(now),
            # A limit looks back from the time of receipt, which may be long before now.
            uses_since=now - counting.sender - LONGEST_WAIT if counting.sender else None,
            totals={rule: now - period for rule, period in counting.totals.items()},
        )

    async def _claimed(self, rules: RuleSet, claim: ClaimRequest) -> ClaimedBatch:
        known, self._next = self._next, None
        # Rules that were loaded after the claim may count uses that the claim did not read.
        if known is not None and known[0] is rules:
            return known[1]
        return await self._store.claim_unrouted(claim)

    async def _forget(self, rules: RuleSet, now: Ms) -> None:
        """Delete the uses that are too old for every limit. Runs once an hour, when there is nothing to route."""
        if abs(now - self._forgot_at) < HOUR:
            return
        counting = rules.counting
        longest = max((counting.sender, *counting.totals.values(), USES_KEPT))
        if await self._store.forget_uses(now - longest - LONGEST_WAIT, limit=FORGET_BATCH) < FORGET_BATCH:
            self._forgot_at = now

    def _settlement(
        self, item: UnroutedMessage, rules: RuleSet, budget: Budget, totals: Counter[str], now: Ms
    ) -> Settlement:
        """Decide and plan one message.

        ``totals``: matches of the rules that are limited over all subscribers. The matches of this message are added.
        """
        if item.inbound.fault is not None:
            return quarantine(item, rules.version, item.inbound.fault, now)
        decision = self._decide(item, rules, totals)
        totals.update(fired.rule for fired in decision.fired if RuleCounter.MATCH in fired.counted)
        # If the outbox has a slot, the first reply is inserted as ``sending``, which saves a commit.
        account = item.inbound.account
        slot = any(fired.replies for fired in decision.fired) and self._launcher.reserve(account)
        try:
            settlement = plan(item, decision, settings=self._settings, budget=budget, now=now, slot=slot)
            if slot and not settlement.replies:
                self._launcher.give_back(account)
            return settlement
        except Exception as error:  # a fault of ours: people see the message, and the messages behind it are routed
            if slot:
                self._launcher.give_back(account)
            fault = f"internal error ({type(error).__name__})"
            log.error(
                "plan_failed",
                inbound_id=item.inbound.id,
                error_class=type(error).__name__,
                trace=safe_traceback(error),
            )
            return quarantine(item, rules.version, fault, now)

    def _decide(self, item: UnroutedMessage, rules: RuleSet, totals: Mapping[str, int]) -> Decision:
        inbound = item.inbound
        message = rule_message(item, totals)
        try:
            return rules.decide(message, inbound.received_at)
        except Exception as error:  # a fault of ours in one message must not stop the messages behind it
            log.error(
                "rules_failed",
                inbound_id=inbound.id,
                error_class=type(error).__name__,
                trace=safe_traceback(error),
            )
            failed = FiredRule(rule="", file="", line=0, error=f"internal error ({type(error).__name__})")
            return Decision(fired=(failed,), rules_version=rules.version)

    async def _settle(
        self, batch: Sequence[UnroutedMessage], settlements: Sequence[Settlement], claim: ClaimRequest
    ) -> ClaimedBatch | None:
        """Write the settlements. Returns the next batch if the store claimed one with them."""
        try:
            results, claimed = await self._store.settle_and_claim(settlements, claim)
        except BaseException as error:  # a cancellation, too: slots that are not given back are lost for good
            self._give_back(settlements)
            if isinstance(error, StoreUnavailable) or not isinstance(error, Exception):
                raise
            await self._settle_singly(batch, settlements)
            return None
        for item, settlement, settled in zip(batch, settlements, results, strict=True):
            self._follow_up(item, settlement, settled)
        return claimed

    async def _settle_singly(self, batch: Sequence[UnroutedMessage], settlements: Sequence[Settlement]) -> None:
        """Settle one by one, because one of the batch cannot be written. That one is quarantined."""
        refused: list[Exception] = []
        for item, settlement in zip(batch, settlements, strict=True):
            try:
                await self._settle_alone(item, settlement)
            except StoreUnavailable:
                raise
            except Exception as error:  # its quarantine cannot be written either; the next ones must not wait for it
                refused.append(error)
        if refused:
            raise refused[0]

    async def _settle_alone(self, item: UnroutedMessage, settlement: Settlement) -> None:
        try:
            await self._store.settle([queued_only(settlement)])
        except StoreUnavailable:
            raise
        except Exception as error:
            log.error("settlement_refused", inbound_id=settlement.inbound_id, error_class=type(error).__name__)
            kept = quarantine(item, settlement.rules_version, "cannot be stored", settlement.now)
            await self._store.settle([kept])

    def _follow_up(self, item: UnroutedMessage, settlement: Settlement, settled: Settled | None) -> None:
        reserved = wants_to_send(settlement)
        sending = settled.sending if settled is not None else ()
        for sms in sending:
            self._launcher.launch(sms)
        if reserved and not sending:
            self._launcher.give_back(settlement.replies[0].account)
        if settled is None:
            return
        inbound = item.inbound
        log.info(
            "inbound_routed",
            inbound_id=inbound.id,
            account=inbound.account,
            smsid=inbound.smsid,
            subscriber=phones.mask(inbound.subscriber),
            rule=settlement.rule,
            outcome=str(settlement.outcome),
            ms=settlement.now - inbound.received_at,
        )

    def _give_back(self, settlements: Sequence[Settlement]) -> None:
        for settlement in settlements:
            if wants_to_send(settlement):
                self._launcher.give_back(settlement.replies[0].account)


def wants_to_send(settlement: Settlement) -> bool:
    """Whether a reply asks to be inserted as ``sending``, so that a slot is reserved for it."""
    return any(reply.state is SmsState.SENDING for reply in settlement.replies)


def queued_only(settlement: Settlement) -> Settlement:
    """The same settlement with all replies ``queued``, for which no slot is needed."""
    return replace(settlement, replies=tuple(replace(reply, state=SmsState.QUEUED) for reply in settlement.replies))


def quarantine(item: UnroutedMessage, rules_version: str, fault: str, now: Ms) -> Settlement:
    """Build the settlement of a message that cannot be routed. It is kept as it came, and the admin chat is told."""
    inbound = item.inbound
    params: dict[str, Json] = {"account": inbound.account, "smsid": inbound.smsid, "fault": fault}
    post = alert_post("alert.quarantine", params, key=f"quarantine:{inbound.id}", inbound_id=inbound.id)
    return Settlement(
        inbound_id=inbound.id,
        subscriber=inbound.subscriber,
        contact_version=item.contact.version,
        now=now,
        state=InboundState.QUARANTINED,
        rule=None,
        rules_version=rules_version,
        outcome=RoutingOutcome(fault=fault),
        posts=(post,),
    )
