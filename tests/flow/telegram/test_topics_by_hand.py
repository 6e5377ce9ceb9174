"""Topics that operators close, open or rename in Telegram itself: the store follows, without a loop."""

from __future__ import annotations

from bridge.model.base import HOUR, MINUTE
from bridge.model.chat import Conversation
from bridge.model.sms import Move, SmsState
from bridge.sandbox.botapi import Message
from bridge.sandbox.botapi.render import message_json
from bridge.sandbox.botapi.world import Topic
from tests.flow.telegram.team import GROUP, SUBSCRIBER, Team

BORIS = 1002


async def hello(staff: Team) -> Message:
    staff.api.add_user(BORIS, "Boris")
    shown = await staff.received()
    await staff.settled()
    return shown


def topic(staff: Team, post: Message) -> Topic:
    return staff.api.chats[GROUP].topics[post.thread_id or 0]


async def chatter(staff: Team) -> Conversation:
    found = await staff.store.conversation_with("support", SUBSCRIBER)
    assert found is not None
    return found


async def recorded_actions(staff: Team) -> list[tuple[str, str]]:
    await staff.settled()
    return [(shown.state, shown.author) for shown in await staff.store.actions_on(SUBSCRIBER, limit=9)]


async def test_a_topic_closed_by_hand_closes_the_conversation_and_ends_its_reminders(forum: Team) -> None:
    post = await hello(forum)
    lines = len(forum.shown())
    forum.api.close_topic(GROUP, post.thread_id or 0, BORIS)
    assert await recorded_actions(forum) == [("close", "Boris (1002)")]
    assert (await chatter(forum)).closed_at is not None
    now = forum.clock.now() + HOUR
    assert await forum.store.remind(until=now, after=0, now=now, limit=9) == 0
    assert len(forum.shown()) == lines, "nothing is said about it"
    assert topic(forum, post).closed


async def test_a_notice_about_an_edit_leaves_a_closed_topic_closed(forum: Team) -> None:
    post = await hello(forum)
    written = forum.api.says(GROUP, "/close", thread_id=post.thread_id)
    await forum.until(lambda: topic(forum, post).closed)
    forum.api.edits(GROUP, written, "/open")
    await forum.sees("Editing a command")
    await forum.until(lambda: topic(forum, post).closed)
    assert (await chatter(forum)).closed_at is not None


async def test_a_topic_opened_by_hand_opens_the_conversation(forum: Team) -> None:
    post = await hello(forum)
    forum.api.close_topic(GROUP, post.thread_id or 0, BORIS)
    await forum.settled()
    forum.api.reopen_topic(GROUP, post.thread_id or 0)
    assert await recorded_actions(forum) == [("close", "Boris (1002)"), ("open", "Anna (1001)")]
    assert (await chatter(forum)).closed_at is None
    assert not topic(forum, post).closed


async def test_the_next_sms_opens_a_topic_that_was_closed_by_hand(forum: Team) -> None:
    post = await hello(forum)
    forum.api.close_topic(GROUP, post.thread_id or 0)
    await forum.settled()
    await forum.texted("Are you there?")
    assert (await forum.sees("Are you there?")).thread_id == post.thread_id
    await forum.settled()
    assert (await chatter(forum)).closed_at is None
    assert not topic(forum, post).closed


async def test_topics_that_the_bot_closes_and_opens_are_not_recorded_as_actions(forum: Team) -> None:
    post = await hello(forum)
    forum.api.says(GROUP, "/close", thread_id=post.thread_id)
    await forum.until(lambda: topic(forum, post).closed)
    await forum.texted("Are you there?")
    await forum.until(lambda: not topic(forum, post).closed)
    assert await recorded_actions(forum) == [("close", "Anna (1001)")]
    # Opened in the store; had its own line about the closing counted, it would be closed.
    assert (await chatter(forum)).closed_at is None


async def test_an_sms_shown_after_the_closing_keeps_the_topic_open(forum: Team) -> None:
    post = await hello(forum)
    chat, anna = forum.api.chats[GROUP], forum.api.world.user(1001)
    line = forum.api.world.add_service(chat, anna, {"forum_topic_closed": {}}, post.thread_id)
    topic(forum, post).closed = True
    await forum.texted("Are you there?")
    await forum.sees("Are you there?")
    forum.api.raw_update({"message": message_json(chat, line)})
    assert await recorded_actions(forum) == []
    assert (await chatter(forum)).closed_at is None
    assert not topic(forum, post).closed


async def test_an_sms_that_is_not_shown_yet_keeps_the_topic_open(forum: Team) -> None:
    post = await hello(forum)
    forum.api.flood(GROUP, 60)
    await forum.texted("Are you there?")
    forum.api.close_topic(GROUP, post.thread_id or 0)
    await forum.sees("Are you there?")
    assert await recorded_actions(forum) == []
    assert (await chatter(forum)).closed_at is None
    assert not topic(forum, post).closed


async def test_a_closing_that_is_reported_twice_is_carried_out_once(forum: Team) -> None:
    post = await hello(forum)
    forum.api.close_topic(GROUP, post.thread_id or 0)
    await forum.settled()
    chat = forum.api.chats[GROUP]
    line = next(each for each in chat.history.values() if "forum_topic_closed" in each.content)
    forum.api.reopen_topic(GROUP, post.thread_id or 0)
    await forum.settled()
    forum.api.raw_update({"message": message_json(chat, line)})
    assert [action for action, _ in await recorded_actions(forum)] == ["close", "open"]
    assert (await chatter(forum)).closed_at is None


async def test_a_name_given_by_hand_stays_until_an_operator_names_the_subscriber(forum: Team) -> None:
    post = await hello(forum)
    forum.api.rename_topic(GROUP, post.thread_id or 0, "Angry, call first")
    forum.api.says(GROUP, "/close", thread_id=post.thread_id)
    await forum.until(lambda: topic(forum, post).closed)
    await forum.texted("Are you there?")
    await forum.settled()
    assert topic(forum, post).name == "Angry, call first"
    assert (await forum.store.contact(SUBSCRIBER)).name == "", "texts for the subscriber could show it"
    forum.api.says(GROUP, "/name Ivan", thread_id=post.thread_id)
    await forum.sees("Name: Ivan")
    await forum.settled()
    assert topic(forum, post).name == f"Ivan +{SUBSCRIBER}"


async def test_a_reply_in_a_topic_that_was_closed_by_hand_leaves(forum: Team) -> None:
    post = await hello(forum)
    forum.api.close_topic(GROUP, post.thread_id or 0)
    await forum.passes(MINUTE)
    forum.api.says(GROUP, "Good day", thread_id=post.thread_id)
    await forum.has_now(1)
    [sms] = await forum.sms()
    assert (sms.state, sms.text) == (SmsState.QUEUED, "Good day")


async def test_messages_in_a_closed_topic_leave_it_closed(forum: Team) -> None:
    post = await hello(forum)
    written = forum.api.says(GROUP, "Good day", thread_id=post.thread_id)
    await forum.has_now(1)
    forum.api.close_topic(GROUP, post.thread_id or 0)
    await forum.settled()
    await forum.platform(Move.REFUSED)
    told = await forum.sees("Not sent")
    assert (told.reply_to, told.thread_id) == (written, post.thread_id)
    await forum.settled()
    assert topic(forum, post).closed
    assert (await chatter(forum)).closed_at is not None
    assert await recorded_actions(forum) == [("close", "Anna (1001)")]
