"""A stored message and what is known of its sender, as rules see it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from bridge.model.base import Ms
from bridge.model.contact import Contact, RuleCounter
from bridge.model.routing import UnroutedMessage
from bridge.rules.context import ContactFacts, RuleMessage, Uses

_NO_USES = Uses()
_LANGUAGE = "language"
"""The value of a contact that chooses among the texts of a reply: ``set: {language: en}``."""


def as_rules_see(item: UnroutedMessage, totals: Mapping[str, int]) -> RuleMessage:
    """``totals``: matches of the rules that are limited over all senders."""
    inbound, contact = item.inbound, item.contact
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
        uses=_uses(item, totals),
    )


def contact_facts(contact: Contact) -> ContactFacts:
    return ContactFacts(
        tags=contact.tags,
        values=contact.values,
        language=contact.values.get(_LANGUAGE, ""),
        first_time=contact.first_seen_at is None,
        opted_out=contact.opted_out,
        blocked=contact.blocked,
    )


def _uses(item: UnroutedMessage, totals: Mapping[str, int]) -> Uses:
    if not item.uses and not totals:
        return _NO_USES
    by_sender: defaultdict[tuple[str, RuleCounter], list[Ms]] = defaultdict(list)
    for use in item.uses:
        by_sender[use.rule, use.what].append(use.at)
    return Uses(by_sender={key: tuple(times) for key, times in by_sender.items()}, totals=dict(totals))
