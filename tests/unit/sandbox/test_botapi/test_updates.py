"""What the bot hears: long polling, confirmation, conflicts, and the shape of what people do."""

from __future__ import annotations

import asyncio

import pytest
from telegram import Update
from telegram.error import BadRequest, Conflict, InvalidToken

from bridge.sandbox.botapi import ANONYMOUS_ADMIN, MessageKind, SimulatedBotApi
from bridge.sandbox.botapi.state import ServerOptions
from tests.clock import ManualClock
from tests.unit.sandbox.test_botapi.conftest import FORUM, GROUP, OLD_GROUP, PERSON, Bot
from tests.unit.sandbox.test_botapi.refusals import refused

OTHER_POLL = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"


async def poll(api: SimulatedBotApi, bot: Bot, seconds: int = 50) -> asyncio.Task[tuple[Update, ...]]:
    """A long poll that has come to wait."""
    before = len(api.calls_of("getUpdates"))
    task = asyncio.create_task(bot.get_updates(timeout=seconds))
    await api.wait_for(lambda: len(api.calls_of("getUpdates")) > before and api.updates.polled)
    return task


async def test_unconfirmed_updates_come_again(api: SimulatedBotApi, bot: Bot) -> None:
    for text in ("a", "b", "c"):
        api.says(GROUP, text)
    first = await bot.get_updates(limit=2)
    assert [u.message.text for u in first if u.message] == ["a", "b"]
    assert await bot.get_updates(limit=2) == first
    rest = await bot.get_updates(offset=first[-1].update_id + 1)
    assert [u.message.text for u in rest if u.message] == ["c"]
    assert api.updates.unconfirmed == [rest[0].update_id]
    assert await bot.get_updates(offset=0) == rest


async def test_a_negative_offset_forgets_all_but_the_last(api: SimulatedBotApi, bot: Bot) -> None:
    for text in ("a", "b", "c"):
        api.says(GROUP, text)
    last = await bot.get_updates(offset=-1)
    assert [u.message.text for u in last if u.message] == ["c"]
    assert await bot.get_updates() == last


async def test_update_ids_are_never_used_twice(api: SimulatedBotApi, bot: Bot) -> None:
    seen: list[int] = []
    for _ in range(3):
        api.says(GROUP, "x")
        found = await bot.get_updates(offset=seen[-1] + 1 if seen else 0)
        seen += [update.update_id for update in found]
    assert seen == sorted(set(seen))
    assert len(seen) == 3


async def test_a_long_poll_ends_with_the_first_update(api: SimulatedBotApi, bot: Bot) -> None:
    waiting = await poll(api, bot)
    api.says(GROUP, "x")
    assert len(await waiting) == 1


async def test_a_long_poll_ends_empty_when_its_time_is_over(api: SimulatedBotApi, bot: Bot, clock: ManualClock) -> None:
    waiting = await poll(api, bot, seconds=30)
    await clock.advance(29_999)
    assert api.updates.polled
    await clock.advance(1)
    assert await waiting == ()


async def test_a_second_poll_ends_the_first(api: SimulatedBotApi, bot: Bot, other: Bot) -> None:
    first = await poll(api, bot)
    second = await poll(api, other)
    assert await refused(first, Conflict) == OTHER_POLL
    api.says(GROUP, "x")
    assert len(await second) == 1


async def test_a_poll_that_hung_up_is_forgotten(api: SimulatedBotApi, bot: Bot) -> None:
    first = await poll(api, bot)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await api.wait_for(lambda: not api.updates.polled)
    second = await poll(api, bot)
    api.says(GROUP, "x")
    assert len(await second) == 1


async def test_another_program_polls_the_same_bot(api: SimulatedBotApi, bot: Bot) -> None:
    waiting = await poll(api, bot)
    api.conflict(times=2)
    assert await refused(waiting, Conflict) == OTHER_POLL
    assert await refused(bot.get_updates(), Conflict) == OTHER_POLL
    assert await bot.get_updates() == ()


async def test_a_webhook_and_polling_exclude_each_other(api: SimulatedBotApi, bot: Bot) -> None:
    waiting = await poll(api, bot)
    error = "Bad webhook: an https url must be provided for webhook"
    assert await refused(bot.set_webhook("http://127.0.0.1/x")) == error
    await bot.set_webhook("https://example.org/x")
    assert await refused(waiting, Conflict) == "Conflict: terminated by setWebhook request"
    assert "webhook is active; use deleteWebhook" in await refused(bot.get_updates(), Conflict)
    assert (await bot.get_webhook_info()).url == "https://example.org/x"
    await bot.delete_webhook()
    assert await bot.get_updates() == ()


async def test_kinds_that_were_not_asked_for_do_not_come(api: SimulatedBotApi, bot: Bot) -> None:
    written = api.says(GROUP, "x")
    api.reacts(GROUP, written, "👍")
    assert len(await bot.get_updates(allowed_updates=["message_reaction"])) == 1
    api.edits(GROUP, written, "y")
    api.reacts(GROUP, written, "👎")
    (update,) = await bot.get_updates(offset=-1)
    assert update.message_reaction is not None


async def test_an_update_is_kept_for_a_day(api: SimulatedBotApi, bot: Bot, clock: ManualClock) -> None:
    api.says(GROUP, "old")
    await clock.advance(20 * 3_600_000)
    api.says(GROUP, "new")
    await clock.advance(5 * 3_600_000)
    assert [u.message.text for u in await bot.get_updates() if u.message] == ["new"]


