"""The simulated Telegram calls a webhook as the real one does: where it may, each chat in order, until it says 2xx."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from telegram import Bot
from telegram.error import Conflict

from bridge.model.base import MINUTE
from bridge.sandbox.botapi import SimulatedBotApi
from bridge.sandbox.botapi.state import ServerOptions
from bridge.sandbox.botapi.webhooks import SECRET_HEADER
from tests.clock import ManualClock
from tests.unit.sandbox.test_botapi.refusals import refused

GROUP, OTHER = -1001, -1002


@dataclass
class Called:
    """A webhook that answers as it is told, and remembers."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    """The next answers; 200 when there are none."""
    heard: list[tuple[str, str]] = field(default_factory=list)
    """Secret and text."""

    async def answer(self, request: web.Request) -> web.Response:
        update = json.loads(await request.read())
        self.heard.append((request.headers.get(SECRET_HEADER, ""), update["message"]["text"]))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.heard]


@pytest.fixture
async def called() -> AsyncIterator[Called]:
    hook = Called()
    app = web.Application()
    app.router.add_post("/hook", hook.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield hook
    await runner.cleanup()


@dataclass
class Local:
    api: SimulatedBotApi
    bot: Bot
    clock: ManualClock


@pytest.fixture
async def local() -> AsyncIterator[Local]:
    clock = ManualClock()
    async with SimulatedBotApi(clock=clock, options=ServerOptions(local=True)) as api:
        api.add_chat(GROUP)
        api.add_chat(OTHER)
        async with Bot(api.token, base_url=api.base_url) as bot:
            yield Local(api, bot, clock)


async def until(local: Local, count: int, called: Called) -> None:
    """Let time pass until so many calls were made."""
    async with asyncio.timeout(15):
        while len(called.heard) < count:
            try:
                await local.api.wait_for(lambda: len(called.heard) >= count, timeout_s=0.02)
            except TimeoutError:
                await local.clock.advance(1_000)


async def test_what_waited_and_what_comes_is_brought_with_the_secret(local: Local, called: Called) -> None:
    local.api.says(GROUP, "before")
    await local.bot.set_webhook(called.url, secret_token="known_To-us")
    local.api.says(GROUP, "after")
    await until(local, 2, called)
    assert called.heard == [("known_To-us", "before"), ("known_To-us", "after")]
    await local.api.wait_for(lambda: not local.api.updates.unconfirmed)
    with pytest.raises(Conflict):
        await local.bot.get_updates()


async def test_what_is_not_taken_comes_again_and_holds_up_its_chat_alone(local: Local, called: Called) -> None:
    called.statuses = [503, 500]
    await local.bot.set_webhook(called.url)
    local.api.says(GROUP, "one")
    local.api.says(GROUP, "two")
    await until(local, 1, called)
    await local.api.wait_for(lambda: local.api.webhook.calls)
    info = await local.bot.get_webhook_info()
    assert info.pending_update_count == 2
    assert info.last_error_message == "Wrong response from the webhook: 503 Service Unavailable"
    local.api.says(OTHER, "elsewhere")
    await until(local, 5, called)
    assert [text for text in called.texts if text != "elsewhere"][-2:] == ["one", "two"]
    assert called.texts.count("two") == 1
    assert "elsewhere" in called.texts


async def test_an_answer_that_gets_lost_brings_the_update_again(local: Local, called: Called) -> None:
    local.api.webhook.lose_answers(1)
    await local.bot.set_webhook(called.url)
    local.api.says(GROUP, "one")
    await until(local, 2, called)
    assert called.texts == ["one", "one"]


async def test_without_the_webhook_nothing_is_brought_and_nothing_is_lost(local: Local, called: Called) -> None:
    called.statuses = [500] * 100
    await local.bot.set_webhook(called.url)
    local.api.says(GROUP, "one")
    await until(local, 1, called)
    await local.bot.delete_webhook()
    count = len(called.heard)
    await local.clock.advance(5 * MINUTE)
    assert len(called.heard) == count
    [update] = await local.bot.get_updates()
    assert update.message is not None
    assert update.message.text == "one"


async def test_while_telegram_is_away_it_calls_nobody(local: Local, called: Called) -> None:
    await local.bot.set_webhook(called.url)
    local.api.down()
    local.api.says(GROUP, "one")
    await local.clock.advance(5 * MINUTE)
    assert called.heard == []
    local.api.up()
    await until(local, 1, called)


@pytest.mark.parametrize(
    ("url", "secret", "error"),
    [
        ("http://sms.example.org/", "", "Bad webhook: an https url must be provided for webhook"),
        ("https://sms.example.org:8081/", "", "Bad webhook: webhook can be set up only on ports 80, 88, 443 or 8443"),
        ("https://sms.example.org/", "не латиница", "Secret token contains unallowed characters"),
        ("https://sms.example.org/", "x" * 257, "Secret token contains unallowed characters"),
    ],
)
async def test_where_telegram_would_not_call(api: SimulatedBotApi, bot: Bot, url: str, secret: str, error: str) -> None:
    assert (await refused(bot.set_webhook(url, secret_token=secret or None))).lower() == error.lower()
    assert api.updates.webhook_url == ""


async def test_kinds_that_were_not_asked_for_are_not_brought(local: Local, called: Called) -> None:
    await local.bot.set_webhook(called.url, allowed_updates=["message"])
    message = local.api.says(GROUP, "one")
    local.api.edits(GROUP, message, "two")
    await until(local, 1, called)
    await local.api.wait_for(lambda: not local.api.updates.unconfirmed)
    assert called.texts == ["one"]
