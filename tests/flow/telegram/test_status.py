"""The delivery status of a reply is shown on the reply itself, and each button under it decides once."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.model.alert import alert_post
from bridge.model.base import HOUR, MINUTE, Json
from bridge.model.sms import Change, Move, NewSms, Origin, Priority, SmsState
from bridge.sandbox.botapi import Message
from tests.flow.telegram.team import ADMINS, GROUP, SUBSCRIBER, Team, team

BORIS = 1002


async def replied(staff: Team, text: str = "Good day") -> int:
    """An operator's reply that waits in the outbox; its message id."""
    post = await staff.received()
    before = len(await staff.sms())
    written = staff.api.says(GROUP, text, reply_to=post.id)
    await staff.until(lambda: staff.has_sms(before + 1))
    return written


def buttons(message: Message) -> list[str]:
    rows = (message.reply_markup or {}).get("inline_keyboard") or []
    assert isinstance(rows, list)
    return [str(button["callback_data"]) for row in rows for button in row]  # type: ignore[union-attr,index,call-overload]


async def test_the_reaction_follows_the_state(group: Team) -> None:
    written = await replied(group)
    await group.reacts(written, "👀")
    await group.platform(Move.ACCEPTED, Change(platform_ids=("1179",)))
    await group.reacts(written, "🕊")
    await group.platform(Move.DELIVERED)
    await group.reacts(written, "👍")
    await group.settled()
    assert len(group.shown()) == 1, "a reaction is enough while all goes well"


@pytest.mark.parametrize(("move", "emoji"), [(Move.UNDELIVERED, "💔"), (Move.EXPIRED, "💔"), (Move.GIVE_UP, "😴")])
async def test_the_reaction_shows_the_delivery_status(group: Team, move: Move, emoji: str) -> None:
    written = await replied(group)
    await group.platform(Move.ACCEPTED, Change(platform_ids=("1179",)))
    await group.platform(move)
    await group.reacts(written, emoji)


async def test_only_the_latest_state_is_worth_a_reaction(group: Team) -> None:
    post = await group.received()
    await group.settled()
    group.api.flood(GROUP, 30)
    written = group.api.says(GROUP, "Good day", reply_to=post.id)
    await group.until(group.has_sms)
    await group.platform(Move.ACCEPTED, Change(platform_ids=("1179",)))
    await group.platform(Move.DELIVERED)
    await group.reacts(written, "👍")
    await group.settled()
    done = [call for call in group.api.calls_of("setMessageReaction") if call.status == 200]
    assert len(done) == 1


async def test_a_failure_is_explained_once_and_can_be_sent_again(group: Team) -> None:
    written = await replied(group)
    await group.platform(Move.REFUSED, Change(reason="stop_list", detail="Номер телефона присутствует в стоп-листе"))
    await group.reacts(written, "💔")
    told = await group.sees("stop list")
    assert "Номер телефона присутствует в стоп-листе" in told.text
    assert told.reply_to == written
    [failed] = await group.sms()
    assert buttons(told) == [f"again:{failed.id}"]

    group.api.presses(GROUP, told.id, f"again:{failed.id}")
    await group.until(lambda: group.has_sms(2))
    await group.reacts(written, "👀")
    _, again = await group.sms()
    assert (again.retry_of, again.text, again.state) == (failed.id, "Good day", SmsState.QUEUED)
    assert (again.chat_id, again.message_id) == (GROUP, written)
    await group.until(lambda: buttons(told) == [])
    assert "Sent again: Anna" in group.api.chats[GROUP].history[told.id].text
    await group.platform(Move.ACCEPTED, Change(platform_ids=("1180",)))
    await group.reacts(written, "🕊")


@pytest.mark.parametrize(
    ("move", "reason", "line"),
    [
        (Move.UNDELIVERED, "undelivered", "Not delivered"),
        (Move.EXPIRED, "expired", "Not delivered: the subscriber could not be reached for too long"),
        (Move.PARK, "parked", "The platform took the SMS and will send it after a top-up"),
    ],
)
async def test_a_reason_that_says_no_more_than_the_state_is_not_shown(
    group: Team, move: Move, reason: str, line: str
) -> None:
    """As the delivery polls and the verdict write them."""
    written = await replied(group)
    if move is not Move.PARK:
        await group.platform(Move.ACCEPTED, Change(platform_ids=("1180",)))
    await group.platform(move, Change(reason=reason))
    told = await group.sees(line)
    assert told.text.splitlines()[0] == line
    group.api.says(GROUP, "/info", reply_to=written)
    shown = await group.sees("Parts: 1")
    assert not any(each.endswith(f"· {reason}") for each in shown.text.splitlines())


