"""From a stored message to what is done about it: claim a batch, decide, settle. Nothing is done before it is written.

Routing is repeatable until the moment ``settle`` commits: the decision is pure, the writing is one transaction, and a
message whose contact or budget moved meanwhile is simply decided again.
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
from bridge.pipeline.facts import as_rules_see
from bridge.pipeline.plan import Budget, plan
from bridge.pipeline.services import Services
from bridge.pipeline.worker import IDLE
from bridge.rules.engine import RuleSet
from bridge.telemetry.lines import frames
from bridge.text import phones

log = structlog.get_logger()

BATCH = 64
"""Messages a transaction settles: enough to share one fsync, few enough that deciding them blocks the loop for some
milliseconds only."""


LONGEST_WAIT: Ms = DAY
"""Messages that waited longer than this for their rules may be counted as if nothing had come before them."""
USES_KEPT: Ms = 31 * DAY
"""At least: a limit that is edited to look back further finds what there was."""
FORGOTTEN_AT_ONCE = 2_000
"""Uses that are deleted in one go; the next when there is nothing to route again."""
BEHIND: Ms = 100
"""Routing does not keep up with intake where the oldest message waits for so long."""


class Launcher(Protocol):
    """The outbox, seen from the router: rows born ``sending`` need a place to go at once."""

    def reserve(self, account: str) -> bool:
        """Take a rate token and a connection for one SMS of the account, if both are free now."""

    def give_back(self, account: str) -> None:
        """The reserved place was not used."""

    def launch(self, sms: Sms) -> None:
        """Send a row that is ``sending`` already, on a reserved place."""


class NoSender:
    """For a process that does not send: all it writes is ``queued``."""

    def reserve(self, account: str) -> bool:
        return False

    def give_back(self, account: str) -> None:
        raise AssertionError("nothing was reserved")

    def launch(self, sms: Sms) -> None:
        raise AssertionError("nothing was reserved")


class Router:
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
        """What the store said there was to do after the last batch, and for which rules it was asked."""
        self._forgot_at: Ms = 0

    async def step(self) -> int:
        """Route one batch. Returns how long to wait for more, in milliseconds."""
        now = self._clock.now()
        rules = self._rules()
        claim = self._claim(rules, now)
        claimed = await self._claimed(rules, claim)
        batch = claimed.messages
        # One message that nobody can route must not pass for all of them: there must be more than a batch, too.
        self._signals.keeping_up(len(batch) < BATCH or now - batch[0].inbound.received_at < BEHIND)
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
            # A limit looks back from the time of receipt, and what waits may have come in a while ago.
            uses_since=now - counting.sender - LONGEST_WAIT if counting.sender else None,
            totals={rule: now - period for rule, period in counting.totals.items()},
        )

    async def _claimed(self, rules: RuleSet, claim: ClaimRequest) -> ClaimedBatch:
        known, self._next = self._next, None
        # Other rules may have been loaded since: what these count was not asked for.
        if known is not None and known[0] is rules:
            return known[1]
        return await self._store.claim_unrouted(claim)

    async def _forget(self, rules: RuleSet, now: Ms) -> None:
        """Now and then, when there is nothing to do: matches that no limit looks back to."""
        if abs(now - self._forgot_at) < HOUR:
            return
        counting = rules.counting
        longest = max((counting.sender, *counting.totals.values(), USES_KEPT))
        if await self._store.forget_uses(now - longest - LONGEST_WAIT, limit=FORGOTTEN_AT_ONCE) < FORGOTTEN_AT_ONCE:
            self._forgot_at = now

    def _settlement(
        self, item: UnroutedMessage, rules: RuleSet, budget: Budget, totals: Counter[str], now: int
    ) -> Settlement:
        """``totals``: matches of rules that are limited over all senders; those of this one are added."""
        if item.inbound.fault is not None:
            return quarantine(item, rules.version, item.inbound.fault, now)
        decision = self._decide(item, rules, totals)
        totals.update(fired.rule for fired in decision.fired if RuleCounter.MATCH in fired.counted)
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

    def _decide(self, item: UnroutedMessage, rules: RuleSet, totals: Mapping[str, int]) -> Decision:
        inbound = item.inbound
        message = as_rules_see(item, totals)
        try:
            return rules.decide(message, inbound.received_at)
        except Exception as error:  # a fault of ours in one message must not stop the ones behind it
            log.error("rules_failed", inbound_id=inbound.id, error_class=type(error).__name__, trace=frames(error))
            failed = FiredRule(rule="", file="", line=0, error=f"internal error ({type(error).__name__})")
            return Decision(fired=(failed,), rules_version=rules.version)

    async def _settle(
        self, batch: Sequence[UnroutedMessage], settlements: Sequence[Settlement], claim: ClaimRequest
    ) -> ClaimedBatch | None:
        """Write them; what there is to do next, if the store said so."""
        try:
            results, claimed = await self._store.settle_and_claim(settlements, claim)
        except BaseException as error:  # cancellation too: places that nobody gives back are lost for good
            self._give_back(settlements)
            if isinstance(error, StoreUnavailable) or not isinstance(error, Exception):
                raise
            await self._settle_singly(batch, settlements)
            return None
        for item, settlement, settled in zip(batch, settlements, results, strict=True):
            self._follow_up(item, settlement, settled)
        # What the same subscribers wrote next may be another bridge's, and waited for these.
        self._signals.inbound.pass_on()
        return claimed

    async def _settle_singly(self, batch: Sequence[UnroutedMessage], settlements: Sequence[Settlement]) -> None:
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

    async def _settle_alone(self, item: UnroutedMessage, settlement: Settlement) -> None:
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

    def _follow_up(self, item: UnroutedMessage, settlement: Settlement, settled: Settled | None) -> None:
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
            outcome=str(settlement.outcome),
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


def quarantine(item: UnroutedMessage, rules_version: str, fault: str, now: int) -> Settlement:
    """A malformed call with an id: acknowledged, kept as it came, put to the team."""
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
