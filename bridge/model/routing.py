"""What routing reads of the messages in a transaction, and what it writes in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

from bridge.model.alert import Alert
from bridge.model.base import InboundId, Ms
from bridge.model.contact import Contact, ContactChange, RecentReply, RuleUse
from bridge.model.inbound import AcceptedCall, Inbound, InboundCall, InboundState
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
    """Automatic replies to this subscriber since :attr:`FactsWanted.recent_since`, the oldest first."""
    restored: bool = False
    """The message came with a copy of the store. The original may have answered it after the copy was made."""
    uses: tuple[RuleUse, ...] = ()
    """Uses of rules by this subscriber since :attr:`FactsWanted.uses_since`."""


@value_object
class FactsWanted:
    """What is read with the messages, besides their contacts."""

    recent_since: Ms
    """Since when automatic replies count for the guards."""
    day: str
    """The day whose spent parts are read, ``YYYY-MM-DD`` in UTC."""
    uses_since: Ms | None = None
    """Since when a subscriber's uses of rules count; None: they are not read."""
    totals: Mapping[str, Ms] = field(default_factory=dict)
    """Rules that are limited over all subscribers, each with the time since which its matches count."""


@value_object
class RoutingBatch:
    """Messages that are not routed, at most one of each subscriber, and the parts spent on the day."""

    messages: tuple[UnroutedMessage, ...]
    day: str
    spent: int
    """Parts of automatic replies written on that day, over all accounts."""
    totals: Mapping[str, int] = field(default_factory=dict)
    """Matches of the rules in :attr:`FactsWanted.totals`."""


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
    """The version that was read with the message. If it has changed, nothing is written: the message stays ``new``."""
    now: Ms
    state: InboundState
    rule: str | None
    rules_version: str
    outcome: RoutingOutcome
    replies: tuple[NewSms, ...] = ()
    spend_limit: int | None = None
    """Parts that automatic replies may cost on one day, over all accounts. Above it nothing is written, and the message
    stays ``new``."""
    spend_day: str = ""
    """The day that ``spend_limit`` is about, ``YYYY-MM-DD`` in UTC."""
    forwards: tuple[ForwardPost, ...] = ()
    posts: tuple[NewPost, ...] = ()
    alerts: tuple[Alert, ...] = ()
    contact: ContactChange | None = None
    uses: tuple[RuleUse, ...] = ()


Decide = Callable[[RoutingBatch], Sequence[Settlement | None]]
"""Decides the messages of a batch. Returns a settlement for each, in their order; None leaves a message ``new``.

It runs inside a transaction, perhaps in another thread and more than once. So it must be quick, must not wait, and must
change nothing but its result.
"""


@value_object
class Intake:
    """What one transaction takes in."""

    calls: Sequence[InboundCall]
    wanted: FactsWanted
    decide: Decide | None = None
    """None: the messages are stored and left ``new``."""


@value_object
class Routed:
    """A message that was decided and written."""

    inbound: Inbound
    """As it was read, before it was settled."""
    settlement: Settlement
    sending: tuple[Sms, ...] = ()
    """Rows that were inserted as ``sending``: the caller must send them now."""


@value_object
class TakenIn:
    """The result of :meth:`~bridge.ports.inbox.InboxStore.take_in`, after its commit."""

    calls: tuple[AcceptedCall, ...]
    """For each callback, in their order."""
    routed: tuple[Routed, ...] = ()
    """The messages that were decided at once. The other new messages are left ``new``."""
