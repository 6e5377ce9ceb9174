"""From a subscriber's SMS to the chat, and from an operator's reply to one outbox row."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.model.chat import StoredUpdate
from bridge.model.sms import Origin, Priority, SmsState
from bridge.sandbox.botapi import ApiOutage
from bridge.sandbox.botapi.render import message_json
from bridge.telegram.chats import Chats
from bridge.telegram.client.api import Api
from bridge.telegram.client.rate_limit import RateLimiter
from bridge.telegram.client.sender import ChatSender
from bridge.telegram.posts.topics import Topics
from tests.flow.telegram.team import GROUP, SUBSCRIBER, Team, team


async def test_a_forward_makes_a_topic_and_messages_in_it_are_sent(forum: Team) -> None:
    post = await forum.received("Where is my order?")
    assert post.thread_id is not None
    assert forum.api.chats[GROUP].topics[post.thread_id].name == f"+{SUBSCRIBER}"
    assert f"+{SUBSCRIBER}" in post.text
    assert "1234" in post.text
    assert "everything-else" in post.text

    written = forum.api.says(GROUP, "On its way", thread_id=post.thread_id)
    await forum.until(forum.has_sms)
    await forum.settled()
    [sms] = await forum.sms()
    assert (sms.recipient, sms.text, sms.sender_name, sms.account) == (SUBSCRIBER, "On its way", "MyShop", "main")
    assert (sms.origin, sms.priority, sms.state) == (Origin.OPERATOR, Priority.PERSON, SmsState.QUEUED)
    assert (sms.chat_id, sms.message_id) == (GROUP, written)
    assert sms.author == "Anna (1001)"
    contact = await forum.store.contact(SUBSCRIBER)
    assert contact.robot_paused_until > forum.clock.now(), "a person answers, so the robot is silent for a while"
    await forum.reacts(written, "👀")


@pytest.fixture(params=["forum", "group"])
async def staff(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Team]:
    """Both kinds of chat."""
    async with team(tmp_path, forum=request.param == "forum") as opened:
        yield opened


async def test_in_a_plain_group_only_replies_go_out(group: Team) -> None:
    post = await group.received()
    group.api.says(GROUP, "who takes this?")
    asked = group.api.says(GROUP, "I do")
    group.api.says(GROUP, "thanks", reply_to=asked)
    answer = group.api.says(GROUP, "Good day", reply_to=post.id)
    await group.settled()
    assert [sms.text for sms in await group.sms()] == ["Good day"]
    # A reply to the operator's own message belongs to the same conversation.
    group.api.says(GROUP, "and another thing", reply_to=answer)
    await group.settled()
    assert [(sms.recipient, sms.text) for sms in await group.sms()] == [
        (SUBSCRIBER, "Good day"),
        (SUBSCRIBER, "and another thing"),
    ]


async def test_a_reply_to_a_post_of_another_topic_or_chat_is_not_sent(staff: Team) -> None:
    """Telegram's "reply in another chat": written in one conversation, shown as an answer to another."""
    await staff.texted("mine")
    await staff.texted("theirs", subscriber="79001112233")
    mine, theirs = await staff.sees("mine"), await staff.sees("theirs")
    chat = staff.api.chats[GROUP]
    body = message_json(chat, theirs)
    bot = body.pop("from")
    for name in ("reply_to_message", "reply_markup", "entities", "edit_date"):
        body.pop(name, None)
    written = {
        **body,
        "from": {"id": 1001, "is_bot": False, "first_name": "Anna"},
        "message_id": theirs.id + 100,
        "text": "On its way",
        "external_reply": {
            "origin": {"type": "user", "date": body["date"], "sender_user": bot},
            "chat": body["chat"],
            "message_id": mine.id,
        },
    }
    staff.api.raw_update({"message": written})
    await staff.sees("not known whom this answers")
    await staff.settled()
    assert await staff.sms() == []


async def test_a_reply_to_a_notice_about_another_number_is_not_sent(forum: Team) -> None:
    post = await forum.received()
    command = forum.api.says(GROUP, "/sms +79001112233 Your order is ready", thread_id=post.thread_id)
    await forum.until(forum.has_sms)
    forum.api.says(GROUP, "And the price is 100", thread_id=post.thread_id, reply_to=command)
    await forum.sees("not known whom this answers")
    await forum.settled()
    assert [sms.recipient for sms in await forum.sms()] == ["79001112233"]


async def test_two_fast_messages_share_one_topic(forum: Team) -> None:
    await forum.stop()
    await forum.texted("first")
    await forum.texted("second", opt_question="out")  # what has buttons is a message of its own
    forum.start()
    first, second = await forum.sees("first"), await forum.sees("second")
    assert first.thread_id == second.thread_id
    assert first.id < second.id
    assert len(forum.api.calls_of("createForumTopic")) == 1


async def test_two_posts_that_need_a_topic_at_once_share_it(forum: Team) -> None:
    await forum.stop()
    await forum.texted("Hello")
    [post] = await forum.store.claim_posts(["support"], now=forum.clock.now(), limit=5)
    assert post.conversation is not None
    chat = Chats(forum.settings.telegram, {}).by_name("support")
    assert chat is not None
    api = Api(forum.settings.telegram.token, forum.api.url)
    await api.start()
    try:
        topics = Topics(ChatSender(api, RateLimiter(forum.clock)), forum.store, forum.clock)
        asked = await asyncio.gather(*(topics.of(post.conversation, chat, post) for _ in range(3)))
    finally:
        await api.close()
    assert len({topic.thread_id for topic in asked}) == 1
    assert sorted(topic.is_new for topic in asked) == [False, False, True]
    assert len(forum.api.calls_of("createForumTopic")) == 1


