"""What would be done with a message that never came: the same rules, the same plan, nothing is written. Pure."""

from __future__ import annotations

from bridge.config import Settings
from bridge.model.base import InboundId, Ms
from bridge.model.contact import Contact
from bridge.model.inbound import Inbound, InboundState
from bridge.model.routing import Settlement, UnroutedMessage
from bridge.pipeline.clock import day_of
from bridge.pipeline.effects import rule_message
from bridge.pipeline.plan import Budget, plan
from bridge.rules import RuleSet
from bridge.rules.explain import Explanation, explain
from bridge.text import phones
from bridge.value import value_object


@value_object
class SampleMessage:
    """The message, as the platform would bring it."""

    text: str
    sender: str
    receiver: str
    prefix: str
    account: str
    at: Ms


@value_object
class DryRun:
    subscriber: str
    """The sender, normalised."""
    explanation: Explanation
    settlement: Settlement
    """What routing would write for a subscriber who got no automatic reply lately."""


def dry_run(sample: SampleMessage, *, rules: RuleSet, settings: Settings, contact: Contact) -> DryRun:
    inbound = _inbound(sample, contact.subscriber)
    item = UnroutedMessage(inbound=inbound, contact=contact, recent=())
    explanation = explain(rules, rule_message(item, {}), sample.at)
    budget = Budget(day=day_of(sample.at), limit=settings.guards.daily_parts, spent=0)
    settlement = plan(item, explanation.decision, settings=settings, budget=budget, now=sample.at)
    return DryRun(subscriber=contact.subscriber, explanation=explanation, settlement=settlement)


def subscriber_of(sample: SampleMessage, settings: Settings) -> str:
    return phones.normalise(sample.sender, settings.region)


def _inbound(sample: SampleMessage, subscriber: str) -> Inbound:
    return Inbound(
        id=InboundId(0),
        account=sample.account,
        smsid="",
        sender=sample.sender,
        subscriber=subscriber,
        receiver=sample.receiver,
        prefix=sample.prefix,
        text=sample.text,
        date_raw="",
        date=sample.at,
        received_at=sample.at,
        state=InboundState.NEW,
        fault=None,
        conflict_of=None,
        repeats=0,
        rule=None,
        rules_version=None,
        outcome=None,
    )
