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

from bridge.telegram import api  # noqa: F401 - sets how the library gives periods, before an error is made
from bridge.telegram.trouble import ApiError, Trouble, classify, translated


def caused(error: TelegramError, cause: Exception) -> TelegramError:
    error.__cause__ = cause
    return error


REQUEST = httpx.Request("POST", "https://example.test/bot1:SECRET/sendMessage")


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (BadRequest("Bad Request: message thread not found"), Trouble.THREAD_GONE),
        (BadRequest("Bad Request: TOPIC_CLOSED"), Trouble.TOPIC_CLOSED),
        (BadRequest("Bad Request: the chat is not a forum"), Trouble.NO_TOPICS),
        (BadRequest("Bad Request: not enough rights to create a topic"), Trouble.NO_TOPICS),
        (BadRequest("Bad Request: not enough rights to send text messages to the chat"), Trouble.CHAT_GONE),
        (BadRequest("Bad Request: chat not found"), Trouble.CHAT_GONE),
        (BadRequest("Bad Request: can't parse entities: unsupported start tag"), Trouble.ENTITIES),
        (BadRequest("Bad Request: REACTION_INVALID"), Trouble.REACTION_REFUSED),
        (BadRequest("Bad Request: message to react not found"), Trouble.MESSAGE_GONE),
        (BadRequest("Bad Request: message is not modified: specified new message content"), Trouble.NOT_MODIFIED),
        (BadRequest("Bad Request: query is too old and response timeout expired"), Trouble.QUERY_OLD),
        (BadRequest("Bad Request: something nobody has seen"), Trouble.REFUSED),
        (Forbidden("Forbidden: bot was kicked from the supergroup chat"), Trouble.CHAT_GONE),
        (InvalidToken("The token `1:SECRET` was rejected"), Trouble.UNAUTHORISED),
        (Conflict("Conflict: terminated by other getUpdates request"), Trouble.CONFLICT),
        (caused(TimedOut(), httpx.ReadTimeout("x", request=REQUEST)), Trouble.AMBIGUOUS),
        (caused(TimedOut(), httpx.PoolTimeout("x", request=REQUEST)), Trouble.UNREACHABLE),
        (caused(TimedOut(), httpx.ConnectTimeout("x", request=REQUEST)), Trouble.UNREACHABLE),
        (caused(NetworkError("x"), httpx.ConnectError("x", request=REQUEST)), Trouble.UNREACHABLE),
        (caused(NetworkError("x"), httpx.RemoteProtocolError("x", request=REQUEST)), Trouble.AMBIGUOUS),
        (NetworkError("Bad Gateway"), Trouble.AMBIGUOUS),
        (TelegramError("Invalid server response"), Trouble.AMBIGUOUS),
    ],
)
def test_what_to_do(error: TelegramError, trouble: Trouble) -> None:
    found = classify(error)
    assert found.trouble is trouble
    assert "SECRET" not in str(found)


def test_flood_limit_and_migration_bring_their_values() -> None:
    assert classify(RetryAfter(timedelta(seconds=7))).retry_after == 7_000
    assert classify(ChatMigrated(-1001)).new_chat_id == -1001


def test_nothing_of_the_library_crosses_the_edge() -> None:
    with pytest.raises(ApiError) as caught, translated():
        raise InvalidToken("The token `1:SECRET` was rejected")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
