"""Shows what would be done with a sample message, by the same rules and the same plan. Writes nothing. Pure."""

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
    """A sample message, as the platform would deliver it."""

    text: str
    sender: str
    receiver: str
    prefix: str
    account: str
    at: Ms


@value_object
class DryRun:
    """The result of a dry run."""

    subscriber: str
    """The sender, normalised."""
    explanation: Explanation
    settlement: Settlement
    """The settlement that routing would write, if no automatic reply was sent to the subscriber lately or to anyone
    today."""


def dry_run(sample: SampleMessage, *, rules: RuleSet, settings: Settings, contact: Contact) -> DryRun:
    """Decide and plan the message for this contact, at the time ``sample.at``."""
    inbound = _inbound(sample, contact.subscriber)
    message = UnroutedMessage(inbound=inbound, contact=contact, recent=())
    explanation = explain(rules, rule_message(message, {}), sample.at)
    budget = Budget(day=day_of(sample.at), limit=settings.guards.daily_parts, spent=0)
    settlement = plan(message, explanation.decision, settings=settings, budget=budget, now=sample.at)
    return DryRun(subscriber=contact.subscriber, explanation=explanation, settlement=settlement)


def subscriber_of(sample: SampleMessage, settings: Settings) -> str:
    """The sender's number, normalised as for a stored message."""
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
