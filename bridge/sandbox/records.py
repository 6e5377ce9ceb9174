"""What the simulated platform remembers and tells: requests it read, callbacks it made, events.

Values only; nothing here acts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from bridge.model.base import Ms
from bridge.sandbox.faults import Fault, RequestKind
from bridge.sandbox.ledger import TakenSms
from bridge.value import value_object

THANKS = "Спасибо, ваше сообщение получено"
"""The platform's own text to a subscriber whose message it got (its document)."""


@value_object
class SeenRequest:
    """A request that the platform read, with what it answered."""

    kind: RequestKind
    at: Ms
    fields: Mapping[str, str]
    """Decoded, in their order, without ``pwd``."""
    method: str
    path: str
    connection: int
    """Number of the TCP connection it came by, from 1."""
    fault: Fault | None
    """The misbehaviour it met, if any."""
    answer: str
    """What the page had to say; under a fault it may never have reached the client."""


@value_object
class CallbackResult:
    """One call of the bridge's callback and its result."""

    smsid: str
    status: int
    """HTTP status; 0 where no answer came."""
    body: str
    acknowledged: bool
    """As the platform judges: the body has ``smsid=<id>`` or ``id_sms=<id>`` in it, whatever the status."""
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    calls: int = 1
    """How often the platform called to get here."""


class EventKind(StrEnum):
    ASKED = "asked"
    """A request was read."""
    TAKEN = "taken"
    """An SMS was charged; it is on its way to the subscriber's phone."""
    REPORTED = "reported"
    """A status was set by hand."""
    CUT = "cut"
    """A connection was closed before anything was read from it."""
    THANKED = "thanked"
    """The platform itself texted :data:`THANKS` to the subscriber."""
    CALLED_BACK = "called_back"
    """The bridge's callback was called."""


@value_object
class PlatformEvent:
    """Something happened; only the field that belongs to ``kind`` is set."""

    kind: EventKind
    at: Ms
    request: SeenRequest | None = None
    sms: TakenSms | None = None
    result: CallbackResult | None = None
    recipient: str = ""
    """``THANKED``: the subscriber."""
