"""Texts that mislead by accident or on purpose: invisible characters, foreign codes, forwards, albums, long texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.model.alert import Alert, alert_post
from bridge.model.base import Json
from bridge.model.sms import Change, Move, SmsState
from bridge.sandbox.botapi import MessageKind
from bridge.text.parts import split
from tests.flow.telegram.team import ADMINS, GROUP, SUBSCRIBER, Team, team

OTHER = "79001112233"
BORIS = 1002
INVISIBLE = ["\u200b", "\u200e", "\u200f\u202b", "\ufeff", "\u2060 ", "\u200d", "\n\u200b\n", "\u3164", "\u2800"]


@pytest.mark.parametrize("mark", INVISIBLE)
async def test_a_note_stays_behind_invisible_characters(forum: Team, mark: str) -> None:
    post = await forum.received()
    forum.api.says(GROUP, f"{mark}// he is lying", thread_id=post.thread_id)
    await forum.settled()
    assert await forum.sms() == []
    assert len(forum.shown()) == 1


@pytest.mark.parametrize("mark", INVISIBLE)
async def test_a_note_mark_further_down_is_seen_behind_invisible_characters(forum: Team, mark: str) -> None:
    post = await forum.received()
    forum.api.says(GROUP, f"Good day\n{mark}// he is lying", thread_id=post.thread_id)
    await forum.sees("line inside the text looks like a note")
    assert [sms.state for sms in await forum.sms()] == [SmsState.DRAFT]


@pytest.mark.parametrize("mark", INVISIBLE)
async def test_a_command_never_leaves_behind_invisible_characters(forum: Team, mark: str) -> None:
    post = await forum.received()
    forum.api.says(GROUP, f"{mark}/nosuch", thread_id=post.thread_id)
    await forum.sees("no such command")
    assert await forum.sms() == []


@pytest.mark.parametrize("text", [*INVISIBLE, "\u202e\u202c \u200f\n"])
async def test_an_invisible_text_is_not_sent(forum: Team, text: str) -> None:
    post = await forum.received()
    forum.api.says(GROUP, text, thread_id=post.thread_id)
    await forum.sees("has no text")
    assert await forum.sms() == []


async def test_the_text_of_an_sms_keeps_what_belongs_to_it(forum: Team) -> None:
    post = await forum.received()
    forum.api.says(GROUP, "\u200e \ufeffСемья 👨‍👩‍👧, می\u200cخواهم\u200b\n", thread_id=post.thread_id)
    await forum.until(forum.has_sms)
    assert [sms.text for sms in await forum.sms()] == ["Семья 👨‍👩‍👧, می\u200cخواهم"]


@pytest.mark.parametrize("text", ["half \ud83d of it", "nul \x00 inside"])
async def test_characters_that_no_database_takes_are_left_out(forum: Team, text: str) -> None:
    post = await forum.received()
    written = forum.api.says(GROUP, "placeholder", thread_id=post.thread_id)
    await forum.settled()
    again = {**forum.as_sent(written), "message_id": 900, "text": text}
    forum.api.raw_update({"message": again})
    await forum.settled()
    [_, sms] = await forum.sms()
    assert sms.text.encode().startswith(text[:3].encode())
    assert (await forum.store.queue_status()).updates_parked == 0


async def test_a_reply_as_long_as_telegram_allows_is_one_sms_of_many_parts(forum: Team) -> None:
    post = await forum.received()
    text = "слово " * 681 + "конец"
    assert 4090 < len(text) <= 4096
    written = forum.api.says(GROUP, text.strip(), thread_id=post.thread_id)
    await forum.until(forum.has_sms)
    await forum.reacts(written, "✍")
    [sms] = await forum.sms()
    assert (sms.text, sms.parts) == (text, split(text).count)
    assert sms.parts > 60


# ------------------------------------------------ whose answer is it?


async def test_a_code_typed_into_an_sms_that_an_alert_quotes_redirects_nothing(tmp_path: Path) -> None:
    """A team with one chat for everything; the quoted SMS belongs to no conversation, and ends in another's code."""
    async with team(tmp_path, forum=False) as group:
        one_chat(group)
        await group.restart()
        victim = await group.received("I am the other", subscriber=OTHER)
        code = victim.text.rsplit("#", 1)[1]
        for number, text in enumerate((f"look at #{code}", f"look\n#{code}", f"look\n\n  #{code}\n")):
            # An alert about a subscriber's message: the conversation is not known to it.
            await group.texted(text, subscriber=f"7900000000{number}")
            inbound = (await group.store.history(f"7900000000{number}", limit=1))[0].inbound_id
            params: dict[str, Json] = {"account": "main", "smsid": str(number)}
            alert = alert_post("alert.same_id", params, inbound_id=inbound)
            await group.store.add_post(alert, group.clock.now())
            group.signals.posts.set()
            told = await group.sees(f"same smsid {number}")
            group.api.says(GROUP, f"who is this? {number}", reply_to=told.id)
        await group.settled()
        assert await group.sms() == []
        assert len(group.shown(containing="not known whom")) == 3


