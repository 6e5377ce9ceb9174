"""What the store tells of what it holds."""

from __future__ import annotations

from bridge.model.answers import AccountState
from bridge.model.base import InboundId, Ms, SmsId
from bridge.value import value_object


@value_object
class Restoration:
    """What was found open in a copy of the store when a bridge first ran on it."""

    taken_at: Ms
    """When the copy was made. What happened later is not in it."""
    restored_at: Ms
    """What operators wrote or pressed before that is not acted upon."""
    last_inbound: InboundId
    """No rule answers this message or an earlier one any more."""
    sms: int
    """SMS that waited or were being sent: ``uncertain`` now."""
    inbound: int
    """Messages that were not routed: people see them, no rule answers."""
    updates: int
    """Updates of Telegram that were not processed: what they say is not sent."""


@value_object
class LongestWaits:
    """How far ahead anything is ever planned. What is planned further was planned by a clock that was wrong."""

    sms: Ms
    poll: Ms
    post: Ms
    takeover: Ms


@value_object
class Downtime:
    """A time in which no bridge ran on the store."""

    since: Ms
    """The last sign of life before it."""
    until: Ms
    """The start after it."""


@value_object
class HistoryLine:
    """One line of a subscriber's or an SMS's history, oldest first."""

    at: Ms
    what: str
    """``in``, ``out``, ``move``, ``post``, ``act``."""
    text: str
    state: str
    account: str
    detail: str
    sms_id: SmsId | None = None
    inbound_id: InboundId | None = None
    author: str = ""
    """Who decided it, where a person did."""


@value_object
class QueueStatus:
    """Counts and ages for ``status``, the probes and the metrics."""

    inbound_new: int
    inbound_oldest: Ms | None
    inbound_quarantined: int
    sms_by_state: dict[str, int]
    """Without ``delivered``: that count would grow with every SMS ever sent."""
    sms_oldest_queued: Ms | None
    sms_oldest_draft: Ms | None
    """Since when the oldest waits for a person's word."""
    posts_waiting: int
    posts_oldest: Ms | None
    updates_pending: int
    updates_parked: int
    last_inbound_at: Ms | None
    accounts: tuple[AccountState, ...]


@value_object
class InboundRange:
    """Messages that rules decided about, from one to another."""

    first: InboundId
    last: InboundId
    count: int
