"""The simulated Bot API and the real library that talks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from telegram.ext import Application, ExtBot
from telegram.request import HTTPXRequest

from bridge.sandbox.botapi import SimulatedBotApi
from tests.clock import ManualClock

Bot = ExtBot[None]
FORUM, GROUP, OLD_GROUP, PERSON = -1001, -1002, -77, 555


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def api(clock: ManualClock) -> AsyncIterator[SimulatedBotApi]:
    async with SimulatedBotApi(clock=clock) as simulated:
        simulated.add_chat(FORUM, title="Forum", forum=True)
        simulated.add_chat(GROUP, title="Group")
        simulated.add_chat(OLD_GROUP, title="Plain", kind="group", bot_is="member")
        simulated.add_chat(PERSON, title="Ivan", kind="private")
        yield simulated


@pytest.fixture
async def bot(api: SimulatedBotApi) -> AsyncIterator[Bot]:
    async with _program(api) as bot:
        yield bot


@pytest.fixture
async def other(api: SimulatedBotApi) -> AsyncIterator[Bot]:
    """Another program with the same token."""
    async with _program(api) as bot:
        yield bot


@asynccontextmanager
async def _program(api: SimulatedBotApi) -> AsyncIterator[Bot]:
    # Reading the machine's certificates takes 0.3 s a test, and nothing here speaks TLS.
    calls, polls = (HTTPXRequest(httpx_kwargs={"verify": False}) for _ in range(2))
    builder = Application.builder().token(api.token).base_url(api.base_url).updater(None)
    application = builder.request(calls).get_updates_request(polls).build()
    await application.initialize()
    yield application.bot
    await application.shutdown()
