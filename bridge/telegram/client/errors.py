"""The failures of calls to the Bot API, sorted by what the caller must do about them.

The library's error classes mislead: a refused request is a "network error" there, and a flood limit is not. The errors
are translated here and do not leave this package. An :class:`ApiError` holds no token, no URL and no text of an SMS.
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
    """Why a call failed. Each kind is handled in its own way."""

    LATER = "later"
    """The flood limit of a chat is reached: this chat must wait ``retry_after``; the others need not wait."""
    UNREACHABLE = "unreachable"
    """The request did not reach Telegram."""
    AMBIGUOUS = "ambiguous"
    """Telegram may have carried the request out. A post is made again: a double does less harm than a loss."""
    MIGRATED = "migrated"
    """The group has another id now: ``new_chat_id``."""
    THREAD_GONE = "thread_gone"
    """The topic was deleted."""
    TOPIC_CLOSED = "topic_closed"
    NO_TOPICS = "no_topics"
    """The bot cannot make topics here: the group has none, or the bot lacks the right."""
    REACTION_REFUSED = "reaction_refused"
    ENTITIES = "entities"
    """Telegram refuses the formatting, not the text."""
    MESSAGE_GONE = "message_gone"
    NOT_MODIFIED = "not_modified"
    CHAT_GONE = "chat_gone"
    """The bot cannot write there: the chat is unknown, or the bot was removed or muted."""
    QUERY_OLD = "query_old"
    """A press on a button is too old to be answered. Its effect stays."""
    UNAUTHORISED = "unauthorised"
    """Telegram refuses the token."""
    CONFLICT = "conflict"
    """Another program takes updates with the same token."""
    WEBHOOK = "webhook"
    """A webhook is set, so polling is refused."""
    NOT_CALLED = "not_called"
    """Telegram cannot call our webhook. The detail is the reason in Telegram's words."""
    REFUSED = "refused"
    """Telegram refuses the request, and would refuse it again."""


PASSING = frozenset(
    {FailureKind.LATER, FailureKind.UNREACHABLE, FailureKind.AMBIGUOUS, FailureKind.UNAUTHORISED, FailureKind.CONFLICT}
)
"""Failures that do not depend on the request: the same one may succeed later."""
CHAT_WIDE = PASSING | {FailureKind.CHAT_GONE}
"""Failures that every post in the chat would meet: the chat waits, not only the post."""


class ApiError(BridgeError):
    """A call to the Bot API failed."""

    def __init__(self, kind: FailureKind, detail: str, *, retry_after: Ms = 0, new_chat_id: int | None = None) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.retry_after = retry_after
        self.new_chat_id = new_chat_id


_QUOTED = re.compile(r'"[^"]*"|[^ -~]+|[0-9]{7,}')

# Parts of Telegram's descriptions for status 400, in lower case. The first one found decides, so the special ones come
# before the general ones.
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
    """Translates one error. Order matters: BadRequest and TimedOut are NetworkErrors, RetryAfter and ChatMigrated
    are not."""
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
    # Only unreadable answers are left.
    return ApiError(FailureKind.AMBIGUOUS, name)


@contextmanager
def translated() -> Iterator[None]:
    """Surrounds each call of the library. :raises ApiError: for every error that the library raises."""
    try:
        yield
    except TelegramError as error:
        # Without the original as the cause: its text may contain the token, or the answer of a proxy.
        raise classify(error) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # The library does not check the shape of an answer. Telegram may have carried the request out.
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
    """Telegram's own description of an error, in English, without what it may quote from the request."""
    return _QUOTED.sub("…", words)[:200]


def _cause(error: TelegramError) -> str:
    return type(error.__cause__ or error).__name__
