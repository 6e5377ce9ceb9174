"""An outbound SMS: its states, and the table of allowed moves between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum

from bridge.model.base import DAY, ConversationId, InboundId, Ms, SmsId
from bridge.model.post import NewPost
from bridge.value import value_object


class SmsState(StrEnum):
    """The state of an outbound SMS."""

    DRAFT = "draft"
    """Waits for a person's decision."""
    QUEUED = "queued"
    SENDING = "sending"
    """Committed before the request leaves. A start that finds such a row makes it ``uncertain``."""
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"
    UNCONFIRMED = "unconfirmed"
    """The bridge stopped polling for its delivery report."""
    FAILED = "failed"
    PARKED = "parked"
    """The platform took it and keeps it until a top-up. The bridge must not send it again by itself."""
    UNCERTAIN = "uncertain"
    """The request may have arrived. A person decides."""
    CANCELLED = "cancelled"
    STALE = "stale"
    """Not sent, because it waited too long in the queue (ttl) or for a person's decision."""
    ABANDONED = "abandoned"
    """A person left an ``uncertain`` or ``parked`` SMS as it is, or sent it again as a new row."""

    @property
    def is_initial(self) -> bool:
        """A new row may be written in this state."""
        return self in (SmsState.DRAFT, SmsState.QUEUED, SmsState.SENDING)

    @property
    def is_final(self) -> bool:
        """No move leads out of this state."""
        return not self.is_open and self is not SmsState.SENT

    @property
    def is_open(self) -> bool:
        """Waiting, under way, or with an outcome that is not known yet."""
        return self.is_initial or self.needs_person

    @property
    def is_waiting(self) -> bool:
        """The request has not left. The text and the order can be changed, and the SMS can be stopped."""
        return self in (SmsState.DRAFT, SmsState.QUEUED)

    @property
    def is_under_way(self) -> bool:
        """The bridge sends it without another decision."""
        return self in (SmsState.QUEUED, SmsState.SENDING)

    @property
    def is_accepted(self) -> bool:
        """The platform took it, and no report says that the delivery failed."""
        return self in (SmsState.SENT, SmsState.DELIVERED)

    @property
    def is_failed(self) -> bool:
        """The platform refused it or could not deliver it."""
        return self in (SmsState.FAILED, SmsState.UNDELIVERED, SmsState.EXPIRED)

    @property
    def needs_person(self) -> bool:
        """The outcome is unknown or depends on a top-up: a person decides whether to send it again."""
        return self in (SmsState.UNCERTAIN, SmsState.PARKED)

    @property
    def never_left(self) -> bool:
        """A final state of an SMS that the platform surely did not take."""
        return self in (SmsState.FAILED, SmsState.CANCELLED, SmsState.STALE)

    @property
    def may_have_left(self) -> bool:
        """The SMS may have gone to the subscriber, and the store cannot tell whether it did."""
        return self in (SmsState.SENDING, SmsState.UNCERTAIN, SmsState.PARKED, SmsState.ABANDONED)

    @property
    def can_be_sent_again(self) -> bool:
        """A person may send it again, as a new row."""
        return self.is_failed or self.needs_person or self in (SmsState.UNCONFIRMED, SmsState.STALE)


class ConfirmationReason(StrEnum):
    """Why a person is asked before an SMS leaves, or can still stop it. The ids of texts use these values."""

    PARTS = "parts"
    """More parts than ``confirm_parts``."""
    COMMAND_PARTS = "command_parts"
    """The same for a text that a command sends, where editing a message cannot make it shorter."""
    COSTLY = "costly"
    """Characters that have a cheaper substitute cost a part or more."""
    NOTE_INSIDE = "note_inside"
    """A line that is not the first begins with a note mark."""
    OPTED_OUT = "opted_out"
    BLOCKED = "blocked"
    CAPTION = "caption"
    """The message has a picture or a file, and only its caption can be sent."""
    LOCATION = "location"
    """A location can be sent as a link to a map."""
    CORRECTS_SENT = "corrects_sent"
    """The text of an operator's message that was edited after the SMS left."""
    CORRECTS_UNCLEAR = "corrects_unclear"
    """The same, where it is unknown whether the first text left."""
    CORRECTS_UNSENT = "corrects_unsent"
    """The same, where the first text surely did not leave."""
    UNDO = "undo"
    """No question is asked. The row is queued, due a moment later, and can be stopped until then."""


UNDECIDED = "undecided"
"""``Sms.reason`` of a draft that became ``stale``."""

DRAFT_LIFE: Ms = DAY
"""How long a draft waits for a decision. "We are there in an hour" must not be sent three days later."""
CORRECTIONS = frozenset(
    {ConfirmationReason.CORRECTS_SENT, ConfirmationReason.CORRECTS_UNCLEAR, ConfirmationReason.CORRECTS_UNSENT}
)


class Move(StrEnum):
    """A named change of the state of an outbound SMS. :data:`MOVES` lists the states before and after."""

    RELEASE = "release"
    HOLD_BACK = "hold_back"
    CANCEL = "cancel"
    EXPIRE_WAITING = "expire_waiting"
    REFUSE_QUEUED = "refuse_queued"
    START = "start"
    ACCEPTED = "accepted"
    RETRY = "retry"
    REFUSED = "refused"
    PARK = "park"
    LOSE_TRACK = "lose_track"
    PROVE = "prove"
    ABANDON = "abandon"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"
    GIVE_UP = "give_up"
    RESTORE = "restore"