async def test_a_malformed_update_is_handed_out_like_any_other(api: SimulatedBotApi, bot: Bot) -> None:
    bad = api.raw_update({"message": {"message_id": "one", "chat": None}})
    api.says(GROUP, "good")
    with pytest.raises((KeyError, TypeError, AttributeError)):
        await bot.get_updates()
    assert [u.update_id for u in await bot.get_updates(offset=bad + 1)] == [bad + 1]


async def test_commands_are_marked_and_nothing_else_is(api: SimulatedBotApi, bot: Bot) -> None:
    api.says(GROUP, "😀 /sms@sms_bridge_bot 79 /usr/bin a/b")
    message = (await bot.get_updates())[0].message
    assert message is not None
    assert list(message.parse_entities().values()) == ["/sms@sms_bridge_bot"]


async def test_an_anonymous_administrator_hides_behind_the_group(api: SimulatedBotApi, bot: Bot) -> None:
    api.says(GROUP, "x", anonymous_admin=True)
    message = (await bot.get_updates())[0].message
    assert message is not None
    assert message.from_user is not None
    assert message.sender_chat is not None
    assert (message.from_user.id, message.from_user.is_bot) == (ANONYMOUS_ADMIN, True)
    assert message.sender_chat.id == GROUP


@pytest.mark.parametrize("kind", [kind for kind in MessageKind if kind is not MessageKind.TEXT])
async def test_what_is_not_text(api: SimulatedBotApi, bot: Bot, kind: MessageKind) -> None:
    api.says(PERSON, "Look", kind=kind)
    message = (await bot.get_updates())[0].message
    assert message is not None
    assert message.effective_attachment
    assert (message.text, message.caption) == (None, "Look")
    assert message.from_user is not None
    assert message.from_user.id == PERSON


async def test_edits_and_presses(api: SimulatedBotApi, bot: Bot) -> None:
    written = api.says(GROUP, "x")
    api.edits(GROUP, written, "y")
    markup = {"inline_keyboard": [[{"text": "Go", "callback_data": "go"}]]}
    sent = (await bot.send_message(GROUP, "z", api_kwargs={"reply_markup": markup})).message_id
    query_id = api.presses(GROUP, sent, "go")
    _, edited, pressed = await bot.get_updates()
    assert edited.edited_message is not None
    assert (edited.edited_message.message_id, edited.edited_message.text) == (written, "y")
    assert edited.edited_message.edit_date is not None
    query = pressed.callback_query
    assert query is not None
    assert query.message is not None
    assert (query.id, query.data, query.message.message_id) == (query_id, "go", sent)


async def test_a_group_without_the_bot_is_silent_to_it(api: SimulatedBotApi, bot: Bot) -> None:
    api.kick_bot(GROUP)
    api.says(GROUP, "x")
    api.change_bot(GROUP, "member")
    api.says(GROUP, "y")
    kicked, back, heard = await bot.get_updates()
    assert kicked.my_chat_member is not None
    assert kicked.my_chat_member.new_chat_member.status == "kicked"
    assert back.my_chat_member is not None
    assert back.my_chat_member.new_chat_member.status == "member"
    assert heard.message is not None
    assert heard.message.text == "y"


async def test_privacy_mode_leaves_only_what_is_meant_for_the_bot(clock: ManualClock) -> None:
    async with SimulatedBotApi(clock=clock, options=ServerOptions(privacy=True)) as api:
        api.add_chat(OLD_GROUP, kind="group", bot_is="member")
        api.add_chat(FORUM)
        for text in ("hello", "/help", "/help@other_bot", "hey @sms_bridge_bot"):
            api.says(OLD_GROUP, text)
        api.says(FORUM, "an administrator hears all")
        assert len(api.updates.unconfirmed) == 3


async def test_what_the_start_check_asks(api: SimulatedBotApi, bot: Bot) -> None:
    api.says(FORUM, "x")
    api.chats[FORUM].members[1001] = "creator"
    api.chats[FORUM].can_manage_topics = False
    api.chats[GROUP].reactions = ("👍", "👀")
    me = await bot.get_me()
    assert me.can_read_all_group_messages
    forum, group = await bot.get_chat(FORUM), await bot.get_chat(GROUP)
    assert (forum.type, forum.is_forum) == ("supergroup", True)
    assert [reaction.to_dict()["emoji"] for reaction in group.available_reactions or ()] == ["👍", "👀"]
    assert (await bot.get_chat(PERSON)).type == "private"
    member = await bot.get_chat_member(FORUM, me.id)
    assert (member.status, getattr(member, "can_manage_topics", None)) == ("administrator", False)
    assert (await bot.get_chat_member(OLD_GROUP, me.id)).status == "member"
    with pytest.raises(BadRequest):
        await bot.get_chat_member(FORUM, 99)


async def test_commands_are_kept_by_scope_and_language(api: SimulatedBotApi, bot: Bot) -> None:
    await bot.set_my_commands([("help", "Помощь")], language_code="ru")
    assert [c.command for c in await bot.get_my_commands(language_code="ru")] == ["help"]
    assert await bot.get_my_commands() == ()
    assert api.commands(language_code="ru") == [{"command": "help", "description": "Помощь"}]
    assert await refused(bot.set_my_commands([("Help", "x")])) == "Bot_command_invalid"
    assert await refused(bot.set_my_commands([("help", "")])) == "Bot_command_description_invalid"


async def test_a_revoked_token(api: SimulatedBotApi, bot: Bot) -> None:
    api.unauthorised()
    assert await refused(bot.get_me(), InvalidToken) == "Unauthorized"
    api.unauthorised(False)
    assert await bot.get_me()
