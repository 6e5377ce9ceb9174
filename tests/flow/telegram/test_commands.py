"""Commands that change something: the change is stored with its author, answered, and made once."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.model.base import HOUR
from bridge.model.sms import Move, SmsState
from bridge.sandbox.botapi import Message
from bridge.sandbox.botapi.markup import buttons
from bridge.telegram.client.message import MAX_UNITS, units
from tests.flow.telegram.team import CHIEF, GROUP, SUBSCRIBER, Team, team

BORIS = 1002


@pytest.fixture(params=["forum", "group"])
async def staff(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Team]:
    """Both kinds of chat."""
    async with team(tmp_path, forum=request.param == "forum") as opened:
        opened.api.add_user(BORIS, "Boris")
        opened.api.add_user(CHIEF, "Olga")
        yield opened


def orders(staff: Team, post: Message, text: str, user_id: int | None = None) -> int:
    """Write in the conversation of a post."""
    thread = post.thread_id if staff.api.chats[GROUP].forum else None
    return staff.api.says(GROUP, text, thread_id=thread, reply_to=post.id, user_id=user_id)


def labels(message: Message) -> list[str]:
    return [label for label, _ in buttons(message.reply_markup)]


def data_of(message: Message, label: str) -> str:
    return next(data for each, data in buttons(message.reply_markup) if each == label)


async def press(staff: Team, message: Message, label: str, user_id: int | None = None) -> str:
    """Press a button and read what comes of it."""
    query = staff.api.presses(GROUP, message.id, data_of(message, label), user_id)
    await staff.answered(query)
    return staff.api.presses_by_id[query].answer


async def again(staff: Team, message_id: int) -> None:
    """The same message under another update id, as after a kill between its effect and its mark."""
    staff.api.raw_update({"message": staff.as_sent(message_id)})
    await staff.settled()
    assert (await staff.store.queue_status()).updates_parked == 0


# ---------------------------------------------------------------- what is known of a subscriber


async def test_a_name_is_kept_shown_and_renames_the_topic(staff: Team) -> None:
    post = await staff.received()
    orders(staff, post, "/name Ivan Petrov")
    await staff.sees("Name: Ivan Petrov")
    await staff.settled()
    assert (await staff.store.contact(SUBSCRIBER)).name == "Ivan Petrov"
    if staff.api.chats[GROUP].forum:
        assert staff.api.chats[GROUP].topics[post.thread_id or 0].name == f"Ivan Petrov +{SUBSCRIBER}"
    orders(staff, post, "/name -")
    await staff.sees("no name any more")
    assert (await staff.store.contact(SUBSCRIBER)).name == ""


async def test_tags_are_put_on_shown_and_taken_off(staff: Team) -> None:
    post = await staff.received()
    orders(staff, post, "/tag VIP")
    await staff.sees("“vip” is on.")
    orders(staff, post, "/tag city-1")
    await staff.sees("“city-1” is on.")
    orders(staff, post, "/tag")
    await staff.sees("Tags: vip, city-1")
    orders(staff, post, "/tag -vip")
    await staff.sees("“vip” is off.")
    assert (await staff.store.contact(SUBSCRIBER)).tags == ("city-1",)


async def test_opting_out_and_back(staff: Team) -> None:
    post = await staff.received()
    orders(staff, post, "/optout")
    await staff.sees("gets no automatic SMS any more")
    assert (await staff.store.contact(SUBSCRIBER)).opted_out
    orders(staff, post, "/optout off")
    await staff.sees("gets automatic SMS again")
    assert not (await staff.store.contact(SUBSCRIBER)).opted_out


async def test_the_robot_is_switched_off_until_it_is_switched_on(staff: Team) -> None:
    post = await staff.received()
    orders(staff, post, "/robot off")
    await staff.sees("Automatic replies to this number are off.")
    assert (await staff.store.contact(SUBSCRIBER)).robot_off
    orders(staff, post, "Good day")
    await staff.until(staff.has_sms)
    orders(staff, post, "/robot on")
    await staff.sees("Automatic replies to this number are on.")
    contact = await staff.store.contact(SUBSCRIBER)
    assert not contact.robot_off
    # A person has just answered, which silences the robot, too; "on" means now.
    assert contact.robot_paused_until == 0


async def test_a_command_that_changes_nothing_is_answered_and_not_recorded(staff: Team) -> None:
    post = await staff.received()
    for _ in range(2):
        orders(staff, post, "/robot off")
    await staff.sees("are off already")
    assert [shown.state for shown in await staff.store.actions_on(SUBSCRIBER, limit=9)] == ["robot_off"]


async def test_a_command_that_is_processed_twice_is_done_and_answered_once(staff: Team) -> None:
    post = await staff.received()
    written = orders(staff, post, "/tag vip")
    await staff.sees("“vip” is on.")
    # Somebody undoes it meanwhile: the old order must not come to life again.
    orders(staff, post, "/tag -vip")
    await staff.sees("“vip” is off.")
    await again(staff, written)
    assert (await staff.store.contact(SUBSCRIBER)).tags == ()
    assert len(staff.shown(GROUP, "“vip” is on")) == 1


async def test_each_change_is_recorded_with_its_author(staff: Team) -> None:
    post = await staff.received()
    orders(staff, post, "/tag vip", BORIS)
    await staff.sees("“vip” is on.")
    orders(staff, post, "/history")
    told = await staff.sees("← Hello")
    assert "Boris (1002): tag “vip” put on" in told.text


# ---------------------------------------------------------------- roles


async def test_only_people_of_the_configuration_block(staff: Team) -> None:
    post = await staff.received()
    orders(staff, post, "/block")
    await staff.sees("Your id: 1001")
    assert not (await staff.store.contact(SUBSCRIBER)).blocked
    orders(staff, post, "/block", CHIEF)
    await staff.sees("is blocked: no automatic replies")
    assert (await staff.store.contact(SUBSCRIBER)).blocked
    orders(staff, post, "/unblock", CHIEF)
    await staff.sees("is not blocked any more")
    assert not (await staff.store.contact(SUBSCRIBER)).blocked


async def test_a_number_behind_block_is_no_order_about_another(staff: Team) -> None:
    post = await staff.received()
    orders(staff, post, "/block +79005556677", CHIEF)
    await staff.sees("the robot answers this number no more")
    assert not (await staff.store.contact(SUBSCRIBER)).blocked


async def test_a_stranger_in_the_group_can_give_no_command(tmp_path: Path) -> None:
    async with team(tmp_path, forum=True, operators=[CHIEF]) as staff:
        staff.api.add_user(BORIS, "Boris")
        post = await staff.received()
        for text in ("/tag vip", "/history", "/sms +79001112233 hi", "/help", "/close"):
            orders(staff, post, text, BORIS)
        await staff.settled()
        assert len(staff.shown(GROUP, "only the operators of this chat")) == 5
        assert await staff.store.actions_on(SUBSCRIBER, limit=9) == []
        assert await staff.sms() == []


async def test_an_anonymous_administrator_is_told_why_not(staff: Team) -> None:
    post = await staff.received()
    staff.api.says(GROUP, "/close", thread_id=post.thread_id, reply_to=post.id, anonymous_admin=True)
    await staff.sees("anonymous administrators may not")


async def test_a_forwarded_command_is_not_carried_out(staff: Team) -> None:
    post = await staff.received()
    body = staff.as_sent(orders(staff, post, "// a note"))
    body["text"] = "/tag vip"
    body["forward_origin"] = {"type": "hidden_user", "sender_user_name": "Mallory", "date": 1}
    staff.api.raw_update({"message": body})
    await staff.sees("the command was forwarded")
    assert (await staff.store.contact(SUBSCRIBER)).tags == ()


async def test_a_command_to_another_bot_is_not_ours(staff: Team) -> None:
    post = await staff.received()
    orders(staff, post, "/close@other_bot")
    orders(staff, post, "/CLOSE@SMS_Bridge_bot")
    await staff.sees("The conversation is closed.")
    await staff.settled()
    assert [message.text for message in staff.shown() if "no such command" in message.text] == []


async def test_a_wrong_call_is_answered_with_its_usage(staff: Team) -> None:
    post = await staff.received()
    calls = ("/tag a b c", "/robot", "/claim soon", "/sms", "/sms +79001112233", "/sms shop hello", "/find x", "/test")
    for text in calls:
        orders(staff, post, text)
    for words in ("/tag TAG", "/robot off stops", "/claim [TIME]", "/find TEXT", "/test TEXT"):
        await staff.sees(words)
    await staff.sees("Example: /sms +79001112233", count=3)
    assert await staff.sms() == []


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("/sms +79001112233", "there is no text behind the number"),
        ("/sms 8 900 111-22-33", "there is no text behind the number"),
        ("/sms 1234 hello", "no SMS can be sent to 1234"),
        ("/sms", "/sms NUMBER TEXT writes first"),
    ],
)
async def test_an_incomplete_sms_command_is_answered_with_what_is_missing(group: Team, call: str, said: str) -> None:
    group.api.says(GROUP, call)
    await group.sees(said)
    assert await group.sms() == []


@pytest.mark.parametrize("name", ["info", "history", "why", "close", "block"])
async def test_a_number_behind_a_command_about_this_conversation_is_no_right_call(staff: Team, name: str) -> None:
    """It would be answered about another subscriber than the one that was asked about."""
    post = await staff.received()
    orders(staff, post, f"/{name} +79001112233", CHIEF)
    told = await staff.sees(f"/{name}")
    assert SUBSCRIBER not in told.text


async def test_a_command_that_needs_a_conversation_says_so(staff: Team) -> None:
    staff.api.says(GROUP, "/close")
    await staff.sees("/close closes the conversation")
    staff.api.says(GROUP, "/history")
    await staff.sees("/history shows")


# ---------------------------------------------------------------- conversations


async def test_a_closed_conversation_is_opened_by_the_next_sms(staff: Team) -> None:
    post = await staff.received()
    orders(staff, post, "/close")
    told = await staff.sees("The conversation is closed.")
    await staff.settled()
    code = post.text.rsplit("#", 1)[-1]
    conversation = await staff.store.conversation_of_code("support", code)
    assert conversation is not None
    assert conversation.closed_at is not None
    assert labels(told) == ["Open again"]
    topics = staff.api.chats[GROUP].topics
    assert all(topic.closed for topic in topics.values())
    await staff.texted("Are you there?")
    await staff.sees("Are you there?")
    await staff.settled()
    conversation = await staff.store.conversation_of_code("support", code)
    assert conversation is not None
    assert conversation.closed_at is None
    assert not any(topic.closed for topic in topics.values())


async def test_a_button_opens_a_closed_conversation(staff: Team) -> None:
    post = await staff.received()
    orders(staff, post, "/close")
    told = await staff.sees("The conversation is closed.")
    await staff.settled()
    assert await press(staff, told, "Open again", BORIS) == "Opened"
    await staff.until(lambda: "Opened again: Boris" in told.text)
    await staff.settled()
    assert not any(topic.closed for topic in staff.api.chats[GROUP].topics.values())
    assert [shown.state for shown in await staff.store.actions_on(SUBSCRIBER, limit=9)] == ["close", "open"]


async def test_closing_again_leaves_the_topic_closed(forum: Team) -> None:
    post = await forum.received()
    for count in (1, 2):
        forum.api.says(GROUP, "/close", thread_id=post.thread_id)
        await forum.sees("closed", count=count)
        await forum.settled()
    assert post.thread_id is not None
    assert forum.api.chats[GROUP].topics[post.thread_id].closed


async def test_a_topic_that_could_not_be_closed_is_closed_by_the_next_run(forum: Team) -> None:
    post = await forum.received()
    forum.api.answer_next("closeForumTopic", 500, "Internal Server Error")
    forum.api.says(GROUP, "/close", thread_id=post.thread_id)
    await forum.sees("The conversation is closed.")
    await forum.restart()
    await forum.settled()
    assert post.thread_id is not None
    assert forum.api.chats[GROUP].topics[post.thread_id].closed
    assert len(forum.shown(GROUP, "The conversation is closed.")) == 1


async def test_a_reply_into_a_claimed_conversation_leaves_and_its_author_is_told_once(staff: Team) -> None:
    post = await staff.received()
    orders(staff, post, "/claim")
    await staff.sees("Anna has this conversation until")
    orders(staff, post, "mine")
    await staff.until(staff.has_sms)
    await staff.settled()
    assert not staff.shown(GROUP, "Anna has the conversation")
    first = orders(staff, post, "from a colleague", BORIS)
    told = await staff.sees("Anna has the conversation")
    assert told.reply_to == first
    orders(staff, post, "and more", BORIS)
    await staff.until(lambda: staff.has_sms(3))
    await staff.settled()
    assert len(staff.shown(GROUP, "Anna has the conversation")) == 1
    assert [sms.text for sms in await staff.sms()] == ["mine", "from a colleague", "and more"]


async def test_the_author_of_a_canned_reply_into_a_claimed_conversation_is_told(staff: Team) -> None:
    post = await staff.received()
    orders(staff, post, "/claim")
    await staff.sees("Anna has this conversation until")
    orders(staff, post, "/t", BORIS)
    listed = await staff.sees("hello: Hello")
    assert await press(staff, listed, "hello", BORIS) == "Chosen: “hello”. Anna has this conversation"
    written = orders(staff, post, "/t signed", BORIS)
    told = await staff.sees("Anna has the conversation")
    assert told.reply_to == written
    assert len(await staff.sms()) == 2


async def test_a_claim_ends_by_itself(staff: Team) -> None:
    post = await staff.received()
    orders(staff, post, "/claim 30m")
    told = await staff.sees("Anna has this conversation until")
    assert re.search(r"until \d\d:\d\d\.", told.text), "the day of today goes without saying"
    staff.clock.set(staff.clock.now() + HOUR)
    orders(staff, post, "from a colleague", BORIS)
    await staff.until(staff.has_sms)
    await staff.settled()
    assert not staff.shown(GROUP, "Anna has the conversation")


async def test_a_claim_is_taken_over_by_a_button_and_given_up(staff: Team) -> None:
    post = await staff.received()
    orders(staff, post, "/claim")
    await staff.sees("Anna has this conversation until")
    orders(staff, post, "/claim", BORIS)
    told = await staff.sees("Anna has the conversation with")
    assert (await press(staff, told, "Claim anyway", BORIS)).startswith("The conversation is yours until")
    orders(staff, post, "mine?")
    await staff.sees("Boris has")
    orders(staff, post, "/claim off", BORIS)
    await staff.sees("everybody's again")


# ---------------------------------------------------------------- writing first


async def test_an_sms_to_a_new_number_begins_a_conversation(staff: Team) -> None:
    written = staff.api.says(GROUP, "/sms 8 900 111-22-33 Your order\nis ready")
    post = await staff.sees("Anna writes")
    [sms] = await staff.sms()
    assert (sms.recipient, sms.text, sms.author) == ("79001112233", "Your order\nis ready", "Anna (1001)")
    assert "Your order\nis ready" in post.text
    assert post.text.splitlines()[-1].startswith("#")
    await staff.platform(Move.ACCEPTED)
    await staff.reacts(written, "🕊")
    # What is written under it goes to the same number, and so does an answer find the same conversation.
    orders(staff, post, "Come any time")
    await staff.until(lambda: staff.has_sms(2))
    assert (await staff.sms())[-1].recipient == "79001112233"
    await staff.texted("Thank you", subscriber="79001112233")
    assert (await staff.sees("Thank you")).text.splitlines()[-1] == post.text.splitlines()[-1]


async def test_figures_of_the_text_are_not_taken_for_the_number(staff: Team) -> None:
    staff.api.says(GROUP, "/sms 79001112233 5 minutes")
    await staff.until(staff.has_sms)
    [sms] = await staff.sms()
    assert (sms.recipient, sms.text) == ("79001112233", "5 minutes")


async def test_an_sms_command_that_is_processed_twice_is_one_sms(staff: Team) -> None:
    written = staff.api.says(GROUP, "/sms +79001112233 once")
    await staff.sees("Anna writes")
    await again(staff, written)
    assert len(await staff.sms()) == 1
    assert len(staff.shown(GROUP, "Anna writes")) == 1


# ---------------------------------------------------------------- canned replies


async def test_a_canned_reply_goes_out_by_its_name_with_its_variables(staff: Team) -> None:
    post = await staff.received()
    orders(staff, post, "/name Ivan")
    await staff.sees("Name: Ivan")
    written = orders(staff, post, "/t Hello")
    await staff.until(staff.has_sms)
    orders(staff, post, "/t signed")
    await staff.until(lambda: staff.has_sms(2))
    assert [sms.text for sms in await staff.sms()] == ["Hello Ivan", "Anna answers: Hello"]
    await staff.reacts(written, "👀")


async def test_a_canned_reply_is_chosen_by_a_button_once(staff: Team) -> None:
    post = await staff.received()
    asked = orders(staff, post, "/t")
    listed = await staff.sees("hello: Hello")
    assert labels(listed) == ["hello", "signed", "first"]
    hello_button, signed = data_of(listed, "hello"), data_of(listed, "signed")
    assert await press(staff, listed, "hello", BORIS) == "Chosen: “hello”"
    [sms] = await staff.sms()
    assert (sms.text, sms.author, sms.message_id) == ("Hello", "Boris (1002)", asked)
    for data in (hello_button, signed):
        query = staff.api.presses(GROUP, listed.id, data, stale=True)
        await staff.answered(query)
        assert staff.api.presses_by_id[query].answer == "Already decided"
    assert len(await staff.sms()) == 1


async def test_canned_replies_are_listed_as_this_subscriber_would_get_them(staff: Team) -> None:
    post = await staff.received()
    orders(staff, post, "/name Ivan")
    await staff.sees("Name: Ivan")
    orders(staff, post, "/t")
    listed = (await staff.sees("Canned replies")).text
    assert "• hello: Hello Ivan" in listed
    assert "• signed: Anna answers: Hello" in listed
    assert "• first: (cannot be made for this subscriber)" in listed


async def test_a_canned_reply_that_cannot_be_made_is_not_sent(staff: Team) -> None:
    post = await staff.received()
    orders(staff, post, "/t first")
    await staff.sees("cannot be made here")
    orders(staff, post, "/t nosuch")
    await staff.sees("There are: hello, signed, first")
    assert await staff.sms() == []


async def test_a_list_without_room_for_the_decision_loses_its_buttons(staff: Team) -> None:
    texts = [*["x" * 80] * 43, "x" * 35]
    replies = {f"r{number:07}": text for number, text in enumerate(texts)}
    staff.settings = staff.settings.model_copy(update={"replies": replies})
    await staff.restart()
    post = await staff.received()
    orders(staff, post, "/t")
    listed = await staff.sees("Canned replies")
    assert MAX_UNITS - 20 < units(listed.text) <= MAX_UNITS
    assert await press(staff, listed, "r0000001") == "Chosen: “r0000001”"
    await staff.until(lambda: labels(listed) == [])


async def test_a_button_of_another_text_by_now_sends_nothing(staff: Team) -> None:
    post = await staff.received()
    orders(staff, post, "/t")
    listed = await staff.sees("hello: Hello")
    staff.settings = staff.settings.model_copy(update={"replies": {"hello": "Another text"}})
    await staff.restart()
    assert await press(staff, listed, "hello") == "This button means nothing any more"
    assert await staff.sms() == []


@pytest.mark.parametrize(
    "data", ["conversation:close:zzzz", "conversation:burn:{code}", "history:{code}:x", "canned:{code}:0", "history:"]
)
async def test_a_made_up_button_does_nothing(forum: Team, data: str) -> None:
    post = await forum.received()
    code = post.text.rsplit("#", 1)[-1]
    query = forum.api.presses(GROUP, post.id, data.format(code=code), stale=True)
    await forum.answered(query)
    assert forum.api.presses_by_id[query].answer == "This button means nothing any more"
    assert await forum.store.actions_on(SUBSCRIBER, limit=9) == []


async def test_a_state_of_an_sms_by_command_is_what_the_platform_says(staff: Team) -> None:
    post = await staff.received()
    written = orders(staff, post, "/t hello")
    await staff.until(staff.has_sms)
    await staff.platform(Move.ACCEPTED)
    sms = await staff.platform(Move.DELIVERED)
    assert sms.state is SmsState.DELIVERED
    await staff.reacts(written, "👍")
