"""Decides messages inside the transaction that settles them, and sends what follows after its commit.

The inbox uses it for the messages that have just come, the router for those that were left ``new``.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from bridge.config import Settings
from bridge.model.alert import alert_post
from bridge.model.base import DAY, Json, Ms
from bridge.model.contact import RuleCounter
from bridge.model.decision import Decision, FiredRule
from bridge.model.inbound import Inbound, InboundState
from bridge.model.routing import FactsWanted, Routed, RoutingBatch, Settlement, UnroutedMessage
from bridge.model.routing_outcome import RoutingOutcome
from bridge.model.sms import Sms
from bridge.pipeline import guards
from bridge.pipeline.clock import day_of
from bridge.pipeline.effects import rule_message
from bridge.pipeline.plan import Budget, plan
from bridge.pipeline.services import Services
from bridge.rules.engine import RuleSet
from bridge.telemetry.lines import safe_traceback
from bridge.text import phones

log = structlog.get_logger()

BATCH = 64
"""How many messages one transaction settles: enough to share one fsync, and few enough that none waits long for it."""
LONGEST_DECIDING_S = 0.02
"""A batch begins no further decision after this time. The messages that are left stay ``new``, so that slow rules delay
neither the acknowledgement of others nor the other writes of the store."""
LONGEST_WAIT: Ms = DAY
"""If a message waited longer than this for routing, the uses that its limits count may already be deleted."""


class Launcher(Protocol):
    """The part of the outbox that routing uses.

    A row that is inserted as ``sending`` needs a slot, to leave at once: a rate token and a connection.
    """

    def reserve(self, account: str, most: int) -> int:
        """Reserve up to ``most`` slots of the account that are free now. Returns how many."""

    def give_back(self, account: str, count: int) -> None:
        """Give back reserved slots that were not used."""

    def launch(self, sms: Sms) -> None:
        """Send, in a reserved slot, a row that is ``sending`` already."""


class NoSender:
    """The launcher of a process that does not send. All replies are inserted as ``queued``."""

    def reserve(self, account: str, most: int) -> int:
        return 0

    def give_back(self, account: str, count: int) -> None:
        raise AssertionError("nothing was reserved")

    def launch(self, sms: Sms) -> None:
        raise AssertionError("nothing was reserved")


class Routing:
    """Makes an attempt for each transaction that routes messages."""

    def __init__(
        self, *, settings: Settings, rules: Callable[[], RuleSet], launcher: Launcher, services: Services
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._launcher = launcher
        self._clock = services.clock
        self._window = guards.longest_window(settings.guards)

    @property
    def rules(self) -> RuleSet:
        """The rules in force."""
        return self._rules()

    def attempt(self, expected: Mapping[str, int] = {}) -> Attempt:
        """Begin an attempt, right before its transaction.

        ``expected``: account → how many replies may leave at once; a slot is reserved for each if it is free.
        """
        now, rules = self._clock.now(), self._rules()
        counting = rules.counting
        return Attempt(
            settings=self._settings,
            rules=rules,
            launcher=self._launcher,
            slots={account: self._launcher.reserve(account, most) for account, most in expected.items()},
            now=now,
            wanted=FactsWanted(
                recent_since=now - self._window,
                day=day_of(now),
                # A limit looks back from the time of receipt, which may be long before now.
                uses_since=now - counting.sender - LONGEST_WAIT if counting.sender else None,
                totals={rule: now - period for rule, period in counting.totals.items()},
            ),
        )


class Attempt:
    """One transaction that routes messages: the rules, the time and the slots that it uses.

    Call :meth:`settled` after its commit, or :meth:`failed`: a slot that is not given back is lost.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        rules: RuleSet,
        launcher: Launcher,
        slots: Mapping[str, int],
        now: Ms,
        wanted: FactsWanted,
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._launcher = launcher
        self._slots = slots
        self._now = now
        self.wanted = wanted
        """The facts that :meth:`decide` needs."""
        self.seen: tuple[UnroutedMessage, ...] = ()
        """The messages that :meth:`decide` got last."""

    def decide(self, batch: RoutingBatch) -> list[Settlement | None]:
        """Decide and plan the messages in their order. Implements :data:`~bridge.model.routing.Decide`."""
        self.seen = batch.messages
        budget = Budget(day=batch.day, limit=self._settings.guards.daily_parts, spent=batch.spent)
        totals, slots = Counter(batch.totals), Counter(self._slots)
        settlements: list[Settlement | None] = []
        until = time.monotonic() + LONGEST_DECIDING_S
        for message in batch.messages:
            if settlements and time.monotonic() > until:
                break
            settlements.append(self._settlement(message, budget, totals, slots))
        return settlements + [None] * (len(batch.messages) - len(settlements))

    def quarantine(self, message: UnroutedMessage, fault: str) -> Settlement:
        """The settlement of a message that cannot be routed. It is kept as it came, and the admin chat is told."""
        inbound = message.inbound
        params: dict[str, Json] = {"account": inbound.account, "smsid": inbound.smsid, "fault": fault}
        post = alert_post("alert.quarantine", params, key=f"quarantine:{inbound.id}", inbound_id=inbound.id)
        return Settlement(
            inbound_id=inbound.id,
            subscriber=inbound.subscriber,
            contact_version=message.contact.version,
            now=self._now,
            state=InboundState.QUARANTINED,
            rule=None,
            rules_version=self._rules.version,
            outcome=RoutingOutcome(fault=fault),
            posts=(post,),
        )

    def settled(self, routed: Sequence[Routed]) -> None:
        """After the commit: send what was inserted as ``sending``, give back the other slots, and log each message."""
        used: Counter[str] = Counter()
        for each in routed:
            for sms in each.sending:
                used[sms.account] += 1
                self._launcher.launch(sms)
            _log(each.inbound, each.settlement)
        self._give_back(used)

    def failed(self) -> None:
        """Nothing was settled, or nobody knows: give back all slots."""
        self._give_back(Counter())

    def _give_back(self, used: Counter[str]) -> None:
        for account, count in self._slots.items():
            if count > used[account]:
                self._launcher.give_back(account, count - used[account])

    def _settlement(
        self, message: UnroutedMessage, budget: Budget, totals: Counter[str], slots: Counter[str]
    ) -> Settlement:
        """``totals``: matches of the rules that are limited over all subscribers. Those of this message are added."""
        inbound = message.inbound
        if inbound.fault is not None:
            return self.quarantine(message, inbound.fault)
        decision = self._decide(message, totals)
        totals.update(fired.rule for fired in decision.fired if RuleCounter.MATCH in fired.counted)
        slot = slots[inbound.account] > 0
        try:
            settlement = plan(message, decision, settings=self._settings, budget=budget, now=self._now, slot=slot)
        except Exception as error:  # a fault of ours: people see the message, and the messages behind it are routed
            log.error(
                "plan_failed", inbound_id=inbound.id, error_class=type(error).__name__, trace=safe_traceback(error)
            )
            return self.quarantine(message, f"internal error ({type(error).__name__})")
        if slot and settlement.replies:
            slots[inbound.account] -= 1
        return settlement

    def _decide(self, message: UnroutedMessage, totals: Mapping[str, int]) -> Decision:
        inbound = message.inbound
        try:
            return self._rules.decide(rule_message(message, totals), inbound.received_at)
        except Exception as error:  # a fault of ours in one message must not stop the messages behind it
            log.error(
                "rules_failed", inbound_id=inbound.id, error_class=type(error).__name__, trace=safe_traceback(error)
            )
            failed = FiredRule(rule="", file="", line=0, error=f"internal error ({type(error).__name__})")
            return Decision(fired=(failed,), rules_version=self._rules.version)


def _log(inbound: Inbound, settlement: Settlement) -> None:
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
