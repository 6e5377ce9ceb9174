"""Conversations, what stands in their chats, and what Telegram brings from there."""

from __future__ import annotations

from enum import StrEnum

from bridge.model.base import ConversationId, InboundId, Ms, PostId
from bridge.model.contact import Contact
from bridge.model.inbound import Inbound
from bridge.model.post import Payload, PostKind, PostPriority
from bridge.model.sms import Sms
from bridge.value import value_object


@value_object
class Conversation:
    """A subscriber seen from one chat. An answer goes out by the account and from the number of the latest inbound."""

    id: ConversationId
    chat: str
    """Name of the chat in the configuration (never ``@admin``)."""
    subscriber: str
    code: str
    """The short id that every post carries (``a7f3``): finds the conversation where the mapping was lost."""
    account: str
    receiver: str
    """Our number that the latest inbound was written to."""
    thread_id: int | None
    """Topic of the conversation, in chats with topics."""
    last_inbound_id: InboundId | None
    last_inbound_at: Ms | None
    closed_at: Ms | None = None
    """Somebody put it aside; the subscriber's next SMS opens it again."""
    claimed_by: int | None = None
    """Telegram user id of the colleague who said that the conversation is theirs."""
    claimed_name: str = ""
    claimed_until: Ms = 0


@value_object
class Post:
    """A stored chat post, joined with what it is about."""

    id: PostId
    chat: str
    priority: PostPriority
    payload: Payload
    reply_to: int | None
    attempts: int
    revision: int
    """Grows when a ``status`` or ``opening`` is written again while it is being posted; ``posts_done`` compares it."""
    shown: str
    """For these two: what was shown last (renderer's own words), so that nothing is said twice."""
    created_at: Ms
    due_at: Ms
    conversation: Conversation | None
    inbound: Inbound | None
    sms: Sms | None
    contact: Contact | None

    @property
    def kind(self) -> PostKind:
        return self.payload.kind


@value_object
class PostedMessage:
    """What Telegram answered to a post; stored with "done" in one transaction."""

    chat_id: int
    message_id: int | None = None
    thread_id: int | None = None
    """Set when a topic was made for the conversation."""
    shown: str = ""


@value_object
class EarlierMessages:
    """What a subscriber wrote before an SMS."""

    count: int
    """As far as it was counted."""
    last_at: Ms | None


class UpdateState(StrEnum):
    NEW = "new"
    DONE = "done"
    PARKED = "parked"
    """Could not be parsed or processed: kept for a person, does not block the rest."""


@value_object
class StoredUpdate:
    update_id: int
    raw: str
    """JSON as Telegram sent it."""
    received_at: Ms
