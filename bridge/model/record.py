"""Facts about the store, for people who read it and for the watches."""

from __future__ import annotations

from bridge.model.answers import AccountState
from bridge.model.base import InboundId, Ms, SmsId
from bridge.value import value_object


@value_object
class Restoration:
    """The unfinished work in a copy of the store when a service started on the copy for the first time."""

    taken_at: Ms
    """When the copy was made. Later events are not in it."""
    restored_at: Ms
    """When the service started on it. Messages and presses of operators from before this time have no effect."""
    last_inbound: InboundId
    """The newest message in the copy. Rules do not reply to it or to an earlier one."""
    sms: int
    """How many SMS waited or were being sent. They are ``uncertain`` now."""
    inbound: int
    """How many messages were not routed. People see them, and rules do not reply."""
    updates: int
    """How many updates of Telegram were not processed. Their texts are not sent."""


@value_object
class LongestWaits:
    """The longest waits that the bridge plans, by kind of row. A row that waits longer was written by a wrong clock."""

    sms: Ms
    poll: Ms
    post: Ms
    takeover: Ms


@value_object
class Downtime:
    """A time in which no node ran on the store."""

    since: Ms
    """The last sign of life before it."""
    until: Ms
    """The start after it."""


@value_object
class HistoryLine:
    """One line in the history of a subscriber or of an SMS."""

    at: Ms
    what: str
    """``in``: inbound, ``out``: outbound, ``move``: change of state, ``post``: post in a chat, ``act``: action."""
    text: str
    state: str
    account: str
    detail: str
    sms_id: SmsId | None = None
    inbound_id: InboundId | None = None
    author: str = ""
    """The person who decided it; empty: it was not a person's decision."""


@value_object
class QueueStatus:
    """Counts and ages for ``status``, the probes and the metrics."""

    inbound_new: int
    inbound_oldest: Ms | None
    inbound_quarantined: int
    sms_by_state: dict[str, int]
    """The state ``delivered`` is left out, because its number grows with every SMS."""
    sms_oldest_queued: Ms | None
    sms_oldest_draft: Ms | None
    """The time since which the oldest draft waits for a decision."""
    posts_waiting: int
    posts_oldest: Ms | None
    updates_pending: int
    updates_parked: int
    last_inbound_at: Ms | None
    accounts: tuple[AccountState, ...]


@value_object
class InboundRange:
    """A range of messages that rules decided about."""

    first: InboundId
    last: InboundId
    count: int
