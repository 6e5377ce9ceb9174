"""Posts: what the bot is to show in a chat, the kinds of posts, and the payload of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, field, fields
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, Literal, cast, get_args

from bridge.model.base import ConversationId, InboundId, Json, Ms, SmsId
from bridge.value import value_object


class PostKind(StrEnum):
    """The kinds of posts."""

    INBOUND = "inbound"
    """A subscriber's SMS, in its conversation."""
    NOTICE = "notice"
    """A line for the team about a conversation or an operator's message."""
    ALERT = "alert"
    """A line in the admin chat."""
    STATUS = "status"
    """The state of an SMS shown on the operator's message: one row for each SMS, always the latest state."""
    OPENING = "opening"
    """An SMS by which an operator began a conversation: its first message in the chat, with the latest state."""
    TOPIC = "topic"
    """Makes the conversation's topic look as the store says: its name, open or closed."""


class PostPriority(IntEnum):
    """The order in which posts leave: new SMS, then failures, then status changes, then reactions.

    A group has one small budget for all of them.
    """

    AHEAD = -1
    """Posts that are useless after new SMS: a count of the SMS that wait, and a button that is valid for seconds."""
    INBOUND = 0
    FAILURE = 1
    STATUS = 2
    REACTION = 3


OptQuestion = Literal["", "out", "in"]


@value_object
class InboundPayload:
    """The decision of the rules about a forwarded SMS, and its results."""

    kind: ClassVar[PostKind] = PostKind.INBOUND
    rule: str = ""
    """The rule that forwarded it; empty if no rule matched."""
    note: str = ""
    """The rule's note for the team."""
    error: str = ""
    """Why the rule failed; empty if it did not."""
    silent: bool = False
    """Telegram shows the message without a notification."""
    answered: int = 0
    """Automatic replies that the rules gave."""
    suppressions: tuple[str, ...] = ()
    """Why the guards held replies back: text ids after ``suppression.``."""
    opt_question: OptQuestion = ""
    """Whether the operators are asked to opt the subscriber out or in; empty: they are not asked."""


@value_object
class NoticePayload:
    """A line for the team, with or without buttons."""

    kind: ClassVar[PostKind] = PostKind.NOTICE
    text: str
    """Text id."""
    params: Mapping[str, Json] = field(default_factory=dict)
    buttons: tuple[str, ...] = ()
    """Buttons about the conversation: text ids after ``button.``."""
    chat_id: int | None = None
    """The chat that the message and topic ids of the post belong to."""
    thread_id: int | None = None
    """The topic to post in; None: that of the conversation."""
    edits: int | None = None
    """The message that is edited to show this text; None: a new message is sent."""
    only_draft: bool = False
    """Posted only while the SMS is a draft."""
    unless_album: str = ""
    """Key of an album. The notice is not posted if the album's caption became an SMS or is a note."""


@value_object
class AlertPayload:
    """A line in the admin chat."""

    kind: ClassVar[PostKind] = PostKind.ALERT
    text: str
    """Text id."""
    params: Mapping[str, Json] = field(default_factory=dict)


@value_object
class StatusPayload:
    """The delivery status of an SMS, on the operator's message. All of it is read from the row of the SMS."""

    kind: ClassVar[PostKind] = PostKind.STATUS


@value_object
class OpeningPayload:
    """The first message of a conversation that an operator began."""

    kind: ClassVar[PostKind] = PostKind.OPENING
    author: str
    """The operator who began the conversation, by name."""
    chat_id: int
    """The chat that the message id of the post belongs to."""


@value_object
class TopicPayload:
    """An order to make the topic look as the store says."""

    kind: ClassVar[PostKind] = PostKind.TOPIC
    renamed: bool
    """The topic also gets the contact's present name."""


Payload = InboundPayload | NoticePayload | AlertPayload | StatusPayload | OpeningPayload | TopicPayload
"""The content of a post besides the rows it refers to. Never the text of an SMS, which is read from its row."""

_CLASSES: Mapping[PostKind, type[Payload]] = {each.kind: each for each in get_args(Payload)}
_DEFAULTS: Mapping[type[Payload], Mapping[str, object]] = {
    each: {
        item.name: item.default if item.default_factory is MISSING else item.default_factory() for item in fields(each)
    }
    for each in _CLASSES.values()
}


def payload_to_json(payload: Payload) -> dict[str, Json]:
    """Convert a payload to what is stored: the fields that differ from their defaults."""
    stored: dict[str, Json] = {}
    for name, default in _DEFAULTS[type(payload)].items():
        value = getattr(payload, name)
        if value != default:
            stored[name] = list(value) if isinstance(value, tuple) else value
    return stored


def payload_from_json(kind: PostKind, stored: Mapping[str, Json]) -> Payload:
    """Build a payload from what :func:`payload_to_json` stored. Fields of a newer version are ignored."""
    cls = _CLASSES[kind]
    known = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in stored.items()
        if name in _DEFAULTS[cls]
    }
    return cls(**cast(Any, known))


@value_object
class NewPost:
    """A post to write. A second post with the same ``key`` is not written (``None``: always written)."""

    chat: str
    """Configured name, :data:`DEFAULT_CHAT` or :data:`ADMIN_CHAT`; ``id:-100…`` addresses a chat by its id."""
    priority: PostPriority
    payload: Payload
    key: str | None = None
    conversation_id: ConversationId | None = None
    inbound_id: InboundId | None = None
    sms_id: SmsId | None = None
    reply_to: int | None = None
    """Message id in the chat that this post answers."""
    due_at: Ms = 0

    @property
    def kind(self) -> PostKind:
        return self.payload.kind


def opening_key(chat_id: int, message_id: int) -> str:
    """The key of the ``opening`` post of a command's message. It is written again with each change of its SMS."""
    return f"opening:{chat_id}:{message_id}"
