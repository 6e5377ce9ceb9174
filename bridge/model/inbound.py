"""An SMS that came in."""

from __future__ import annotations

from enum import StrEnum

from bridge.model.base import InboundId, Ms
from bridge.model.routing_outcome import RoutingOutcome
from bridge.value import value_object


class InboundState(StrEnum):
    NEW = "new"
    ROUTED = "routed"
    QUARANTINED = "quarantined"
    WAITING = "waiting"
    """Reserved for rules that wait (a call, a question)."""


@value_object
class InboundCall:
    """One callback of the platform, parsed and not yet stored (the platform's document, incoming messages)."""

    account: str
    smsid: str
    sender: str
    """As the platform wrote it."""
    subscriber: str
    """``sender`` normalised: digits of the international number without ``+``; short numbers and names as they are."""
    receiver: str
    prefix: str
    text: str
    date_raw: str
    date: Ms | None
    """The platform's own time of the message, if its form was known."""
    raw_query: bytes
    """The query as it came, the callback's secret taken out."""
    content_hash: bytes
    """Of the percent-decoded bytes of sender, receiver and text: with account and smsid the key of a duplicate."""
    received_at: Ms
    fault: str | None = None
    """Why the call was malformed; such a message is stored, acknowledged and put to the team (quarantine)."""


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
    """An earlier message with the same account and smsid and other content: an alert, not a duplicate."""
    repeats: int
    """How often the platform brought it again after the first time."""
    rule: str | None
    rules_version: str | None
    outcome: RoutingOutcome | None
    """None: not routed yet."""


@value_object
class Accepted:
    """What became of a callback. Returned only after the commit."""

    id: InboundId
    new: bool
    repeats: int
