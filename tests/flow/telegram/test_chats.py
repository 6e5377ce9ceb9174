"""Groups that move, topics that vanish, limits and shut doors: a subscriber's message gets through all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.model.alert import alert_post
from bridge.model.base import HOUR, MINUTE, SECOND
from bridge.model.post import AlertPayload, NewPost, PostPriority
from bridge.model.sms import Change, Move
from tests.flow.telegram.team import ADMINS, GROUP, SUBSCRIBER, Team, team

OLD, NEW = GROUP, -1002222222222


async def test_a_deleted_topic_is_made_anew(forum: Team) -> None:
    first = await forum.received("first")
    assert first.thread_id is not None
    forum.api.delete_topic(GROUP, first.thread_id)
    second = await forum.received("second")
    assert second.thread_id not in (None, first.thread_id)
    recap = await forum.sees("The former topic was deleted")
    assert recap.thread_id == second.thread_id
    assert recap.id < second.id
    assert "← first" in recap.text
    assert "second" not in recap.text
    forum.api.says(GROUP, "Good day", thread_id=second.thread_id)
    await forum.until(forum.has_sms)
    assert [sms.recipient for sms in await forum.sms()] == [SUBSCRIBER]


async def test_a_new_topic_begins_with_the_last_lines_of_the_conversation(forum: Team) -> None:
    for number in range(4):
        await forum.texted(f"<{number}>")
        await forum.settled()
    shown = await forum.sees("<3>")
    assert shown.thread_id is not None
    forum.api.says(GROUP, "Good day\n#zzzz", thread_id=shown.thread_id)
    await forum.has_now(1)
    forum.api.delete_topic(GROUP, shown.thread_id)
    await forum.texted("<4>")
    await forum.texted("<5>")
    recap = await forum.sees("The former topic was deleted")
    lines = [line.partition(" ")[2] for line in recap.text.splitlines()[1:-1]]
    assert lines == ["← <0>", "← <1>", "← <2>", "← <3>", "→ Good day #zzzz"]


async def test_a_new_topic_quotes_no_drafts(forum: Team) -> None:
    shown = await forum.received("first")
    assert shown.thread_id is not None
    refused = forum.api.says(GROUP, "Good day", thread_id=shown.thread_id)
    await forum.has_now(1)
    await forum.platform(Move.REFUSED, Change(reason="stop_list"))
    await forum.reacts(refused, "💔")
    forum.api.edits(GROUP, refused, "Good evening")
    await forum.has_now(2)
    forum.api.delete_topic(GROUP, shown.thread_id)
    await forum.texted("second")
    recap = await forum.sees("The former topic was deleted")
    lines = [line.partition(" ")[2] for line in recap.text.splitlines()[1:-1]]
    assert lines == ["← first", "→ Good day [Not sent]"], "the offered correction waits for a word"


async def test_a_subscriber_who_answers_our_sms_is_not_called_new(group: Team) -> None:
    group.api.says(GROUP, f"/sms +{SUBSCRIBER} Your order is ready")
    await group.sees("Anna writes")
    group.clock.set(group.clock.now() + MINUTE)
    await group.texted("Thank you")
    assert "new number" not in (await group.sees("Thank you")).text


async def test_the_head_counts_earlier_sms_of_a_number(group: Team) -> None:
    await group.texted("first")
    assert "new number" in (await group.sees("first")).text
    await group.settled()
    await group.texted("second")
    head = (await group.sees("second")).text
    assert "new number" not in head
    assert "earlier" not in head, "within a talk it is known"
    await group.settled()
    group.clock.set(group.clock.now() + 13 * HOUR)
    await group.texted("third")
    assert "earlier SMS: 2, the last 15:00" in (await group.sees("third")).text.replace("06.01 ", "")


async def test_an_sms_that_is_shown_late_says_when_it_came(group: Team) -> None:
    await group.stop()
    await group.texted("Hello")
    group.clock.set(group.clock.now() + 20 * HOUR)
    group.start()
    assert "came 06.01 15:00" in (await group.sees("Hello")).text


async def test_a_closed_topic_is_opened_again(tmp_path: Path) -> None:
    async with team(tmp_path, forum=True) as forum:
        first = await forum.received("first")
        assert first.thread_id is not None
        forum.api.close_topic(GROUP, first.thread_id)
        forum.api.answer_next("sendMessage", 400, "Bad Request: TOPIC_CLOSED")
        await forum.texted("second")
        assert (await forum.sees("second")).thread_id == first.thread_id
        assert not forum.api.chats[GROUP].topics[first.thread_id].closed


async def test_a_topic_that_may_not_be_opened_hides_nothing(tmp_path: Path) -> None:
    async with team(tmp_path, forum=True) as forum:
        first = await forum.received("first")
        assert first.thread_id is not None
        forum.api.close_topic(GROUP, first.thread_id)
        forum.api.change_bot(GROUP, "member")
        forum.api.answer_next("reopenForumTopic", 400, "Bad Request: not enough rights to close or open the topic")
        second = await forum.received("second")
        assert second.thread_id is None
        forum.api.says(GROUP, "Good day", reply_to=second.id)
        await forum.until(forum.has_sms)


async def test_without_the_right_to_make_topics_messages_stand_in_the_group(tmp_path: Path) -> None:
    async with team(tmp_path, forum=True, group={"can_manage_topics": False}) as forum:
        post = await forum.received("first")
        await forum.texted("second", subscriber="79001112233")
        await forum.sees("second")
        assert post.thread_id is None
        await forum.sees("No topics can be made", chat_id=ADMINS)
        assert len(forum.shown(ADMINS)) == 1
        forum.api.says(GROUP, "Good day", reply_to=post.id)
        await forum.until(forum.has_sms)
        assert [sms.recipient for sms in await forum.sms()] == [SUBSCRIBER]
        forum.api.chats[GROUP].can_manage_topics = True
        await forum.texted("third")
        assert (await forum.sees("third")).thread_id is not None
        await forum.sees("made in the chat “support” again", chat_id=ADMINS)


async def test_a_group_that_moves_is_followed(group: Team) -> None:
    await group.texted("first")
    await group.sees("first")
    group.api.migrate(OLD, NEW)
    await group.texted("second")
    second = await group.sees("second", chat_id=NEW)
    group.api.says(NEW, "Good day", reply_to=second.id)
    await group.until(group.has_sms)
    [sms] = await group.sms()
    assert (sms.recipient, sms.chat_id) == (SUBSCRIBER, NEW)
    await group.restart()
    await group.texted("third")
    await group.sees("third", chat_id=NEW)


async def test_a_move_is_learnt_from_the_refusal_too(tmp_path: Path) -> None:
    """The group moved while the bridge was down for more than a day: no update tells of it any more."""
    async with team(tmp_path, forum=False) as group:
        await group.texted("first")
        await group.sees("first")
        await group.stop()
        group.api.migrate(OLD, NEW)
        await group.clock.advance(25 * 60 * MINUTE)
        group.start()
        await group.texted("second")
        await group.sees("second", chat_id=NEW)
        assert await group.store.chat_aliases() == {OLD: NEW}


async def test_what_waited_for_the_old_group_is_shown_in_the_new_one(tmp_path: Path) -> None:
    async with team(tmp_path, forum=False) as group:
        first = await group.received("first")
        group.api.says(OLD, "Good day", reply_to=first.id)
        await group.until(group.has_sms)
        await group.settled()
        await group.stop()
        group.api.migrate(OLD, NEW)
        bystander = [group.api.says(NEW, f"talk {number}") for number in range(8)]
        await group.platform(Move.REFUSED, Change(reason="stop_list"))
        group.start()
        told = await group.sees("stop list", chat_id=NEW)
        await group.settled()
        # Message numbers start anew: the number of the operator's message means somebody else's here.
        assert told.reply_to is None
        assert [group.reaction(each, NEW) for each in bystander] == [""] * len(bystander)


async def test_numbers_of_the_old_group_mean_nothing_in_the_new_one(group: Team) -> None:
    first = await group.received("first")
    answer = group.api.says(OLD, "Good day", reply_to=first.id)
    await group.until(group.has_sms)
    await group.settled()
    for number in range(20):
        await group.texted(f"more {number}")
    await group.settled()
    group.api.migrate(OLD, NEW)
    written = [group.api.says(NEW, f"talk {number}") for number in range(5)]
    assert answer in written, "the test needs numbers that mean two things"
    for each in written:
        group.api.says(NEW, "between us", reply_to=each)
    # Posts of the bot that belong to no conversation; some of their numbers meant one in the old group.
    for number in range(10):
        lost = NewPost(
            chat="support",
            priority=PostPriority.FAILURE,
            payload=AlertPayload(text="alert.platform_unreachable", params={"account": f"account{number}"}),
        )
        await group.store.add_post(lost, group.clock.now())
    await group.settled()
    for post in group.shown(NEW, "does not answer"):
        group.api.says(NEW, "what is this?", reply_to=post.id)
    await group.settled()
    assert [sms.text for sms in await group.sms()] == ["Good day"]


async def test_a_flood_limit_stops_one_chat_only(group: Team) -> None:
    await group.texted("first")
    await group.sees("first")
    began = group.clock.now()
    group.api.flood(GROUP, 40)
    await group.texted("second")
    await group.until(lambda: any(call.status == 429 for call in group.api.calls))
    await group.store.add_post(alert("alert.platform_unreachable"), group.clock.now())
    group.signals.posts.set()
    await group.sees("does not answer", chat_id=ADMINS)
    assert group.clock.now() < began + 40 * SECOND
    await group.sees("second")
    assert group.clock.now() >= began + 40 * SECOND
    assert [call.status for call in group.api.calls_of("sendMessage")].count(429) == 1, "asked again too early"


async def test_the_groups_budget_is_kept(forum: Team) -> None:
    """Thirty subscribers at once, each with a topic of its own: sixty calls, and Telegram never has to refuse one."""
    forum.stride = SECOND // 2  # a call that spans a jump of the clock would be counted at another time there
    for number in range(30):
        await forum.texted(f"message {number}", subscriber=f"790011122{number:02}")
    await forum.until(lambda: len(forum.shown(containing="message")) == 30, within_s=60)
    assert {call.status for call in forum.api.calls if call.method != "getUpdates"} == {200}


async def test_a_new_sms_goes_before_reactions(group: Team) -> None:
    post = await group.received()
    await group.settled()
    for number in range(12):
        group.api.says(GROUP, f"answer {number}", reply_to=post.id)
    await group.until(lambda: group.has_sms(12))
    began = group.clock.now()
    await group.texted("urgent")
    await group.sees("urgent")
    assert group.clock.now() < began + 10 * SECOND
    await group.settled()
    assert 429 not in {call.status for call in group.api.calls}


async def test_a_bot_that_was_thrown_out_loses_nothing(group: Team) -> None:
    await group.texted("first")
    await group.sees("first")
    group.api.kick_bot(GROUP)
    await group.texted("second")
    await group.sees("cannot be written to", chat_id=ADMINS)
    began = group.clock.now()
    await group.until(lambda: group.clock.now() > began + 3 * MINUTE)
    assert len(group.shown(ADMINS)) == 1
    tried = len(group.api.calls_of("sendMessage"))
    await group.until(lambda: len(group.api.calls_of("sendMessage")) > tried)
    group.api.change_bot(GROUP, "administrator")
    back = group.clock.now()
    await group.sees("second")
    assert group.clock.now() - back <= 10 * SECOND, "at once, and not when it would have been tried again"
    await group.sees("can be written to again", chat_id=ADMINS)


async def test_a_notice_that_telegram_refuses_is_given_up_and_an_sms_is_not(group: Team) -> None:
    group.api.answer_next("sendMessage", 400, "Bad Request: nobody knows why", times=12)
    await group.store.add_post(alert("alert.platform_unreachable"), group.clock.now())
    await group.texted("Hello")
    await group.until(lambda: group.shown(containing="Hello"), within_s=30)
    await group.settled()
    assert group.shown(ADMINS) == []


@pytest.mark.parametrize("mode", ["topics", "replies"])
async def test_a_private_chat_can_be_the_operators_chat(tmp_path: Path, mode: str) -> None:
    async with team(tmp_path, forum=False, running=False) as staff:
        staff.api.add_chat(4242, title="Vera", kind="private")
        chats = {**staff.settings.telegram.model_dump()["chats"], "support": {"id": 4242, "mode": mode}}
        moved = type(staff.settings.telegram).model_validate(
            {**staff.settings.telegram.model_dump(), "chats": chats, "token": staff.settings.telegram.token}
        )
        staff.settings = staff.settings.model_copy(update={"telegram": moved})
        staff.start()
        await staff.texted("Hello")
        post = await staff.sees("Hello", chat_id=4242)
        staff.api.says(4242, "to myself")
        staff.api.says(4242, "Good day", reply_to=post.id)
        await staff.settled()
        assert [sms.text for sms in await staff.sms()] == ["Good day"]


def alert(text: str) -> NewPost:
    return alert_post(text, {"account": "main"})
