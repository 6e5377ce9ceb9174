"""The changes that operators make by commands and buttons, and their searches and statistics."""

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
    """Identifies the message or press that the action came from. Actions with the same key have one effect."""
    kind: ActionKind
    author: str
    """Name and id of the operator, for histories."""
    subscriber: str
    conversation_id: ConversationId | None = None
    """The subject of ``close``, ``open``, ``claim`` and ``release``."""
    detail: str = ""
    """The new name, the tag, or the name of the operator who claims."""
    user_id: int | None = None
    """The operator who claims."""
    until: Ms = 0
    """The end of a claim that is not released before."""
    topic_line: tuple[int, int] | None = None
    """Chat id and message id of Telegram's own message about the change, if the change was made in Telegram itself."""


@value_object
class MessageSubject:
    """The rows that a message in a chat belongs to."""

    conversation_id: ConversationId | None = None
    inbound_id: InboundId | None = None
    sms_id: SmsId | None = None


class SearchScope(StrEnum):
    """The kind of rows that a search reads."""

    CONVERSATIONS = "conversations"
    """By number, name and tags of their subscribers."""
    INBOUND = "inbound"
    SMS = "sms"


@value_object
class SearchQuery:
    """The request for one page of a search. The newest rows are searched first."""

    text: str
    chats: Sequence[str] | None
    """Names of the chats whose conversations are searched; None: all."""
    scope: SearchScope
    before: int
    """Only rows with lower ids are searched."""
    rows: int
    """The number of rows that are searched. It limits the time for which a reader connection is in use."""
    limit: int
    """The search stops when it has found this many conversations."""


@value_object
class SearchHit:
    """A conversation that a search found."""

    row: int
    """The id of the row that was found."""
    conversation: Conversation
    name: str
    at: Ms | None = None
    """When the text was written; None where number, name or tag was found."""
    text: str = ""


@value_object
class SearchPage:
    """The result of one page of a search."""

    found: Sequence[SearchHit]
    """The newest first, each conversation once."""
    rest: int
    """Rows with lower ids than this are not searched yet: ``before`` of the next page. 0: no rows are left."""
    at: Ms | None
    """When the last row that was searched was written; None for conversations."""


@value_object
class TrafficCounts:
    """Numbers of SMS received and sent since a given time."""

    received: int
    subscribers: int
    """Subscribers that wrote, each counted once."""
    by_operators: int
    """SMS that operators wrote, also from the command line."""
    by_rules: int
    parts: int
    delivered: int
    failed: int
    open: int
    """Waiting, under way, or with an unknown outcome."""
