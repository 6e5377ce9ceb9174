"""What the router reads and writes, each together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from bridge.model.alert import Alert
from bridge.model.base import InboundId, Ms
from bridge.model.contact import Contact, ContactChange, RecentReply, RuleUse
from bridge.model.inbound import Inbound, InboundState
from bridge.model.post import InboundPayload, NewPost
from bridge.model.routing_outcome import RoutingOutcome
from bridge.model.sms import NewSms, Sms
from bridge.value import value_object


@value_object
class UnroutedMessage:
    """An inbound message with all that a decision may depend on, read together."""

    inbound: Inbound
    contact: Contact
    recent: tuple[RecentReply, ...]
    """Automatic replies to this subscriber since the time the router asked for, oldest first."""
    restored: bool = False
    """It waited in a copy of the store that was put back: a rule may have answered it after the copy was made."""
    uses: tuple[RuleUse, ...] = ()
    """Of this subscriber, as far back as the claim asked."""


@value_object
class ClaimRequest:
    """What the router wants to be told of."""

    limit: int
    """Messages."""
    recent_since: Ms
    """Since when automatic replies count against the guards' budgets."""
    day: str
    """``YYYY-MM-DD``, whose spend counts."""
    uses_since: Ms | None = None
    """Since when a subscriber's uses of rules count; None: not at all."""
    totals: Mapping[str, Ms] = field(default_factory=dict)
    """Rules that are limited over all subscribers, each with the time since which its matches count."""


@value_object
class ClaimedBatch:
    """The oldest messages that nobody has routed, at most one of each subscriber, and what their replies may cost."""

    messages: tuple[UnroutedMessage, ...]
    day: str
    spent: int
    """Parts of automatic replies written on that day, over all accounts."""
    totals: Mapping[str, int] = field(default_factory=dict)
    """Matches of the rules that the claim named."""


@value_object
class ForwardPost:
    """A forward to write: the conversation (chat, subscriber) is made or brought up to date with the post."""

    chat: str
    payload: InboundPayload


@value_object
class Settlement:
    """Everything that routing one inbound message writes, in one transaction or not at all."""

    inbound_id: InboundId
    subscriber: str
    contact_version: int
    """As read with the message; another value in the store means: decide again (``settle`` answers ``None``)."""
    now: Ms
    state: InboundState
    rule: str | None
    rules_version: str
    outcome: RoutingOutcome
    replies: tuple[NewSms, ...] = ()
    spend_limit: int | None = None
    """Parts a day that automatic replies may cost over all accounts; above it: decide again."""
    spend_day: str = ""
    """The day the spend counts for, ``YYYY-MM-DD`` in UTC."""
    forwards: tuple[ForwardPost, ...] = ()
    posts: tuple[NewPost, ...] = ()
    alerts: tuple[Alert, ...] = ()
    contact: ContactChange | None = None
    uses: tuple[RuleUse, ...] = ()


@value_object
class Settled:
    """What ``settle`` wrote."""

    inbound_id: InboundId
    sending: tuple[Sms, ...] = ()
    """Rows that are ``sending`` already: the caller must send them now."""