S = SmsState
MOVES: Mapping[Move, tuple[frozenset[SmsState], SmsState]] = {
    Move.RELEASE: (frozenset({S.DRAFT}), S.QUEUED),
    Move.HOLD_BACK: (frozenset({S.QUEUED}), S.DRAFT),
    Move.CANCEL: (frozenset({S.DRAFT, S.QUEUED}), S.CANCELLED),
    Move.EXPIRE_WAITING: (frozenset({S.DRAFT, S.QUEUED}), S.STALE),
    Move.REFUSE_QUEUED: (frozenset({S.QUEUED}), S.FAILED),
    Move.START: (frozenset({S.QUEUED}), S.SENDING),
    Move.ACCEPTED: (frozenset({S.SENDING}), S.SENT),
    Move.RETRY: (frozenset({S.SENDING}), S.QUEUED),
    Move.REFUSED: (frozenset({S.SENDING}), S.FAILED),
    Move.PARK: (frozenset({S.SENDING}), S.PARKED),
    Move.LOSE_TRACK: (frozenset({S.SENDING}), S.UNCERTAIN),
    Move.PROVE: (frozenset({S.UNCERTAIN, S.PARKED}), S.SENT),
    Move.ABANDON: (frozenset({S.UNCERTAIN, S.PARKED}), S.ABANDONED),
    Move.DELIVERED: (frozenset({S.SENT}), S.DELIVERED),
    Move.UNDELIVERED: (frozenset({S.SENT}), S.UNDELIVERED),
    Move.EXPIRED: (frozenset({S.SENT}), S.EXPIRED),
    Move.GIVE_UP: (frozenset({S.SENT}), S.UNCONFIRMED),
    Move.RESTORE: (frozenset({S.DRAFT, S.QUEUED, S.SENDING}), S.UNCERTAIN),
}
"""For each move the states in which it is allowed, and the state after it. The store refuses all other changes.

docs/architecture.md explains the moves."""


class Priority(IntEnum):
    """A lower number is sent first, within a lane and within an account."""

    PERSON = 0
    AUTOMATIC = 1
    BROADCAST = 2


class Origin(StrEnum):
    """The author of an SMS: a rule, an operator in a chat, or a command of the command line."""

    RULE = "rule"
    OPERATOR = "operator"
    COMMAND = "command"


@value_object
class NewSms:
    """An SMS to write. A second SMS with the same ``key`` is not written."""

    key: str
    account: str
    recipient: str
    sender_name: str
    text: str
    parts: int
    origin: Origin
    priority: Priority
    state: SmsState = SmsState.QUEUED
    """``draft``, ``queued`` or ``sending``. The store inserts ``sending`` as ``queued`` if the lane is busy."""
    due_at: Ms = 0
    expires_at: Ms | None = None
    inbound_id: InboundId | None = None
    conversation_id: ConversationId | None = None
    chat_id: int | None = None
    """Telegram chat of the operator's message that this SMS came from, which shows its delivery status."""
    message_id: int | None = None
    author: str = ""
    """Shown to people: an operator's name and id, a rule's name, or ``cli``."""
    retry_of: SmsId | None = None
    confirmation_reasons: tuple[ConfirmationReason, ...] = ()


@value_object
class Sms:
    """A stored outbound SMS."""

    id: SmsId
    key: str
    account: str
    recipient: str
    sender_name: str
    text: str
    parts: int
    origin: Origin
    priority: Priority
    state: SmsState
    created_at: Ms
    due_at: Ms
    expires_at: Ms | None
    attempts: int
    """Requests that left or may have left, and connections that failed."""
    sending_since: Ms | None
    sent_at: Ms | None
    final_at: Ms | None
    platform_ids: tuple[str, ...]
    platform_status: str
    """The last delivery report, as it came."""
    reason: str
    """A :class:`~bridge.model.answers.SmsReason`; empty while all is well."""
    detail: str
    """The platform's words, for people. Never the text of the SMS, never a secret."""
    poll_at: Ms | None
    polls: int
    inbound_id: InboundId | None
    conversation_id: ConversationId | None
    chat_id: int | None
    message_id: int | None
    author: str
    retry_of: SmsId | None
    confirmation_reasons: tuple[ConfirmationReason, ...] = ()
    """Why a person is or was asked about it. ``state`` shows the decision."""


@value_object
class Rewrite:
    """A new text for an SMS that has not left, and the state that the SMS gets with it."""

    text: str
    parts: int
    confirmation_reasons: tuple[ConfirmationReason, ...]
    draft: bool
    """True: the SMS becomes a draft. False: it is queued."""
    due_at: Ms
    """The SMS is not sent before this time. If the row has a later due time, that one is kept."""
    author: str


@value_object
class Change:
    """The columns and posts that a :class:`Move` writes besides the state. ``None`` leaves a column as it is."""

    reason: str | None = None
    detail: str | None = None
    due_at: Ms | None = None
    platform_ids: tuple[str, ...] | None = None
    platform_status: str | None = None
    poll_at: Ms | None = None
    polls: int | None = None
    author: str = ""
    """The person who decided it, for the history of the SMS; empty: it was not a person's decision."""
    posts: tuple[NewPost, ...] = ()
    """Posts that are written in the transaction of the move."""
