"""What would be done with a message that never came: the same rules, the same plan, and nothing is written. Pure."""

from __future__ import annotations

from bridge.config import Settings
from bridge.model.base import InboundId, Ms
from bridge.model.contact import Contact
from bridge.model.inbound import Inbound, InboundState
from bridge.model.routing import Settlement, UnroutedMessage
from bridge.pipeline.clock import day_of
from bridge.pipeline.facts import as_rules_see
from bridge.pipeline.plan import Budget, plan
from bridge.rules import RuleSet
from bridge.rules.explain import Explanation, explain
from bridge.text import phones
from bridge.value import value_object


@value_object
class Written:
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
    """What routing would write, as for somebody who got no automatic reply lately."""


def dry_run(written: Written, *, rules: RuleSet, settings: Settings, contact: Contact) -> DryRun:
    inbound = _inbound(written, contact.subscriber)
    item = UnroutedMessage(inbound=inbound, contact=contact, recent=())
    explanation = explain(rules, as_rules_see(item, {}), written.at)
    budget = Budget(day=day_of(written.at), limit=settings.guards.daily_parts, spent=0)
    settlement = plan(item, explanation.decision, settings=settings, budget=budget, now=written.at)
    return DryRun(subscriber=contact.subscriber, explanation=explanation, settlement=settlement)


def subscriber_of(written: Written, settings: Settings) -> str:
    return phones.normalise(written.sender, settings.region)


def _inbound(written: Written, subscriber: str) -> Inbound:
    return Inbound(
        id=InboundId(0),
        account=written.account,
        smsid="",
        sender=written.sender,
        subscriber=subscriber,
        receiver=written.receiver,
        prefix=written.prefix,
        text=written.text,
        date_raw="",
        date=written.at,
        received_at=written.at,
        state=InboundState.NEW,
        fault=None,
        conflict_of=None,
        repeats=0,
        rule=None,
        rules_version=None,
        outcome=None,
    )
