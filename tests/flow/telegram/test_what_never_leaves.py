"""Notes, commands, pictures, strangers, edits: none becomes an SMS, and the author is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.model.alert import Alert
from bridge.model.base import Json
from bridge.model.sms import Change, Move, SmsState
from bridge.sandbox.botapi import MessageKind
from bridge.sandbox.botapi.render import message_json
from tests.flow.telegram.team import ADMINS, GROUP, Team, team

BORIS = 1002


@pytest.mark.parametrize(
    "note", ["// he called twice", "  //secret", "//", "// first\nsecond line", ". he is angry", ".angry"]
)
async def test_a_note_stays_without_a_notice(forum: Team, note: str) -> None:
    post = await forum.received()
    forum.api.says(GROUP, note, thread_id=post.thread_id)
    forum.api.says(GROUP, note, thread_id=post.thread_id, reply_to=post.id)
    await forum.settled()
    assert await forum.sms() == []
    assert len(forum.shown()) == 1


@pytest.mark.parametrize("text", ["Good day\n// he is angry", "Good day\n\n  //angry"])
async def test_a_note_mark_further_down_makes_the_bot_ask(forum: Team, text: str) -> None:
    post = await forum.received()
    written = forum.api.says(GROUP, text, thread_id=post.thread_id)
    told = await forum.sees("line inside the text looks like a note")
    assert (told.reply_to, told.thread_id) == (written, post.thread_id)
    assert [sms.state for sms in await forum.sms()] == [SmsState.DRAFT]


async def test_an_ellipsis_is_no_note(forum: Team) -> None:
    post = await forum.received()
    forum.api.says(GROUP, "...and tomorrow?", thread_id=post.thread_id)
    await forum.until(forum.has_sms)


async def test_two_slashes_within_a_line_are_no_note(forum: Team) -> None:
    post = await forum.received()
    forum.api.says(GROUP, "see http://example.test/ // there", thread_id=post.thread_id)
    await forum.until(forum.has_sms)


async def test_a_configured_note_mark(tmp_path: Path) -> None:
    async with team(tmp_path, forum=True) as forum:
        marked = forum.settings.telegram.model_copy(update={"note_mark": "##"})
        forum.settings = forum.settings.model_copy(update={"telegram": marked})
        await forum.restart()
        post = await forum.received()
        forum.api.says(GROUP, "## inside", thread_id=post.thread_id)
        forum.api.says(GROUP, "outside", thread_id=post.thread_id)
        await forum.settled()
        assert [sms.text for sms in await forum.sms()] == ["outside"]


@pytest.mark.parametrize("command", ["/nosuch", "/nosuch@SMS_Bridge_Bot", "/nosuch@", " /nosuch"])
async def test_an_unknown_command_never_leaves(forum: Team, command: str) -> None:
    post = await forum.received()
    forum.api.says(GROUP, command, thread_id=post.thread_id)
    await forum.sees("no such command")
    assert await forum.sms() == []


@pytest.mark.parametrize(
    "command", ["/sms@other_bot 79001112233 hi", "/start@other_bot", "/weather@OtherBot, now", "\u200e/close@other_bot"]
)
@pytest.mark.parametrize("kind", [MessageKind.TEXT, MessageKind.PHOTO])
async def test_a_command_to_another_bot_is_ignored(forum: Team, command: str, kind: MessageKind) -> None:
    post = await forum.received()
    for reply_to in (None, post.id):
        written = forum.api.says(GROUP, command, thread_id=post.thread_id, reply_to=reply_to, kind=kind)
    forum.api.edits(GROUP, written, command + " now")
    await forum.settled()
    assert len(forum.shown()) == 1, "and no word about it"
    assert await forum.sms() == []


async def test_a_command_to_another_bot_is_not_carried_out_while_the_own_name_is_unknown(forum: Team) -> None:
    """Telegram does not answer the first question for the name, and would answer a second one."""
    post = await forum.received()
    forum.api.answer_next("getMe", 502, "Bad Gateway")
    forum.api.says(GROUP, "/sms@other_bot 79001112233 hi", thread_id=post.thread_id)
    await forum.settled()
    assert forum.api.calls_of("getMe")
    assert await forum.sms() == []


@pytest.mark.parametrize("kind", [kind for kind in MessageKind if kind is not MessageKind.TEXT])
async def test_the_author_of_anything_but_text_is_told_that_it_was_not_sent(group: Team, kind: MessageKind) -> None:
    post = await group.received()
    written = group.api.says(GROUP, kind=kind, reply_to=post.id)
    told = await group.sees("SMS is text only. Nothing was sent")
    assert told.reply_to == written
    assert [sms.state for sms in await group.sms()] in ([], [SmsState.DRAFT])


async def test_a_picture_among_colleagues_is_ignored(group: Team) -> None:
    await group.received()
    group.api.says(GROUP, kind=MessageKind.PHOTO)
    await group.settled()
    assert len(group.shown()) == 1


async def test_the_author_of_a_reply_without_a_conversation_is_told_that_it_was_not_sent(group: Team) -> None:
    post = await group.received()
    group.api.says(GROUP, kind=MessageKind.VOICE, reply_to=post.id)
    await group.settled()
    # An alert is a message of the bot too, and has no subscriber.
    alert = Alert(key="platform:main", text="alert.platform_unreachable", params={"account": "main"})
    await group.store.raise_alert(alert, group.clock.now())
    group.signals.posts.set()
    post = await group.sees("does not answer", chat_id=ADMINS)
    written = group.api.says(ADMINS, "what do you mean?", reply_to=post.id)
    told = await group.sees("not known whom", chat_id=ADMINS)
    assert told.reply_to == written
    assert await group.sms() == []


async def test_a_chat_outside_the_configuration_gets_no_answer(group: Team) -> None:
    await group.received()
    stranger, person = -1005555, 4242
    group.api.add_chat(stranger, title="Elsewhere")
    group.api.add_chat(person, title="Mallory", kind="private")
    group.api.change_bot(stranger, "administrator")
    for chat_id in (stranger, person):
        mine = group.api.says(chat_id, "hello")
        group.api.says(chat_id, "/start")
        group.api.says(chat_id, "again", reply_to=mine)
        group.api.says(chat_id, kind=MessageKind.PHOTO)
        group.api.edits(chat_id, mine, "hello?")
    await group.settled()
    assert await group.sms() == []
    addressed = {call.params.get("chat_id") for call in group.api.calls}
    assert addressed <= {None, str(GROUP), str(ADMINS)}


async def test_a_chat_that_left_the_configuration_is_ignored(group: Team) -> None:
    """Its old posts, mappings and buttons still stand there."""
    post = await group.received()
    written = group.api.says(GROUP, "Good day", reply_to=post.id)
    await group.until(group.has_sms)
    failed = await group.platform(Move.REFUSED, Change(reason="stop_list"))
    told = await group.sees("stop list")
    await group.settled()
    only = {"admins": group.settings.telegram.chats["admins"]}
    without = group.settings.telegram.model_copy(update={"chats": only, "default_chat": "admins"})
    group.settings = group.settings.model_copy(update={"telegram": without})
    await group.restart()
    group.api.says(GROUP, "are you there?", reply_to=post.id)
    group.api.says(GROUP, kind=MessageKind.PHOTO, reply_to=post.id)
    group.api.edits(GROUP, written, "Good evening")
    query = group.api.presses(GROUP, told.id, f"again:{failed.id}")
    await group.settled()
    assert len(await group.sms()) == 1
    assert len(group.shown()) == 2
    assert not group.api.presses_by_id[query].answered


async def test_only_named_operators_may_write(tmp_path: Path) -> None:
    async with team(tmp_path, forum=False, operators=[BORIS]) as group:
        group.api.add_user(BORIS, "Boris")
        post = await group.received()
        group.api.says(GROUP, "I am Anna", reply_to=post.id)
        await group.sees("only this chat's operators")
        group.api.says(GROUP, "I am Boris", reply_to=post.id, user_id=BORIS)
        await group.until(group.has_sms)
        assert [sms.text for sms in await group.sms()] == ["I am Boris"]


@pytest.mark.parametrize("allowed", [True, False])
async def test_anonymous_administrators_only_where_allowed(tmp_path: Path, allowed: bool) -> None:
    async with team(tmp_path, forum=False, anonymous_admins=allowed) as group:
        post = await group.received()
        group.api.says(GROUP, "who am I", reply_to=post.id, anonymous_admin=True)
        await group.settled()
        assert [sms.text for sms in await group.sms()] == (["who am I"] if allowed else [])
        assert bool(group.shown(containing="anonymous_admins")) is not allowed


async def test_another_bot_in_the_group_is_no_operator(group: Team) -> None:
    post = await group.received()
    group.api.add_user(777, "Weather", is_bot=True)
    group.api.says(GROUP, "rain", reply_to=post.id, user_id=777)
    await group.settled()
    assert await group.sms() == []
    assert len(group.shown()) == 1


# ------------------------------------------------ what looks like an operator's message and is none

CHANNEL: Json = {"id": -1007776665554, "type": "channel", "title": "News"}
BOT: Json = {"id": 778, "is_bot": True, "first_name": "Gif", "username": "gif_bot"}
POSTED: dict[str, Json] = {"type": "channel", "date": 1767700800, "chat": CHANNEL, "message_id": 5}
NOT_OPERATORS: dict[str, tuple[str, dict[str, Json], str]] = {
    "forwarded by Telegram from the linked channel": (
        "message",
        {"is_automatic_forward": True, "sender_chat": CHANNEL, "forward_origin": POSTED},
        "",
    ),
    "forwarded by Telegram, its origin hidden": ("message", {"is_automatic_forward": True, "sender_chat": CHANNEL}, ""),
    "of a channel that writes in the group": ("message", {"sender_chat": CHANNEL}, "only this chat's operators"),
    "sent via another bot": ("message", {"via_bot": BOT}, "another bot wrote the"),
    "of a business account": ("business_message", {"business_connection_id": "b1"}, ""),
    "edited in a business account": ("edited_business_message", {"business_connection_id": "b1", "edit_date": 5}, ""),
    "a channel's post": ("channel_post", {"sender_chat": CHANNEL}, ""),
    "a channel's edited post": ("edited_channel_post", {"sender_chat": CHANNEL, "edit_date": 5}, ""),
    "an edit of what was never seen": ("edited_message", {"edit_date": 1767700900}, "edit"),
}


@pytest.mark.parametrize("text", ["Good day", "/sms +79001112233 Good day", "/t hello"])
@pytest.mark.parametrize("what", NOT_OPERATORS)
async def test_a_text_that_no_operator_wrote_here_never_leaves(forum: Team, what: str, text: str) -> None:
    """In a conversation's own topic, where all else goes out."""
    kind, changes, told = NOT_OPERATORS[what]
    post = await forum.received()
    written = forum.api.says(GROUP, "placeholder", thread_id=post.thread_id)
    await forum.until(forum.has_sms)
    await forum.settled()
    before = len(forum.shown())
    message = message_json(forum.api.chats[GROUP], forum.api.chats[GROUP].history[written])
    forum.api.raw_update({kind: {**message, "message_id": 940, "text": text, **changes}})
    await forum.settled()
    assert [sms.text for sms in await forum.sms()] == ["placeholder"]
    said = forum.shown()[before:]
    assert len(said) <= bool(told), said
    if told and not text.startswith("/"):
        assert told in said[0].text
    assert (await forum.store.queue_status()).updates_parked == 0
