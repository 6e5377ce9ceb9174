"""The records of the simulated platform: requests it read, results of callbacks, events. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from bridge.model.base import Ms
from bridge.sandbox.faults import Fault, RequestKind
from bridge.sandbox.ledger import TakenSms
from bridge.value import value_object

THANKS = "Спасибо, ваше сообщение получено"
"""The platform's own text to a subscriber whose message it received (platform's document)."""


@value_object
class SeenRequest:
    """A request that the platform read, and its answer."""

    kind: RequestKind
    at: Ms
    fields: Mapping[str, str]
    """The decoded parameters in their order, without ``pwd``."""
    method: str
    path: str
    connection: int
    """Number of the TCP connection, from 1."""
    fault: Fault | None
    """The fault that was applied to it."""
    answer: str
    """The words of the page. Under a fault they may never have reached the client."""


@value_object
class CallbackResult:
    """The result of one call of the bridge's callback."""

    smsid: str
    status: int
    """HTTP status; 0 if no answer came."""
    body: str
    acknowledged: bool
    """By the platform's test: the body contains ``smsid=<id>`` or ``id_sms=<id>``, whatever the status is."""
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    calls: int = 1
    """Number of the calls up to this result."""


class EventKind(StrEnum):
    """The kinds of events at the platform."""

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
    """An event; only the field that belongs to ``kind`` is set."""

    kind: EventKind
    at: Ms
    request: SeenRequest | None = None
    sms: TakenSms | None = None
    result: CallbackResult | None = None
    recipient: str = ""
    """``THANKED``: the subscriber."""
