"""Each failure of the Bot API is told apart by what has to be done about it."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from bridge.telegram.client import api  # noqa: F401 - sets how the library gives periods, before an error is made
from bridge.telegram.client.errors import ApiError, FailureKind, classify, translated


def caused(error: TelegramError, cause: Exception) -> TelegramError:
    error.__cause__ = cause
    return error


REQUEST = httpx.Request("POST", "https://example.test/bot1:SECRET/sendMessage")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BadRequest("Bad Request: message thread not found"), FailureKind.THREAD_GONE),
        (BadRequest("Bad Request: TOPIC_CLOSED"), FailureKind.TOPIC_CLOSED),
        (BadRequest("Bad Request: the chat is not a forum"), FailureKind.NO_TOPICS),
        (BadRequest("Bad Request: not enough rights to create a topic"), FailureKind.NO_TOPICS),
        (BadRequest("Bad Request: not enough rights to send text messages to the chat"), FailureKind.CHAT_GONE),
        (BadRequest("Bad Request: chat not found"), FailureKind.CHAT_GONE),
        (BadRequest("Bad Request: can't parse entities: unsupported start tag"), FailureKind.ENTITIES),
        (BadRequest("Bad Request: REACTION_INVALID"), FailureKind.REACTION_REFUSED),
        (BadRequest("Bad Request: message to react not found"), FailureKind.MESSAGE_GONE),
        (BadRequest("Bad Request: message is not modified: specified new message content"), FailureKind.NOT_MODIFIED),
        (BadRequest("Bad Request: query is too old and response timeout expired"), FailureKind.QUERY_OLD),
        (BadRequest("Bad Request: something nobody has seen"), FailureKind.REFUSED),
        (Forbidden("Forbidden: bot was kicked from the supergroup chat"), FailureKind.CHAT_GONE),
        (InvalidToken("The token `1:SECRET` was rejected"), FailureKind.UNAUTHORISED),
        (Conflict("Conflict: terminated by other getUpdates request"), FailureKind.CONFLICT),
        (caused(TimedOut(), httpx.ReadTimeout("x", request=REQUEST)), FailureKind.AMBIGUOUS),
        (caused(TimedOut(), httpx.PoolTimeout("x", request=REQUEST)), FailureKind.UNREACHABLE),
        (caused(TimedOut(), httpx.ConnectTimeout("x", request=REQUEST)), FailureKind.UNREACHABLE),
        (caused(NetworkError("x"), httpx.ConnectError("x", request=REQUEST)), FailureKind.UNREACHABLE),
        (caused(NetworkError("x"), httpx.RemoteProtocolError("x", request=REQUEST)), FailureKind.AMBIGUOUS),
        (NetworkError("Bad Gateway"), FailureKind.AMBIGUOUS),
        (TelegramError("Invalid server response"), FailureKind.AMBIGUOUS),
    ],
)
def test_errors_are_sorted_by_kind(error: TelegramError, kind: FailureKind) -> None:
    found = classify(error)
    assert found.kind is kind
    assert "SECRET" not in str(found)


def test_flood_limit_and_migration_bring_their_values() -> None:
    assert classify(RetryAfter(timedelta(seconds=7))).retry_after == 7_000
    assert classify(ChatMigrated(-1001)).new_chat_id == -1001


def test_no_error_of_the_library_leaves_the_package() -> None:
    with pytest.raises(ApiError) as caught, translated():
        raise InvalidToken("The token `1:SECRET` was rejected")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
