"""A search that fails is logged, and does not stop the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from pydantic import SecretStr

from bridge.config.settings import ChatSettings
from bridge.errors import StoreError
from bridge.telegram.chats import Chat
from bridge.telegram.client.api import Api
from bridge.telegram.client.message import ChatMessage
from bridge.telegram.client.rate_limit import RateLimiter
from bridge.telegram.client.sender import ChatSender
from bridge.telegram.client.transient_replies import Search, TransientReplies
from tests.clock import ManualClock

MINUTES = 60_000
SECRET = "the gate opens with 4711"
CHAT = Chat(name="support", id=-1001, language="en", settings=ChatSettings(id=-1001))


@pytest.mark.parametrize(("error", "tried"), [(RuntimeError(SECRET), 1), (StoreError("away"), 4)])
async def test_a_search_that_fails_is_logged_and_given_up(
    capsys: pytest.CaptureFixture[str], error: Exception, tried: int
) -> None:
    clock, searches, over = ManualClock(), 0, asyncio.Event()

    async def found() -> Sequence[ChatMessage]:
        nonlocal searches
        searches += 1
        raise error

    async def another() -> Sequence[ChatMessage]:
        over.set()
        return ()

    limiter = RateLimiter(clock)
    replies = TransientReplies(ChatSender(Api(SecretStr("1:a"), "http://127.0.0.1:9"), limiter), limiter, clock)
    replies.send(CHAT, Search(find=found), thread_id=None, reply_to=None)
    for _ in range(tried):
        await clock.advance(MINUTES)
    replies.send(CHAT, Search(find=another), thread_id=None, reply_to=None)
    await clock.advance(MINUTES)
    assert over.is_set(), "the next search does not run"
    await replies.stop()
    printed = capsys.readouterr().out
    assert searches == tried
    assert printed.count("answer_abandoned") == 1
    assert SECRET not in printed
    assert ("search_failed" in printed and "in found" in printed) == isinstance(error, RuntimeError)