async def test_delivery_in_part_is_shown_under_the_reply(group: Team) -> None:
    written = await replied(group)
    sms = await group.platform(Move.ACCEPTED, Change(platform_ids=("1180",)))
    await group.store.note_status(sms.id, "partly_deliver", group.clock.now() + HOUR, 1)
    group.signals.posts.set()
    told = await group.sees("Delivered in part")
    assert told.reply_to == written
    await group.platform(Move.DELIVERED, Change(platform_status="deliver"))
    await group.reacts(written, "👍")
    await group.until(lambda: told.text.startswith("Delivered\n"))


async def test_the_operator_decides_about_an_unknown_outcome(group: Team) -> None:
    written = await replied(group)
    await group.platform(Move.LOSE_TRACK, Change(reason="disconnected"))
    await group.reacts(written, "🤔")
    told = await group.sees("may arrive twice")
    state, warning, _ = told.text.splitlines()
    assert state == "It is not known whether the SMS left: the connection broke during the request"
    assert warning == "Sent again, it may arrive twice"
    [sms] = await group.sms()
    assert buttons(told) == [f"again:{sms.id}", f"leave:{sms.id}"]
    await group.settled()
    assert [each.state for each in await group.sms()] == [SmsState.UNCERTAIN], "nothing is sent by itself"

    query = group.api.presses(GROUP, told.id, f"leave:{sms.id}")
    await group.until(lambda: group.api.presses_by_id[query].answered)
    assert [each.state for each in await group.sms()] == [SmsState.ABANDONED]
    await group.until(lambda: buttons(told) == [])
    await group.settled()
    assert "Left as it is: Anna" in group.api.chats[GROUP].history[told.id].text
    assert group.reaction(written) == "🤔"


async def test_two_people_press_and_it_is_sent_once(group: Team) -> None:
    group.api.add_user(BORIS, "Boris")
    await replied(group)
    await group.platform(Move.LOSE_TRACK, Change(reason="disconnected"))
    told = await group.sees("may arrive twice")
    [sms] = await group.sms()
    presses = [
        group.api.presses(GROUP, told.id, f"again:{sms.id}"),
        group.api.presses(GROUP, told.id, f"again:{sms.id}", BORIS),
        group.api.presses(GROUP, told.id, f"leave:{sms.id}", BORIS),
    ]
    await group.until(lambda: all(group.api.presses_by_id[query].answered for query in presses))
    assert [each.state for each in await group.sms()] == [SmsState.ABANDONED, SmsState.QUEUED]
    answers = [event.text for event in group.api.events if event.kind == "answer"]
    assert answers == ["Sending it again", "Already decided", "Already decided"]


async def test_a_press_after_the_decision_changes_nothing(group: Team) -> None:
    await replied(group)
    await group.platform(Move.LOSE_TRACK, Change(reason="disconnected"))
    told = await group.sees("may arrive twice")
    [sms] = await group.sms()
    group.api.presses(GROUP, told.id, f"again:{sms.id}")
    await group.until(lambda: buttons(told) == [])
    said = group.api.chats[GROUP].history[told.id].text
    query = group.api.presses(GROUP, told.id, f"again:{sms.id}", stale=True)
    await group.answered(query)
    await group.passes(MINUTE)
    assert group.api.chats[GROUP].history[told.id].text == said
    assert said.count("Sent again: Anna") == 1
    await group.platform(Move.ACCEPTED, Change(platform_ids=("1179",)))
    query = group.api.presses(GROUP, told.id, f"again:{sms.id}", stale=True)
    await group.answered(query)
    assert group.api.presses_by_id[query].answer == "Already decided", "nothing leaves now"


async def test_proof_that_it_arrived_takes_the_buttons_away(group: Team) -> None:
    written = await replied(group)
    await group.platform(Move.LOSE_TRACK, Change(reason="disconnected"))
    told = await group.sees("may arrive twice")
    await group.platform(Move.PROVE, Change(platform_ids=("1179",), reason=""))
    await group.reacts(written, "🕊")
    await group.until(lambda: buttons(told) == [])
    assert group.api.chats[GROUP].history[told.id].text.startswith("Accepted by the platform")


