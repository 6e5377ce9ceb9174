"""After kills, limits and unreadable answers of Telegram nothing is sent twice and nothing is lost."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from bridge.model.base import MINUTE, SECOND
from bridge.model.sms import Change, Move, SmsState
from bridge.sandbox.botapi import MessageKind
from tests.flow.telegram.team import ADMINS, GROUP, SUBSCRIBER, Team, team
from tests.flow.telegram.test_status import buttons

OTHER = "79001112233"


@pytest.mark.parametrize("forum", [True, False])
async def test_cancelled_at_any_await_each_reply_is_one_sms(tmp_path: Path, forum: bool) -> None:
    async with team(tmp_path, forum=forum) as staff:
        staff.api.flood_control.group_budget = None
        post = await staff.received()
        await staff.settled()
        written = []
        for turns in range(0, 120, 3):
            staff.api.says(GROUP, f"answer {turns}", thread_id=post.thread_id, reply_to=None if forum else post.id)
            written.append(f"answer {turns}")
            for _ in range(turns):
                await asyncio.sleep(0)
            await staff.restart()
        await staff.until(lambda: staff.has_sms(len(written)), within_s=60)
        await staff.settled()
        assert [sms.text for sms in await staff.sms()] == written
        assert len(staff.shown(containing="Hello")) == 1


async def test_cancelled_at_any_await_each_sms_is_shown_under_its_topic_and_can_be_answered(tmp_path: Path) -> None:
    async with team(tmp_path, forum=True) as forum:
        forum.api.flood_control.group_budget = None
        for turns in range(0, 120, 4):
            await forum.texted(f"<{turns}>", subscriber=f"79001112{turns:03}")
            for _ in range(turns):
                await asyncio.sleep(0)
            await forum.restart()
        await forum.settled()
        for turns in range(0, 120, 4):
            shown = forum.shown(containing=f"<{turns}>")
            assert shown, "lost"
            before = len(await forum.sms())
            forum.api.says(GROUP, f"answer {turns}", thread_id=shown[-1].thread_id)
            await forum.has_now(before + 1)
            assert (await forum.sms())[-1].recipient == f"79001112{turns:03}"


async def test_a_failure_is_shown_in_the_group_if_its_topic_was_deleted(forum: Team) -> None:
    post = await forum.received()
    assert post.thread_id is not None
    forum.api.says(GROUP, "Good day", thread_id=post.thread_id)
    await forum.until(forum.has_sms)
    await forum.settled()
    forum.api.delete_topic(GROUP, post.thread_id)
    await forum.platform(Move.REFUSED, Change(reason="stop_list"))
    told = await forum.sees("stop list")
    assert told.thread_id is None
    [failed] = await forum.sms()
    assert buttons(told) == [f"again:{failed.id}"]


async def test_a_failure_is_shown_in_a_closed_topic(forum: Team) -> None:
    post = await forum.received()
    assert post.thread_id is not None
    forum.api.says(GROUP, "Good day", thread_id=post.thread_id)
    await forum.until(forum.has_sms)
    await forum.settled()
    forum.api.close_topic(GROUP, post.thread_id)
    forum.api.answer_next("sendMessage", 400, "Bad Request: TOPIC_CLOSED")
    await forum.platform(Move.REFUSED, Change(reason="stop_list"))
    assert (await forum.sees("stop list")).thread_id == post.thread_id


async def test_a_press_during_a_flood_limit_asks_nothing_too_early(group: Team) -> None:
    post = await group.received()
    group.api.says(GROUP, "Good day", reply_to=post.id)
    await group.until(group.has_sms)
    failed = await group.platform(Move.REFUSED, Change(reason="stop_list"))
    told = await group.sees("stop list")
    await group.settled()
    group.api.flood(GROUP, 40)
    began = group.clock.now()
    await group.texted("one more")
    await group.until(lambda: any(call.status == 429 for call in group.api.calls))
    group.api.presses(GROUP, told.id, f"again:{failed.id}")
    await group.until(lambda: group.has_sms(2))
    assert group.clock.now() < began + 40 * SECOND, "the decision itself does not wait"
    await group.until(lambda: "Sent again" in group.api.chats[GROUP].history[told.id].text)
    await group.settled()
    assert [call.status for call in group.api.calls].count(429) == 1


async def test_the_first_to_meet_a_flood_limit_stops_the_others(group: Team) -> None:
    """A button's message runs into the limit: posts of the chat wait as long as Telegram said."""
    post = await group.received()
    group.api.says(GROUP, "Good day", reply_to=post.id)
    await group.until(group.has_sms)
    unknown = await group.platform(Move.LOSE_TRACK)
    told = await group.sees("may arrive twice")
    await group.settled()
    group.api.flood(GROUP, 40)
    group.api.presses(GROUP, told.id, f"leave:{unknown.id}")
    await group.until(lambda: any(call.status == 429 for call in group.api.calls))
    await group.texted("one more")
    await group.sees("one more")
    await group.until(lambda: buttons(told) == [])
    await group.settled()
    assert [call.status for call in group.api.calls].count(429) == 1


