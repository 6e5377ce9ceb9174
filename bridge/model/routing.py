"""The batch that the router claims in one transaction, and the settlements that it writes in one."""

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
    """Automatic replies to this subscriber since :attr:`ClaimRequest.recent_since`, the oldest first."""
    restored: bool = False
    """The message came with a copy of the store. The original may have answered it after the copy was made."""
    uses: tuple[RuleUse, ...] = ()
    """Uses of rules by this subscriber since :attr:`ClaimRequest.uses_since`."""


@value_object
class ClaimRequest:
    """The size of the batch that the router claims, and the counts that it reads with the messages."""

    limit: int
    """At most this many messages."""
    recent_since: Ms
    """Since when automatic replies count for the guards."""
    day: str
    """The day whose spent parts are read, ``YYYY-MM-DD`` in UTC."""
    uses_since: Ms | None = None
    """Since when a subscriber's uses of rules count; None: they are not read."""
    totals: Mapping[str, Ms] = field(default_factory=dict)
    """Rules that are limited over all subscribers, each with the time since which its matches count."""


@value_object
class ClaimedBatch:
    """The oldest messages that are not routed, at most one of each subscriber, and the parts spent on that day."""

    messages: tuple[UnroutedMessage, ...]
    day: str
    spent: int
    """Parts of automatic replies written on that day, over all accounts."""
    totals: Mapping[str, int] = field(default_factory=dict)
    """Matches of the rules in :attr:`ClaimRequest.totals`."""


@value_object
class ForwardPost:
    """A post that shows the message in a chat. The same transaction makes or updates the conversation."""

    chat: str
    payload: InboundPayload


@value_object
class Settlement:
    """Everything that routing one inbound message writes, in one transaction or not at all."""

    inbound_id: InboundId
    subscriber: str
    contact_version: int
    """The version that was read with the message. If it has changed, ``settle`` returns ``None``, and the message is
    decided again."""
    now: Ms
    state: InboundState
    rule: str | None
    rules_version: str
    outcome: RoutingOutcome
    replies: tuple[NewSms, ...] = ()
    spend_limit: int | None = None
    """Parts that automatic replies may cost on one day, over all accounts. Above it the message is decided again."""
    spend_day: str = ""
    """The day that ``spend_limit`` is about, ``YYYY-MM-DD`` in UTC."""
    forwards: tuple[ForwardPost, ...] = ()
    posts: tuple[NewPost, ...] = ()
    alerts: tuple[Alert, ...] = ()
    contact: ContactChange | None = None
    uses: tuple[RuleUse, ...] = ()


@value_object
class Settled:
    """The result of settling one message."""

    inbound_id: InboundId
    sending: tuple[Sms, ...] = ()
    """Rows that were inserted as ``sending``: the caller must send them now."""
