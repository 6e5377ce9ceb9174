"""What may go wrong between the bridge and Telegram, in words that tell what to do about it.

The library's error classes mislead (a refused request is a "network error" there, a flood limit is not), so they are
translated here, once, and never leave this package. An :class:`ApiError` never holds a token, a URL or an SMS text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import httpx
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    EndPointNotFound,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from bridge.errors import BridgeError
from bridge.model.base import SECOND, Ms


class FailureKind(StrEnum):
    """Each value wants a different thing done."""

    LATER = "later"
    """Flood limit of this chat: wait ``retry_after``, this chat only."""
    UNREACHABLE = "unreachable"
    """The request surely did nothing."""
    AMBIGUOUS = "ambiguous"
    """The request may have been carried out. A chat post is made again: doubled is cheaper than lost."""
    MIGRATED = "migrated"
    """The group has the id ``new_chat_id`` now."""
    THREAD_GONE = "thread_gone"
    TOPIC_CLOSED = "topic_closed"
    NO_TOPICS = "no_topics"
    """Topics cannot be made here: not a forum, or the bot lacks the right."""
    REACTION_REFUSED = "reaction_refused"
    ENTITIES = "entities"
    """Telegram disliked the formatting, not the text."""
    MESSAGE_GONE = "message_gone"
    NOT_MODIFIED = "not_modified"
    CHAT_GONE = "chat_gone"
    """Nobody can be reached there now: chat unknown, bot removed or muted."""
    QUERY_OLD = "query_old"
    """A button was pressed too long ago to be answered; its effect counts all the same."""
    UNAUTHORISED = "unauthorised"
    CONFLICT = "conflict"
    """Somebody else takes updates with the same token."""
    WEBHOOK = "webhook"
    """A webhook is set, so nobody can poll."""
    NOT_CALLED = "not_called"
    """Telegram cannot call our webhook; the detail is its own word why."""
    REFUSED = "refused"
    """Telegram will say the same again to the same request."""


PASSING = frozenset(
    {FailureKind.LATER, FailureKind.UNREACHABLE, FailureKind.AMBIGUOUS, FailureKind.UNAUTHORISED, FailureKind.CONFLICT}
)
"""Failures that say nothing about the request: it may succeed later."""
CHAT_WIDE = PASSING | {FailureKind.CHAT_GONE}
"""Every post meets the same failure: the chat waits, not the post."""


class ApiError(BridgeError):
    """A call to the Bot API failed."""

    def __init__(self, kind: FailureKind, detail: str, *, retry_after: Ms = 0, new_chat_id: int | None = None) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.retry_after = retry_after
        self.new_chat_id = new_chat_id


_QUOTED = re.compile(r'"[^"]*"|[^ -~]+|[0-9]{7,}')

# Descriptions of status 400, in lower case; the first that occurs decides, so special ones stand before general ones.
_BAD_REQUESTS: tuple[tuple[str, FailureKind], ...] = (
    ("message thread not found", FailureKind.THREAD_GONE),
    ("topic_deleted", FailureKind.THREAD_GONE),
    ("topic_id_invalid", FailureKind.THREAD_GONE),
    ("topic_closed", FailureKind.TOPIC_CLOSED),
    ("topic_not_modified", FailureKind.NOT_MODIFIED),
    ("is not modified", FailureKind.NOT_MODIFIED),
    ("not a forum", FailureKind.NO_TOPICS),
    ("rights to create a topic", FailureKind.NO_TOPICS),
    ("parse entities", FailureKind.ENTITIES),
    ("entity", FailureKind.ENTITIES),
    ("entities", FailureKind.ENTITIES),
    ("query is too old", FailureKind.QUERY_OLD),
    ("query_id_invalid", FailureKind.QUERY_OLD),
    ("query id is invalid", FailureKind.QUERY_OLD),
    ("to edit not found", FailureKind.MESSAGE_GONE),
    ("to delete not found", FailureKind.MESSAGE_GONE),
    ("to react not found", FailureKind.MESSAGE_GONE),
    ("to be replied not found", FailureKind.MESSAGE_GONE),
    ("message_id_invalid", FailureKind.MESSAGE_GONE),
    ("message can't be edited", FailureKind.MESSAGE_GONE),
    ("message not found", FailureKind.MESSAGE_GONE),
    ("reaction", FailureKind.REACTION_REFUSED),
    ("chat not found", FailureKind.CHAT_GONE),
    ("peer_id_invalid", FailureKind.CHAT_GONE),
    ("group chat was deactivated", FailureKind.CHAT_GONE),
    ("chat_write_forbidden", FailureKind.CHAT_GONE),
    ("chat_admin_required", FailureKind.CHAT_GONE),
    ("not enough rights", FailureKind.CHAT_GONE),
    ("have no rights", FailureKind.CHAT_GONE),
    ("administrator rights", FailureKind.CHAT_GONE),
)


def classify(error: TelegramError) -> ApiError:
    """Order matters: BadRequest and TimedOut are NetworkErrors, RetryAfter and ChatMigrated are not."""
    name = type(error).__name__
    match error:
        case RetryAfter():
            return ApiError(FailureKind.LATER, name, retry_after=_milliseconds(error))
        case ChatMigrated():
            return ApiError(FailureKind.MIGRATED, name, new_chat_id=error.new_chat_id)
        case InvalidToken() | EndPointNotFound():
            return ApiError(FailureKind.UNAUTHORISED, name)
        case Conflict():
            return ApiError(FailureKind.WEBHOOK if "webhook" in error.message.lower() else FailureKind.CONFLICT, name)
        case Forbidden():
            return ApiError(FailureKind.CHAT_GONE, described(error.message))
        case BadRequest():
            return _bad_request(error)
        case TimedOut():
            sent = not isinstance(error.__cause__, httpx.PoolTimeout | httpx.ConnectTimeout)
            return ApiError(FailureKind.AMBIGUOUS if sent else FailureKind.UNREACHABLE, _cause(error))
        case NetworkError():
            sent = not isinstance(error.__cause__, httpx.ConnectError | httpx.ProxyError)
            return ApiError(FailureKind.AMBIGUOUS if sent else FailureKind.UNREACHABLE, _cause(error))
    # What is left is an answer nobody can read.
    return ApiError(FailureKind.AMBIGUOUS, name)


@contextmanager
def translated() -> Iterator[None]:
    """Around each call of the library. :raises ApiError: in place of everything that the library raises."""
    try:
        yield
    except TelegramError as error:
        # The original stays out of the chain: its text may hold what a proxy answered, or the token.
        raise classify(error) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # The library reads an answer with little care: one of another shape was an answer all the same.
        raise ApiError(FailureKind.AMBIGUOUS, f"unreadable answer ({type(error).__name__})") from None


def _bad_request(error: BadRequest) -> ApiError:
    words = error.message.lower()
    kind = next((kind for part, kind in _BAD_REQUESTS if part in words), FailureKind.REFUSED)
    return ApiError(kind, described(error.message))


def _milliseconds(error: RetryAfter) -> Ms:
    wait = error.retry_after
    seconds = float(wait) if isinstance(wait, int) else wait.total_seconds()
    return max(int(seconds * SECOND), SECOND)


def described(words: str) -> str:
    """Telegram's own description. It is English and repeats little of the request; what it may quote is left out."""
    return _QUOTED.sub("…", words)[:200]


def _cause(error: TelegramError) -> str:
    return type(error.__cause__ or error).__name__
