"""What is to be posted in a chat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import IntEnum, StrEnum

from bridge.model.base import ConversationId, InboundId, Json, Ms, SmsId
from bridge.value import value_object


class PostKind(StrEnum):
    INBOUND = "inbound"
    """A subscriber's SMS, in its conversation."""
    NOTICE = "notice"
    """A line for the team about a conversation or an operator's message; ``payload['text']`` is a text id."""
    ALERT = "alert"
    """A line in the admin chat; ``payload['text']`` is a text id."""
    FATE = "fate"
    """The state of an SMS shown on the operator's message: one row an SMS, always the latest state."""
    OPENING = "opening"
    """An SMS by which a person began a conversation: its first message in the chat, with the latest state."""
    TOPIC = "topic"
    """The conversation's topic is to look as the store says: its name, open or closed."""


class PostPriority(IntEnum):
    """New SMS before failures before status changes before reactions: a group has one small budget for all of them."""

    AHEAD = -1
    """What is of no use behind new SMS: that there are many of them, and a button that lives for a moment."""
    INBOUND = 0
    FAILURE = 1
    STATUS = 2
    REACTION = 3


@value_object
class NewPost:
    """Something to show in a chat. ``key`` makes writing it idempotent (``None``: always written)."""

    chat: str
    """Configured name, :data:`DEFAULT_CHAT` or :data:`ADMIN_CHAT`; ``id:-100…`` addresses a chat by its id."""
    kind: PostKind
    priority: PostPriority
    key: str | None = None
    payload: Mapping[str, Json] = field(default_factory=dict)
    """JSON. Never holds the SMS's text: that is read from ``inbound_id`` or ``sms_id`` when the post is rendered."""
    conversation_id: ConversationId | None = None
    inbound_id: InboundId | None = None
    sms_id: SmsId | None = None
    reply_to: int | None = None
    """Message id in the chat that this post answers."""
    due_at: Ms = 0


def opening_key(chat_id: int, message_id: int) -> str:
    """The key of the ``opening`` of what a command's message sends. Written again with each change of its SMS."""
    return f"opening:{chat_id}:{message_id}"
