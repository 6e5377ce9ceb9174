"""What operators change by commands and buttons, and what they look up."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from bridge.model.base import ConversationId, InboundId, Ms, SmsId
from bridge.model.chat import Conversation
from bridge.value import value_object


class ActionKind(StrEnum):
    """A change of a subscriber or a conversation. Each is recorded with its author and time."""

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
    """One change that an operator makes."""

    key: str
    """Made of the message or press it came from: the same key has its effect once."""
    kind: ActionKind
    author: str
    """For histories: name and id."""
    subscriber: str
    conversation_id: ConversationId | None = None
    """The subject of ``close``, ``open``, ``claim`` and ``release``."""
    detail: str = ""
    """The new name, the tag, or the name of the operator who claims."""
    user_id: int | None = None
    """The operator who claims."""
    until: Ms = 0
    """When a claim ends by itself."""
    topic_line: tuple[int, int] | None = None
    """Chat and message id of Telegram's own line about it, if it was done in Telegram itself."""


@value_object
class MessageSubject:
    """The rows that a message in a chat is about."""

    conversation_id: ConversationId | None = None
    inbound_id: InboundId | None = None
    sms_id: SmsId | None = None


class SearchScope(StrEnum):
    """The rows that a search looks through."""

    CONVERSATIONS = "conversations"
    """By number, name and tags of their subscribers."""
    INBOUND = "inbound"
    SMS = "sms"


@value_object
class SearchQuery:
    """A search in one page of rows, the newest first."""

    text: str
    chats: Sequence[str] | None
    """Names of the chats whose conversations are searched; None: all."""
    scope: SearchScope
    before: int
    """Looks at rows with lower ids."""
    rows: int
    """Rows looked at: they limit how long a reader is in use."""
    limit: int
    """Conversations found: the search stops there."""


@value_object
class SearchHit:
    row: int
    """The id of the row that was found."""
    conversation: Conversation
    name: str
    at: Ms | None = None
    """When the text was written; None where number, name or tag was found."""
    text: str = ""


@value_object
class SearchPage:
    found: Sequence[SearchHit]
    """The newest first, each conversation once."""
    rest: int
    """Rows with lower ids are still to be looked at; 0: none are left."""
    at: Ms | None
    """When the last row looked at was written; None for conversations."""


@value_object
class TrafficCounts:
    """SMS received and sent since a moment."""

    received: int
    subscribers: int
    """Different numbers that wrote."""
    by_operators: int
    """SMS that operators wrote, also from the command line."""
    by_rules: int
    parts: int
    delivered: int
    failed: int
    open: int
    """Waiting, under way, or with an unknown outcome."""