async def test_only_operators_decide(tmp_path: Path) -> None:
    async with team(tmp_path, forum=False, operators=[1001]) as group:
        group.api.add_user(BORIS, "Boris")
        await replied(group)
        await group.platform(Move.LOSE_TRACK, Change(reason="disconnected"))
        told = await group.sees("may arrive twice")
        [sms] = await group.sms()
        query = group.api.presses(GROUP, told.id, f"again:{sms.id}", BORIS)
        await group.until(lambda: group.api.presses_by_id[query].answered)
        assert [each.state for each in await group.sms()] == [SmsState.UNCERTAIN]
        assert len(buttons(told)) == 2


async def test_a_press_with_made_up_data_decides_nothing(group: Team) -> None:
    """A client can send any data with a press: an SMS of another chat is none of this chat's business."""
    await replied(group)
    await group.platform(Move.LOSE_TRACK, Change(reason="disconnected"))
    told = await group.sees("may arrive twice")
    [sms] = await group.sms()
    foreign = await group.store.enqueue(
        NewSms(
            key="cli:1",
            account="main",
            recipient="79001112233",
            sender_name="MyShop",
            text="x",
            parts=1,
            origin=Origin.COMMAND,
            priority=Priority.PERSON,
        )
    )
    await group.platform(Move.LOSE_TRACK)
    for data in (f"leave:{foreign.id}", "leave:999999", "again:-1", "leave:x", f"delete:{sms.id}", ""):
        query = group.api.presses(GROUP, told.id, data, stale=True)
        await group.answered(query)
    assert [each.state for each in await group.sms()] == [SmsState.UNCERTAIN, SmsState.UNCERTAIN]


async def test_where_reactions_are_forbidden_one_line_is_edited(tmp_path: Path) -> None:
    async with team(tmp_path, forum=False, group={"reactions": "none"}) as group:
        written = await replied(group)
        line = await group.sees("Waiting to be sent")
        assert line.reply_to == written
        await group.platform(Move.ACCEPTED, Change(platform_ids=("1179",)))
        await group.sees("Accepted by the platform")
        await group.platform(Move.UNDELIVERED, Change(reason="", detail="absent"))
        await group.sees("Not delivered")
        await group.settled()
        [hello, status] = group.shown()
        assert (hello.text != status.text, status.id) == (True, line.id)
        assert buttons(status) == [f"again:{(await group.sms())[0].id}"]


async def test_the_admin_chat_decides_about_an_automatic_reply_of_unknown_outcome(group: Team) -> None:
    await group.texted("Hello")
    sms = await group.store.enqueue(
        NewSms(
            key="rule:1:0",
            account="main",
            recipient=SUBSCRIBER,
            sender_name="MyShop",
            text="We are open from 9 to 18",
            parts=1,
            origin=Origin.RULE,
            priority=Priority.AUTOMATIC,
        )
    )
    params: dict[str, Json] = {"account": "main", "reason": "disconnected"}
    post = alert_post("alert.uncertain", params, key=f"alert.uncertain:{sms.id}", sms_id=sms.id)
    await group.platform(Move.LOSE_TRACK, Change(reason="disconnected", posts=(post,)))
    told = await group.sees("may arrive twice", chat_id=ADMINS)
    assert "the connection broke" in told.text
    assert "We are open from 9 to 18" in told.text
    assert f"+{SUBSCRIBER}" in told.text
    group.api.presses(ADMINS, told.id, f"again:{sms.id}")
    await group.until(lambda: group.has_sms(2))
    await group.until(lambda: buttons(told) == [])


async def test_a_deleted_operators_message_stops_nothing(group: Team) -> None:
    written = await replied(group)
    await group.reacts(written, "👀")
    group.api.delete_message(GROUP, written)
    await group.platform(Move.REFUSED, Change(reason="stop_list"))
    await group.sees("stop list")
    await group.settled()
    await group.texted("Is anybody there?")
    await group.sees("Is anybody there?")
    assert len(group.shown(containing="stop list")) == 1


async def test_an_sms_that_was_sent_again_by_a_command_is_not_asked_about(group: Team) -> None:
    """Decided on the command line while the chat was waiting: the chat shows the newer SMS only."""
    written = await replied(group)
    await group.settled()
    await group.stop()
    failed = await group.platform(Move.REFUSED, Change(reason="stop_list"))
    again = await group.store.send_again(failed.id, key=f"again:{failed.id}", author="cli", now=group.clock.now())
    assert again is not None
    await group.platform(Move.ACCEPTED, Change(platform_ids=("1180",)))
    group.start()
    await group.reacts(written, "🕊")
    await group.settled()
    assert len(group.shown()) == 1
