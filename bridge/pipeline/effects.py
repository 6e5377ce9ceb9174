"""Turns a stored message into what rules see of it, and a decision into the changes that the store writes. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from bridge.model.base import Ms
from bridge.model.contact import Contact, ContactChange, RuleCounter, RuleUse
from bridge.model.decision import Decision, FiredRule, OptOutEffect
from bridge.model.post import OptQuestion
from bridge.model.routing import UnroutedMessage
from bridge.model.routing_outcome import RoutingResult
from bridge.rules.context import LANGUAGE_VALUE, ContactFacts, RuleMessage, Uses

_NO_USES = Uses()
_RESULTS = {
    OptOutEffect.OUT: RoutingResult.OPTED_OUT,
    OptOutEffect.IN: RoutingResult.OPTED_IN,
    OptOutEffect.ASK_OUT: RoutingResult.ASKED_TO_OPT_OUT,
    OptOutEffect.ASK_IN: RoutingResult.ASKED_TO_OPT_IN,
}

# ------------------------------------------------ what rules see


def rule_message(message: UnroutedMessage, totals: Mapping[str, int]) -> RuleMessage:
    """Build the message as rules see it. ``totals``: matches of the rules that are limited over all subscribers."""
    inbound, contact = message.inbound, message.contact
    return RuleMessage(
        text=inbound.text,
        sender=inbound.sender,
        subscriber=inbound.subscriber,
        receiver=inbound.receiver,
        prefix=inbound.prefix,
        account=inbound.account,
        date=inbound.date,
        contact_name=contact.name,
        id=inbound.id,
        contact=contact_facts(contact),
        conversation_open=contact.robot_paused_until > inbound.received_at,
        uses=_uses(message, totals),
    )


def contact_facts(contact: Contact) -> ContactFacts:
    """The facts about a subscriber as rules see them."""
    return ContactFacts(
        tags=contact.tags,
        values=contact.values,
        language=contact.values.get(LANGUAGE_VALUE, ""),
        first_time=contact.first_seen_at is None,
        opted_out=contact.opted_out,
        blocked=contact.blocked,
    )


def _uses(message: UnroutedMessage, totals: Mapping[str, int]) -> Uses:
    if not message.uses and not totals:
        return _NO_USES
    by_sender: defaultdict[tuple[str, RuleCounter], list[Ms]] = defaultdict(list)
    for use in message.uses:
        by_sender[use.rule, use.what].append(use.at)
    return Uses(by_sender={key: tuple(times) for key, times in by_sender.items()}, totals=dict(totals))


# ------------------------------------------------ what rules change and count


def with_opt_outs(contact: Contact, decision: Decision) -> Iterator[tuple[FiredRule, bool]]:
    """Each rule that fired, with True if its replies would go to a number that has opted out.

    The last text that such a number gets is the confirmation by the rule that opted it out. A second opt-out is not
    confirmed.
    """
    out = contact.opted_out
    for fired in decision.fired:
        before, out = out, out if fired.contact is None else fired.contact.opted_out(out)
        confirms = not before and any(reply.confirms_opt_out for reply in fired.replies)
        yield fired, out and not confirms


def contact_change(contact: Contact, decision: Decision) -> ContactChange | None:
    """The new facts about the subscriber; None if nothing changes."""
    before = ContactChange(opted_out=contact.opted_out, tags=contact.tags, values=contact.values)
    change = before
    for fired in decision.fired:
        change = change if fired.contact is None else fired.contact.applied_to(change)
    return None if change == before else change


def rule_uses(decision: Decision, replying: Collection[str], at: Ms) -> Iterator[RuleUse]:
    """The uses of rules that are counted.

    ``replying``: rules whose replies leave. A reply that a guard held back is not counted.
    """
    for fired in decision.fired:
        for what in fired.counted:
            if what is not RuleCounter.REPLY or fired.rule in replying:
                yield RuleUse(rule=fired.rule, what=what, at=at)


def opt_question(decision: Decision) -> OptQuestion:
    """Whether operators are asked to opt the subscriber out or in, because the text was not clear; empty: not asked."""
    opts = {fired.contact.opt for fired in decision.fired if fired.contact is not None}
    if OptOutEffect.ASK_OUT in opts:
        return "out"
    return "in" if OptOutEffect.ASK_IN in opts else ""


def opt_out_results(decision: Decision) -> Iterator[RoutingResult]:
    """The opt-outs and opt-ins of the decision, for the outcome of the message."""
    for fired in decision.fired:
        if fired.contact is not None and fired.contact.opt is not None:
            yield _RESULTS[fired.contact.opt]
