"""What the team orders and asks in its chats."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from bridge.model.base import ConversationId, InboundId, Ms, SmsId
from bridge.model.chat import Conversation
from bridge.value import value_object


class ActionKind(StrEnum):
    """What people change about a subscriber or a conversation by a command or a button. Kept with author and time."""

    BLOCK = "block"
    UNBLOCK = "unblock"
    RENAME = "rename"
    TAG = "tag"
    UNTAG = "untag"
    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    ROBOT_OFF = "robot_off"
    ROBOT_ON = "robot_on"
    CLOSE = "close"
    OPEN = "open"
    CLAIM = "claim"
    RELEASE = "release"


@value_object
class Action:
    """One change that a person wants made, once: ``key`` is made of the message or the press it came from."""

    key: str
    deed: ActionKind
    author: str
    """For people: name and id."""
    subscriber: str
    conversation_id: ConversationId | None = None
    """What ``close``, ``open``, ``claim`` and ``release`` are about."""
    detail: str = ""
    """The name, the tag, or the name of whoever claims."""
    user_id: int | None = None
    """Who claims."""
    until: Ms = 0
    """When a claim ends by itself."""
    by_hand: tuple[int, int] | None = None
    """Chat and message id of Telegram's own line about it, where it was done there and the topic shows it already."""


@value_object
class MessageSubject:
    """What a message in a chat is about, as far as it is on record."""

    conversation_id: ConversationId | None = None
    inbound_id: InboundId | None = None
    sms_id: SmsId | None = None


class SearchScope(StrEnum):
    """What a search looks through."""

    TALKS = "talks"
    """Conversations, by number, name and tags of their subscribers."""
    INBOUND = "inbound"
    SMS = "sms"


@value_object
class SearchQuery:
    """What to look for in one page of rows, the newest first."""

    text: str
    chats: Sequence[str] | None
    """Names of the chats whose conversations count; None: all."""
    among: SearchScope
    before: int
    """Rows with lower ids."""
    rows: int
    """Looks at no more: a reader is held no longer than they take."""
    limit: int
    """Stops where it has found so many conversations."""


@value_object
class SearchHit:
    row: int
    """Its id."""
    conversation: Conversation
    name: str
    at: Ms | None = None
    """When what was found was written; None where number, name or tag told."""
    text: str = ""


@value_object
class SearchPage:
    found: Sequence[SearchHit]
    """The newest first, each conversation once."""
    rest: int
    """What has lower ids is not looked through yet; 0: nothing is left."""
    at: Ms | None
    """When the last row was written that was looked at; None for conversations."""


@value_object
class TrafficCounts:
    """What came and went since a moment."""

    received: int
    people: int
    """Different numbers that wrote."""
    by_people: int
    """SMS that persons wrote."""
    by_rules: int
    parts: int
    delivered: int
    failed: int
    open: int
    """Waiting or under way, or with an outcome that nobody knows yet."""