@pytest.mark.parametrize("answer", ['{"ok":true,"result":[]}', '{"ok":true,"result":{}}', '{"ok":true,"result":[{}]}'])
async def test_an_answer_without_updates_is_not_asked_for_again_at_once(tmp_path: Path, answer: str) -> None:
    """A proxy on the way, or Telegram on a bad day, answers a long poll at once with nothing or with nonsense."""
    asked = 0

    async def at_once(request: web.Request) -> web.Response:
        nonlocal asked
        asked += request.path.endswith("/getUpdates")  # a start makes other calls as well
        return web.Response(text=answer, content_type="application/json")

    async with team(tmp_path, forum=False, running=False) as group, hasty(at_once) as url:
        group.settings = group.settings.model_copy(
            update={"telegram": group.settings.telegram.model_copy(update={"api_url": url})}
        )
        group.start()
        began = group.clock.now()
        group.stride = SECOND
        await group.until(lambda: group.clock.now() >= began + 20 * SECOND, within_s=30)
        assert 1 <= asked <= 25


@asynccontextmanager
async def hasty(handler: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_start_knows_at_once_that_telegram_answers(group: Team) -> None:
    """The first poll is short: a long one would take half a minute."""
    began = group.clock.now()
    await group.until(lambda: group.side.health().connected)
    assert group.clock.now() < began + 10 * SECOND


async def test_an_sms_that_telegram_refuses_does_not_hide_the_next_ones(group: Team) -> None:
    """Telegram always refuses one message: the bot sends one without the text instead, and goes on."""
    await group.until(lambda: group.side.health().connected)
    group.api.answer_next("sendMessage", 400, "Bad Request: nobody knows why", times=10)
    await group.texted("poison")
    await group.texted("next")
    await group.sees("next")
    await group.settled()
    assert group.shown(containing="poison") == []
    stand_in = await group.sees("Telegram refuses to show")
    group.api.says(GROUP, "Good day", reply_to=stand_in.id)
    await group.until(group.has_sms)
    assert [sms.recipient for sms in await group.sms()] == [SUBSCRIBER]


async def test_the_first_part_of_a_long_sms_is_shown_once_though_the_second_waits(group: Team) -> None:
    await group.until(lambda: group.side.health().connected)
    text = " ".join(f"слово{number}" for number in range(700))
    await group.texted("first")
    await group.sees("first")
    await group.settled()
    # Telegram counts otherwise than we do: it has room for the first part and none for the second.
    group.api.flood_control.group_budget = 2
    await group.texted(text)
    await group.until(lambda: any(call.status == 429 for call in group.api.calls))
    group.api.flood_control.group_budget = 20
    await group.until(lambda: len(group.shown(containing="слово")) >= 2)
    await group.settled()
    assert len(group.shown(containing="слово")) == 2


async def test_a_long_sms_whose_topic_goes_in_the_middle_is_shown_whole_in_the_next(forum: Team) -> None:
    first = await forum.received("first")
    assert first.thread_id is not None
    await forum.settled()
    forum.api.flood_control.group_budget = 3  # the topic, the first SMS, and one of the two parts
    await forum.texted(" ".join(f"слово{number}" for number in range(700)))
    await forum.until(lambda: any(call.status == 429 for call in forum.api.calls))
    forum.api.delete_topic(GROUP, first.thread_id)
    forum.api.flood_control.group_budget = 20
    await forum.settled()
    shown = forum.shown(containing="слово")
    assert len(shown) == 2
    assert {message.thread_id for message in shown} == {shown[0].thread_id}
    assert shown[0].thread_id not in (None, first.thread_id)


async def test_a_group_with_another_id_in_the_configuration_is_not_held_up_by_the_old_one(tmp_path: Path) -> None:
    """The chat was set up anew: notices that waited for the old group must not block its conversations."""
    async with team(tmp_path, forum=False) as group:
        post = await group.received("first")
        await group.settled()
        group.api.flood(GROUP, 600)
        group.api.says(GROUP, kind=MessageKind.PHOTO, reply_to=post.id)
        await group.until(lambda: any(call.status == 429 for call in group.api.calls))
        await group.stop()
        fresh = -1003333333333
        group.api.add_chat(fresh, title="Fresh")
        chats = {**group.settings.telegram.chats}
        chats["support"] = chats["support"].model_copy(update={"id": fresh})
        group.settings = group.settings.model_copy(
            update={"telegram": group.settings.telegram.model_copy(update={"chats": chats})}
        )
        group.start()
        await group.texted("second")
        await group.sees("second", chat_id=fresh)
        told = await group.sees("text only", chat_id=fresh)
        assert told.reply_to is None, "the number means another message here"


async def test_a_forum_that_removed_the_bot_is_reported_once(forum: Team) -> None:
    await forum.texted("first")
    await forum.sees("first")
    forum.api.kick_bot(GROUP)
    await forum.texted("second", subscriber=OTHER)
    await forum.sees("cannot be written to", chat_id=ADMINS)
    began = forum.clock.now()
    await forum.until(lambda: forum.clock.now() > began + 2 * MINUTE)
    assert len(forum.shown(ADMINS)) == 1, "topics were never the matter"
    forum.api.change_bot(GROUP, "administrator")
    assert (await forum.sees("second")).thread_id is not None


async def test_a_chat_where_only_reactions_are_forbidden_goes_on(tmp_path: Path) -> None:
    async with team(tmp_path, forum=False) as group:
        post = await group.received()
        await group.settled()
        group.api.answer_next("setMessageReaction", 400, "Bad Request: not enough rights to set reactions", times=9)
        group.api.says(GROUP, "Good day", reply_to=post.id)
        await group.sees("Waiting to be sent")
        await group.settled()
        assert group.shown(ADMINS) == []


async def test_a_forum_and_a_plain_group_show_the_same_subscriber_and_answer_once_each(tmp_path: Path) -> None:
    plain = -1004444444444
    async with team(tmp_path, forum=True, running=False) as staff:
        staff.api.add_chat(plain, title="Plain")
        chats = {**staff.settings.telegram.chats}
        chats["sales"] = chats["support"].model_copy(update={"id": plain, "mode": "replies"})
        staff.settings = staff.settings.model_copy(
            update={"telegram": staff.settings.telegram.model_copy(update={"chats": chats})}
        )
        staff.start()
        await staff.texted("to the forum")
        await staff.texted("to the group", chat="sales")
        above = await staff.sees("to the forum")
        below = await staff.sees("to the group", chat_id=plain)
        assert above.thread_id is not None
        assert above.text.rsplit("#", 1)[1] != below.text.rsplit("#", 1)[1]
        staff.api.says(GROUP, "from the forum", thread_id=above.thread_id)
        await staff.until(staff.has_sms)
        staff.api.says(plain, "from the group", reply_to=below.id)
        staff.api.says(plain, "talk")
        await staff.settled()
        assert [sms.text for sms in await staff.sms()] == ["from the forum", "from the group"]


async def test_telegram_away_for_days_and_everything_is_shown_in_order(group: Team) -> None:
    await group.until(lambda: group.side.health().connected)
    group.stride = 30 * SECOND
    group.api.down()
    for number in range(3):
        await group.texted(f"<{number}>")
        await group.passes(5 * MINUTE)
    group.api.up()
    await group.settled()
    shown = re.findall(r"<\d>", "".join(message.text for message in group.shown()))
    assert shown == [f"<{number}>" for number in range(3)]
    back = await group.sees("Telegram is back", chat_id=ADMINS)
    assert re.search(r"back after 1[4-9] min\. 3 SMS waited", back.text), back.text
    await group.settled()
    assert len(group.shown(ADMINS, "Telegram is back")) == 1
    assert [sms.state for sms in await group.sms()] == list[SmsState]()