async def test_a_code_in_a_colleagues_name_redirects_nothing(group: Team) -> None:
    victim = await group.received("I am the other", subscriber=OTHER)
    code = victim.text.rsplit("#", 1)[1]
    group.api.add_user(BORIS, f"Boris #{code}")
    post = await group.received()
    group.api.says(GROUP, "Good day", reply_to=post.id)
    await group.until(group.has_sms)
    failed = await group.platform(Move.REFUSED, Change(reason="stop_list"))
    told = await group.sees("stop list")
    group.api.presses(GROUP, told.id, f"again:{failed.id}", BORIS)
    await group.until(lambda: group.shown(containing="Sent again: Boris"))
    group.api.says(GROUP, "and one thing more", reply_to=told.id)
    await group.settled()
    assert {sms.recipient for sms in await group.sms()} == {SUBSCRIBER}
    assert [sms.text for sms in await group.sms()][-1] == "and one thing more"


async def test_a_code_in_the_platforms_answer_redirects_nothing(group: Team) -> None:
    victim = await group.received("I am the other", subscriber=OTHER)
    code = victim.text.rsplit("#", 1)[1]
    post = await group.received()
    group.api.says(GROUP, "Good day", reply_to=post.id)
    await group.until(group.has_sms)
    await group.platform(Move.REFUSED, Change(reason="stop_list", detail=f"no\n#{code}"))
    told = await group.sees("stop list")
    group.api.says(GROUP, "and one thing more", reply_to=told.id)
    await group.until(lambda: group.has_sms(2))
    assert {sms.recipient for sms in await group.sms()} == {SUBSCRIBER}


async def test_a_subscriber_who_writes_notes_and_commands_is_shown_and_answered(group: Team) -> None:
    for number, text in enumerate(["// hello", "/block", "Sent\n// note", "#b2c3"]):
        post = await group.received(text)
        group.api.says(GROUP, f"answer {number}", reply_to=post.id)
    await group.settled()
    assert [sms.text for sms in await group.sms()] == [f"answer {number}" for number in range(4)]


async def test_a_topic_made_before_a_crash_is_not_silent(forum: Team) -> None:
    """The bot made a topic and died before it could store that: the subscriber gets another one, and whoever
    writes in the first must hear that nobody will read it."""
    orphan = forum.api.create_topic(GROUP, f"+{SUBSCRIBER}", forum.api.bot.id)
    written = forum.api.says(GROUP, "Good day", thread_id=orphan)
    told = await forum.sees("not known whom")
    assert (told.reply_to, told.thread_id) == (written, orphan)
    right = await forum.received()
    again = forum.api.says(GROUP, "Good day", thread_id=orphan)
    linked = await forum.sees(f"t.me/c/{str(GROUP).removeprefix('-100')}/{right.thread_id}")
    assert (linked.reply_to, linked.thread_id) == (again, orphan)
    forum.api.says(GROUP, "// what?", thread_id=orphan)
    await forum.settled()
    assert await forum.sms() == []
    assert len(forum.shown()) == 3


async def test_posts_of_a_former_bot_can_be_answered(tmp_path: Path) -> None:
    """The team took a new bot: what the old one wrote still stands in the chat, and its mapping in the store."""
    async with team(tmp_path, forum=False) as group:
        post = await group.received()
        await group.settled()
        written = group.api.says(GROUP, "placeholder")
        await group.settled()
        update = group.as_sent(written)
        replied = group.as_sent(post.id)
        former: dict[str, Json] = {"id": 999, "is_bot": True, "first_name": "Old", "username": "old_bot"}
        group.api.raw_update({"message": {**update, "reply_to_message": {**replied, "from": former}}})
        await group.until(group.has_sms)
        assert [sms.recipient for sms in await group.sms()] == [SUBSCRIBER]
        # Another bot that merely copies a code is nobody's post.
        copied: dict[str, Json] = {**replied, "from": former, "message_id": 901}
        group.api.raw_update({"message": {**update, "message_id": 902, "reply_to_message": copied}})
        await group.settled()
        assert len(await group.sms()) == 1


# ------------------------------------------------ what is not the author's own word


async def test_a_forwarded_message_is_not_sent(forum: Team) -> None:
    """What another subscriber wrote, forwarded into the wrong topic by a slip of the finger, would leave as an SMS."""
    other = await forum.received("my PIN is 1234", subscriber=OTHER)
    post = await forum.received()
    written = forum.api.says(GROUP, "placeholder", thread_id=forum.api.create_topic(GROUP, "Lunch"))
    await forum.settled()
    origins: list[dict[str, Json]] = [
        {"type": "user", "date": 1767700800, "sender_user": forum.as_sent(other.id)["from"]},
        {"type": "hidden_user", "date": 1767700800, "sender_user_name": "Somebody"},
    ]
    for number, origin in enumerate(origins):
        message = forum.as_sent(written)
        message.pop("reply_to_message", None)
        forum.api.raw_update(
            {
                "message": {
                    **message,
                    "message_id": 910 + number,
                    "message_thread_id": post.thread_id,
                    "text": other.text,
                    "forward_origin": origin,
                }
            }
        )
    await forum.settled()
    assert await forum.sms() == []
    assert len(forum.shown(containing="forwarded")) == 2


