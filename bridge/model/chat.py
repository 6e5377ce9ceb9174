"""Conversations, the posts in their chats, and the updates that Telegram brings."""

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
    """All that is said with one subscriber in one chat.

    Replies leave by the account of the latest inbound, and from the number that received it.
    """

    id: ConversationId
    chat: str
    """Name of the chat in the configuration (never ``@admin``)."""
    subscriber: str
    code: str
    """Short id in every post (``a7f3``). It finds the conversation if the message id does not."""
    account: str
    receiver: str
    """Our number that received the latest inbound."""
    thread_id: int | None
    """The conversation's topic, in chats with topics."""
    last_inbound_id: InboundId | None
    last_inbound_at: Ms | None
    closed_at: Ms | None = None
    """When an operator closed it; the subscriber's next SMS opens it again."""
    claimed_by: int | None = None
    """Telegram user id of the operator who claimed the conversation."""
    claimed_name: str = ""
    claimed_until: Ms = 0


@value_object
class Post:
    """A stored post, with the rows that it shows."""

    id: PostId
    chat: str
    priority: PostPriority
    payload: Payload
    reply_to: int | None
    attempts: int
    revision: int
    """Grows each time a ``status`` or ``opening`` post is written again. ``posts_done`` compares it: a post that was
    written again while it was being posted stays due."""
    shown: str
    """The content that a ``status`` or ``opening`` post showed last, as the renderer wrote it. Equal content is not
    sent again."""
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
    """Where Telegram put a post. Stored in the transaction that marks the post as done."""

    chat_id: int
    message_id: int | None = None
    thread_id: int | None = None
    """Set if a topic was made for the conversation."""
    shown: str = ""


@value_object
class EarlierMessages:
    """How many messages a subscriber wrote before an SMS, and when the last of them came."""

    count: int
    """Counted up to a limit."""
    last_at: Ms | None


class UpdateState(StrEnum):
    """The state of a stored update."""

    NEW = "new"
    DONE = "done"
    PARKED = "parked"
    """The update could not be parsed or processed. It is kept for a person and does not block the next ones."""


@value_object
class StoredUpdate:
    """An update of Telegram, stored before Telegram is told that it arrived."""

    update_id: int
    raw: str
    """JSON as Telegram sent it."""
    received_at: Ms
