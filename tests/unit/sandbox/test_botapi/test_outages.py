"""Pace and outages: 429 on the clock, answers ordered beforehand, and every way a network fails."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest
from telegram.error import BadRequest, NetworkError, RetryAfter, TimedOut
from telegram.ext import Application

from bridge.sandbox.botapi import TOKEN, ApiOutage, SimulatedBotApi
from tests.clock import ManualClock
from tests.unit.sandbox.test_botapi.conftest import FORUM, GROUP, PERSON, Bot


@pytest.fixture(autouse=True)
def _seconds_as_timedelta(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own switch; its old integers come with a deprecation warning."""
    monkeypatch.setenv("PTB_TIMEDELTA", "true")


async def retry_after(call: object) -> int:
    with pytest.raises(RetryAfter) as caught:
        await call  # type: ignore[misc]
    wait = caught.value.retry_after
    assert isinstance(wait, timedelta)
    return int(wait.total_seconds())


async def test_a_forum_has_one_budget_for_everything_in_it(api: SimulatedBotApi, bot: Bot, clock: ManualClock) -> None:
    topics = [(await bot.create_forum_topic(FORUM, str(n))).message_thread_id for n in range(5)]
    sent = [(await bot.send_message(FORUM, "x", message_thread_id=t)).message_id for t in topics]
    await clock.advance(10_000)
    for message_id in sent:
        await bot.edit_message_text("y", FORUM, message_id)
    for thread_id in topics:
        await bot.close_forum_topic(FORUM, thread_id)
    before = len(api.chats[FORUM].history)
    assert await retry_after(bot.send_message(FORUM, "z")) == 50
    assert await retry_after(bot.create_forum_topic(FORUM, "z")) == 50
    assert await retry_after(bot.edit_message_text("z", FORUM, sent[0])) == 50
    assert len(api.chats[FORUM].history) == before
    await bot.send_message(GROUP, "another group has its own budget")
    await clock.advance(49_999)
    assert await retry_after(bot.send_message(FORUM, "z")) == 1
    await clock.advance(1)
    await bot.send_message(FORUM, "z")


async def test_reactions_and_refused_calls_spend_nothing_of_it(api: SimulatedBotApi, bot: Bot) -> None:
    api.flood_control.per_second = None
    asked = api.says(GROUP, "x")
    for n in range(30):
        await bot.set_message_reaction(GROUP, asked, "👍" if n % 2 else "👎")
        with pytest.raises(BadRequest):
            await bot.send_message(GROUP, "")
    await bot.send_message(GROUP, "x")


async def test_a_bot_has_one_budget_for_all_chats(api: SimulatedBotApi, bot: Bot, clock: ManualClock) -> None:
    api.flood_control.per_second = 3
    for _ in range(3):
        await bot.send_message(PERSON, "x")
    assert await retry_after(bot.send_message(GROUP, "x")) == 1
    await clock.advance(1_000)
    await bot.send_message(GROUP, "x")


async def test_budgets_can_be_switched_off(api: SimulatedBotApi, bot: Bot) -> None:
    api.flood_control.group_budget = api.flood_control.per_second = None
    for _ in range(40):
        await bot.send_message(GROUP, "x")
    assert len(api.chats[GROUP].messages) == 40


async def test_a_flood_that_was_ordered(api: SimulatedBotApi, bot: Bot, clock: ManualClock) -> None:
    api.flood(GROUP, 35)
    assert await retry_after(bot.send_message(GROUP, "x")) == 35
    await bot.send_message(FORUM, "x")
    await clock.advance(34_500)
    assert await retry_after(bot.send_message(GROUP, "x")) == 1
    await clock.advance(500)
    await bot.send_message(GROUP, "x")
    assert [call.status for call in api.calls_of("sendMessage")] == [429, 200, 429, 200]


async def test_an_answer_that_was_ordered_comes_so_often(api: SimulatedBotApi, bot: Bot) -> None:
    api.answer_next("sendMessage", 400, "Bad Request: can't parse entities: why not", times=2)
    for _ in range(2):
        with pytest.raises(BadRequest, match="Can't parse entities: why not"):
            await bot.send_message(GROUP, "x")
    await bot.send_message(GROUP, "x")
    api.answer_next("*", 429, "Too Many Requests: retry after 7", {"retry_after": 7})
    assert await retry_after(bot.get_me()) == 7