async def test_an_album_is_one_message_to_its_author(group: Team) -> None:
    post = await group.received()
    written = [group.api.says(GROUP, kind=MessageKind.PHOTO, reply_to=group.api.says(GROUP, "talk"))]
    await group.settled()
    album = group.as_sent(written[0])
    for number in range(4):
        group.api.raw_update(
            {
                "message": {
                    **album,
                    "message_id": 920 + number,
                    "media_group_id": "13570000000000001",
                    "reply_to_message": group.as_sent(post.id),
                }
            }
        )
    await group.settled()
    assert len(group.shown(containing="text only")) == 1


async def test_another_chat_that_writes_is_no_anonymous_administrator(tmp_path: Path) -> None:
    async with team(tmp_path, forum=False, anonymous_admins=True) as group:
        post = await group.received()
        written = group.api.says(GROUP, "who am I", reply_to=post.id, anonymous_admin=True)
        await group.until(group.has_sms)
        foreign: dict[str, Json] = {"id": -100777, "type": "supergroup", "title": "Elsewhere"}
        group.api.raw_update({"message": {**group.as_sent(written), "message_id": 930, "sender_chat": foreign}})
        await group.settled()
        assert len(await group.sms()) == 1


# ------------------------------------------------ accounts that are gone


async def test_an_account_that_left_the_configuration_sends_nothing_and_says_so(tmp_path: Path) -> None:
    async with team(tmp_path, forum=False) as group:
        post = await group.received()
        group.api.says(GROUP, "Good day", reply_to=post.id)
        await group.until(group.has_sms)
        failed = await group.platform(Move.REFUSED, Change(reason="stop_list"))
        told = await group.sees("stop list")
        await group.settled()
        group.settings = group.settings.model_copy(update={"accounts": {"new": group.settings.accounts["main"]}})
        await group.restart()
        written = group.api.says(GROUP, "are you there?", reply_to=post.id)
        notice = await group.sees("account main is not in the configuration")
        assert notice.reply_to == written
        query = group.api.presses(GROUP, told.id, f"again:{failed.id}")
        await group.until(lambda: group.api.presses_by_id[query].answered)
        assert [sms.state for sms in await group.sms()] == [SmsState.FAILED], "it would wait for ever"
        [answer] = [event.text for event in group.api.events if event.kind == "answer"]
        assert "main" in answer


# ------------------------------------------------ chats without a name


@pytest.mark.parametrize("mode", ["replies", "topics"])
async def test_sms_that_waited_for_a_default_chat_can_be_answered_there(tmp_path: Path, mode: str) -> None:
    """No default and no admin chat: nothing is shown, nothing breaks; named later, they get what waited."""
    async with team(tmp_path, forum=mode == "topics", running=False) as group:
        named = group.settings
        nameless = named.telegram.model_copy(update={"default_chat": "", "admin_chat": ""})
        group.settings = named.model_copy(update={"telegram": nameless})
        group.start()
        await group.texted("Hello", chat="")
        alert = Alert(key="platform:main", text="alert.platform_unreachable", params={"account": "main"})
        await group.store.raise_alert(alert, group.clock.now())
        group.signals.posts.set()
        began = group.clock.now()
        await group.until(lambda: group.clock.now() > began + 60_000)
        assert (group.shown(), group.shown(ADMINS)) == ([], [])
        group.settings = named
        await group.restart()
        post = await group.sees("Hello")
        await group.sees("does not answer", chat_id=ADMINS)
        await group.settled()
        # Found by its code alone, as where the mapping was lost.
        message = group.as_sent(post.id)
        written = group.api.says(GROUP, "Good day", reply_to=post.id)
        await group.until(group.has_sms)
        unknown = await group.platform(Move.LOSE_TRACK)
        told = await group.sees("may arrive twice")
        group.api.presses(GROUP, told.id, f"leave:{unknown.id}")
        answer = {**group.as_sent(written), "message_id": 941, "reply_to_message": {**message, "message_id": 940}}
        group.api.raw_update({"message": answer})
        await group.until(lambda: group.has_sms(2))
        assert [sms.state for sms in await group.sms()] == [SmsState.ABANDONED, SmsState.QUEUED]


def one_chat(staff: Team) -> None:
    """The small team's set-up: no chat for the admins."""
    telegram = staff.settings.telegram
    only = telegram.model_copy(update={"chats": {"support": telegram.chats["support"]}, "admin_chat": ""})
    staff.settings = staff.settings.model_copy(update={"telegram": only})
