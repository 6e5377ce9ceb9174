"""An SMS from a subscriber."""

from __future__ import annotations

from enum import StrEnum

from bridge.model.base import InboundId, Ms
from bridge.model.routing_outcome import RoutingOutcome
from bridge.value import value_object


class InboundState(StrEnum):
    """The state of an inbound message."""

    NEW = "new"
    ROUTED = "routed"
    QUARANTINED = "quarantined"
    WAITING = "waiting"
    """Reserved for rules that wait (a call, a question)."""


@value_object
class InboundCall:
    """One callback of the platform, parsed and not stored yet. Source: the platform's document, "incoming messages"."""

    account: str
    smsid: str
    sender: str
    """As the platform wrote it."""
    subscriber: str
    """``sender`` normalised: digits of the international number without ``+``. Short numbers and names stay."""
    receiver: str
    prefix: str
    text: str
    date_raw: str
    date: Ms | None
    """The platform's own time of the message; None if its format is unknown."""
    raw_query: bytes
    """The query as it came, without the callback's secret."""
    content_hash: bytes
    """Hash of the percent-decoded bytes of sender, receiver and text. With account and smsid it identifies a repeat."""
    received_at: Ms
    fault: str | None = None
    """Why the call was malformed. Such a message is quarantined: stored, acknowledged and shown to the team."""


@value_object
class Inbound:
    """A stored inbound SMS."""

    id: InboundId
    account: str
    smsid: str
    sender: str
    subscriber: str
    receiver: str
    prefix: str
    text: str
    date_raw: str
    date: Ms | None
    received_at: Ms
    state: InboundState
    fault: str | None
    conflict_of: InboundId | None
    """An earlier message with the same account and smsid but other content. The team gets an alert."""
    repeats: int
    """How often the platform repeated the call."""
    rule: str | None
    rules_version: str | None
    outcome: RoutingOutcome | None
    """None: not routed yet."""


@value_object
class AcceptedCall:
    """A callback that was stored or counted as a repeat. It is returned only after the commit."""

    id: InboundId
    new: bool
    repeats: int