async def test_two_subscribers_have_two_topics(forum: Team) -> None:
    await forum.texted("first")
    await forum.texted("second", subscriber="79001112233")
    first, second = await forum.sees("first"), await forum.sees("second")
    assert first.thread_id != second.thread_id


async def test_an_update_that_comes_twice_is_one_sms(group: Team) -> None:
    post = await group.received()
    written = group.api.says(GROUP, "Good day", reply_to=post.id)
    await group.settled()
    # The same message under another update id: what a table of known update ids cannot catch.
    group.api.raw_update({"message": group.as_sent(written)})
    await group.settled()
    assert [sms.text for sms in await group.sms()] == ["Good day"]


async def test_a_restart_between_storing_and_processing_sends_once(tmp_path: Path) -> None:
    async with team(tmp_path, forum=False) as group:
        post = await group.received()
        await group.stop()
        written = group.api.says(GROUP, "Good day", reply_to=post.id)
        # The last run committed the update and died: Telegram was never told, so it brings it again.
        update_id = group.api.updates.unconfirmed[-1]
        update = json.dumps({"update_id": update_id, "message": group.as_sent(written)})
        raw = StoredUpdate(update_id=update_id, raw=update, received_at=group.clock.now())
        assert await group.store.store_updates(group.api.bot.id, [raw]) == 1
        group.start()
        await group.settled()
        await group.restart()
        await group.settled()
        assert [sms.text for sms in await group.sms()] == ["Good day"]


async def test_a_reply_written_while_the_bridge_was_down_goes_out(tmp_path: Path) -> None:
    async with team(tmp_path, forum=False) as group:
        post = await group.received()
        await group.stop()
        group.api.says(GROUP, "Good day", reply_to=post.id)
        group.start()
        await group.until(group.has_sms)


async def test_the_code_finds_a_conversation_whose_mapping_was_lost(group: Team) -> None:
    """The connection broke after Telegram took the post: it is posted again, and both copies can be answered."""
    group.api.down(ApiOutage.CUT_AFTER)
    await group.texted("Hello")
    await group.until(lambda: group.shown(containing="Hello"))
    group.api.up()
    await group.settled()
    unmapped, mapped = group.shown(containing="Hello")[0], group.shown(containing="Hello")[-1]
    assert await group.store.conversation_of(GROUP, mapped.id) is not None
    assert await group.store.conversation_of(GROUP, unmapped.id) is None
    group.api.says(GROUP, "Good day", reply_to=unmapped.id)
    await group.until(group.has_sms)
    assert [sms.recipient for sms in await group.sms()] == [SUBSCRIBER]


async def test_a_code_in_the_subscribers_text_does_not_redirect_an_answer(group: Team) -> None:
    other = await group.received("I am another", subscriber="79001112233")
    code = other.text.rsplit("#", 1)[1]
    await group.texted(f"look at #{code}")
    post = await group.sees("look at")
    group.api.says(GROUP, "Good day", reply_to=post.id)
    await group.until(group.has_sms)
    assert [sms.recipient for sms in await group.sms()] == [SUBSCRIBER]


@pytest.mark.parametrize("send", ["all", "replies"])
async def test_a_topic_may_send_replies_only(tmp_path: Path, send: str) -> None:
    async with team(tmp_path, forum=True, send=send) as forum:
        post = await forum.received()
        chatter = forum.api.says(GROUP, "shall I?", thread_id=post.thread_id)
        forum.api.says(GROUP, "yes", thread_id=post.thread_id, reply_to=chatter)
        forum.api.says(GROUP, "Good day", thread_id=post.thread_id, reply_to=post.id)
        await forum.settled()
        expected = ["Good day"] if send == "replies" else ["shall I?", "yes", "Good day"]
        assert [sms.text for sms in await forum.sms()] == expected


async def test_topics_of_the_team_itself_stay_inside(forum: Team) -> None:
    await forum.texted("Hello")
    await forum.sees("Hello")
    thread = forum.api.create_topic(GROUP, "Lunch")
    forum.api.says(GROUP, "pizza?", thread_id=thread)
    forum.api.says(GROUP, "in General")
    await forum.settled()
    assert await forum.sms() == []
    assert len(forum.api.chats[GROUP].from_bot) == 1


async def test_a_long_sms_is_shown_whole(group: Team) -> None:
    text = " ".join(f"слово{number}" for number in range(700))
    await group.texted(text)
    await group.until(lambda: len(group.shown(containing="слово")) == 2)
    first, second = group.shown(containing="слово")
    joined = "".join(message.text.split("\n\n", 1)[1].rsplit("\n#", 1)[0] for message in (first, second))
    assert joined == text
    for number, piece in enumerate((first, second)):
        group.api.says(GROUP, f"answer {number}", reply_to=piece.id)
    await group.settled()
    assert [sms.recipient for sms in await group.sms()] == [SUBSCRIBER] * 2


async def test_hostile_text_is_shown_as_plain_text(group: Team) -> None:
    await group.texted("<b>1</b> & *2* _3_ [4](tg://user?id=1) \u202eevil\u202c 👨‍👩‍👧 http://example.test/")
    post = await group.sees("evil")
    assert "<b>1</b> & *2* _3_ [4](tg://user?id=1) evil 👨‍👩‍👧 http://example.test/" in post.text
    assert not post.link_preview


async def test_formatting_that_telegram_dislikes_is_left_out(group: Team) -> None:
    group.api.answer_next("sendMessage", 400, "Bad Request: can't parse entities: whatever")
    await group.texted("Hello")
    assert (await group.sees("Hello")).entities == []
