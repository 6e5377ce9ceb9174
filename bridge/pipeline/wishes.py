"""What rules want changed of what is known of a subscriber, and what counts against their own limits. Pure.

The engine only wishes; here a wish becomes what the store writes with the message that was the reason for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from bridge.model.base import Ms
from bridge.model.contact import Contact, ContactChange, RuleCounter, RuleUse
from bridge.model.decision import Decision, FiredRule, OptOutEffect
from bridge.model.post import OptQuestion
from bridge.model.routing_outcome import RoutingResult

_RESULTS = {
    OptOutEffect.OUT: RoutingResult.OPTED_OUT,
    OptOutEffect.IN: RoutingResult.OPTED_IN,
    OptOutEffect.ASK_OUT: RoutingResult.ASKED_TO_OPT_OUT,
    OptOutEffect.ASK_IN: RoutingResult.ASKED_TO_OPT_IN,
}


def opted_out(contact: Contact, decision: Decision) -> Iterator[tuple[FiredRule, bool]]:
    """Each rule, and whether its replies would go to a number that has opted out.

    The confirmation by the rule that did it is the last text such a number gets: the same word once more gets none.
    """
    out = contact.opted_out
    for fired in decision.fired:
        before, out = out, _after(fired, out)
        confirms = not before and any(reply.confirms_opt_out for reply in fired.replies)
        yield fired, out and not confirms


def remembered(contact: Contact, decision: Decision) -> ContactChange | None:
    """What is known of the subscriber from now on; None where nothing changes."""
    out, tags, values = contact.opted_out, dict.fromkeys(contact.tags), dict(contact.values)
    for fired in decision.fired:
        out = _after(fired, out)
        if (wish := fired.contact) is not None:
            tags |= dict.fromkeys(wish.tag)
            tags = {tag: None for tag in tags if tag not in wish.untag}
            values |= wish.values
    before = ContactChange(opted_out=contact.opted_out, tags=contact.tags, values=contact.values)
    change = ContactChange(opted_out=out, tags=tuple(tags), values=values)
    return None if change == before else change


def used(decision: Decision, answering: Collection[str], at: Ms) -> Iterator[RuleUse]:
    """``answering``: rules whose replies leave. A reply that a guard took away was not given and does not count."""
    for fired in decision.fired:
        for what in fired.counted:
            if what is not RuleCounter.REPLY or fired.rule in answering:
                yield RuleUse(rule=fired.rule, what=what, at=at)


def opt_question(decision: Decision) -> OptQuestion:
    """For the post that shows the message: what people are to decide, since its words were not clear enough."""
    wanted = {fired.contact.opt for fired in decision.fired if fired.contact is not None}
    if OptOutEffect.ASK_OUT in wanted:
        return "out"
    return "in" if OptOutEffect.ASK_IN in wanted else ""


def opt_out_results(decision: Decision) -> Iterator[RoutingResult]:
    """The effects on automatic texts to the sender, for the outcome of the message."""
    for fired in decision.fired:
        if fired.contact is not None and fired.contact.opt is not None:
            yield _RESULTS[fired.contact.opt]


def _after(fired: FiredRule, out: bool) -> bool:
    match fired.contact.opt if fired.contact is not None else None:
        case OptOutEffect.OUT:
            return True
        case OptOutEffect.IN:
            return False
        case _:
            return out