async def test_nobody_listens(api: SimulatedBotApi, bot: Bot) -> None:
    url = api.url
    api.down("refuse")
    with pytest.raises(NetworkError) as caught:
        await bot.send_message(GROUP, "x")
    assert isinstance(caught.value.__cause__, httpx.ConnectError)
    api.up()
    await bot.send_message(GROUP, "y")
    assert api.url == url
    assert [m.text for m in api.chats[GROUP].messages] == ["y"]


@pytest.mark.parametrize("mode", list(ApiOutage))
async def test_an_outage_cuts_a_long_poll(api: SimulatedBotApi, bot: Bot, mode: ApiOutage) -> None:
    waiting = asyncio.create_task(bot.get_updates(timeout=50))
    await api.wait_for(lambda: api.updates.polled)
    api.down(mode)
    async with asyncio.timeout(5):
        with pytest.raises(NetworkError):
            await waiting
    api.up()
    api.says(GROUP, "x")
    assert len(await bot.get_updates(timeout=50)) == 1


async def test_the_line_hangs(api: SimulatedBotApi, bot: Bot) -> None:
    api.down("hang")
    with pytest.raises(TimedOut):
        await bot.send_message(GROUP, "x", read_timeout=0.1)
    api.up()
    assert api.chats[GROUP].messages == []
    await bot.send_message(GROUP, "y")


async def test_a_bad_gateway(api: SimulatedBotApi, bot: Bot) -> None:
    api.down("502")
    with pytest.raises(NetworkError, match="Bad Gateway") as caught:
        await bot.send_message(GROUP, "x")
    assert type(caught.value) is NetworkError
    assert api.chats[GROUP].messages == []
    api.up()
    await bot.send_message(GROUP, "y")


async def test_the_answer_is_lost_but_the_message_stands(api: SimulatedBotApi, bot: Bot) -> None:
    api.down("cut_after")
    with pytest.raises(NetworkError):
        await bot.send_message(GROUP, "x")
    api.up()
    await bot.send_message(GROUP, "x")
    assert [m.text for m in api.chats[GROUP].messages] == ["x", "x"]


async def test_a_program_starts_while_telegram_is_down(api: SimulatedBotApi) -> None:
    api.down()
    application = Application.builder().token(api.token).base_url(api.base_url).updater(None).build()
    with pytest.raises(NetworkError):
        await application.initialize()
    api.up()
    await application.initialize()
    assert application.bot.username == "sms_bridge_bot"
    await application.shutdown()


@pytest.mark.parametrize("mode", list(ApiOutage))
async def test_it_stops_in_the_middle_of_anything(clock: ManualClock, mode: ApiOutage) -> None:
    api = SimulatedBotApi(clock=clock)
    await api.start()
    port = httpx.URL(api.url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /bot{TOKEN}/getMe HTTP/1.1\r\nHost: telegram\r\n\r\n".encode())
    api.down(mode)
    await api.stop()
    async with asyncio.timeout(10):
        assert b" 200 " not in (await reader.read()).partition(b"\r\n")[0]
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_tokens_and_bodies_of_strangers(api: SimulatedBotApi) -> None:
    async with httpx.AsyncClient() as client:
        wrong = await client.post(f"{api.url}/bot{TOKEN[:-1]}9/getMe")
        assert (wrong.status_code, wrong.json()["description"]) == (401, "Unauthorized")
        malformed = await client.post(f"{api.url}/botsecret/getMe")
        assert (malformed.status_code, malformed.json()["description"]) == (404, "Not Found")
        sent = await client.post(f"{api.base_url}{TOKEN}/SendMessage", json={"chat_id": GROUP, "text": "x"})
        assert sent.json()["result"]["text"] == "x"
        broken = await client.post(
            f"{api.base_url}{TOKEN}/sendMessage", content=b"{", headers={"Content-Type": "application/json"}
        )
        assert (broken.status_code, broken.json()["ok"]) == (400, False)
        got = await client.get(f"{api.base_url}{TOKEN}/sendMessage", params={"text": "x"})
        assert got.json()["description"] == "Bad Request: chat_id is empty"


async def test_waiting_is_bounded_and_names_the_latest_calls(api: SimulatedBotApi, bot: Bot) -> None:
    await bot.get_me()
    with pytest.raises(TimeoutError, match="getMe 200"):
        await api.wait_for(lambda: False, timeout_s=0.01)
