"""The bot asks before it sends certain replies, and each of its buttons has its effect once."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from bridge.model.actions import Action, ActionKind
from bridge.model.base import SECOND, Json
from bridge.model.sms import ConfirmationReason, Move, SmsState
from bridge.sandbox.botapi import Message, MessageKind
from tests.flow.telegram.team import GROUP, SUBSCRIBER, Team, team
from tests.flow.telegram.test_status import buttons

LONG = "слово " * 40 + "конец"
"""Four parts."""
COSTLY = "Your order is ready, come to the shop on Main Street — we are open until nine in the evening"
PLAIN = COSTLY.replace("—", "-")


@pytest.fixture
async def staff(tmp_path: Path) -> AsyncIterator[Team]:
    async with team(tmp_path, forum=True) as made:
        yield made


async def says(staff: Team, text: str = "", **how: object) -> int:
    """A colleague's message in the subscriber's topic."""
    if not staff.shown(containing="Hello"):
        await staff.texted("Hello")
    post = await staff.sees("Hello")
    return staff.api.says(GROUP, text, thread_id=post.thread_id, **how)  # type: ignore[arg-type]


async def asked(staff: Team, words: str) -> Message:
    told = await staff.sees(words)
    await staff.settled()
    return told


async def press(staff: Team, told: Message, kind: str, *, stale: bool = False) -> str:
    """Press the button of this kind; what is answered."""
    data = next(data for data in buttons(told) if data.startswith(kind + ":"))
    query = staff.api.presses(GROUP, told.id, data, stale=stale)
    await staff.answered(query)
    await staff.settled()
    return staff.api.presses_by_id[query].answer


async def ordered(staff: Team, kind: ActionKind) -> None:
    """As by a command of a colleague."""
    order = Action(key=f"test:{kind}", kind=kind, author="Anna", subscriber=SUBSCRIBER)
    assert await staff.store.carry_out(order, done=None, already=None, now=staff.clock.now())


async def only_sms(staff: Team) -> tuple[SmsState, str]:
    [sms] = await staff.sms()
    return sms.state, sms.text


# ------------------------------------------------ parts


async def test_a_long_reply_waits_for_confirmation(staff: Team) -> None:
    written = await says(staff, LONG)
    told = await asked(staff, "4 SMS, 245 characters")
    assert told.reply_to == written
    assert await only_sms(staff) == (SmsState.DRAFT, LONG)
    await staff.reacts(written, "✍")
    assert await staff.store.claim_due("main", now=staff.clock.now(), limit=5) == []

    assert await press(staff, told, "release") == "Sending"
    assert await only_sms(staff) == (SmsState.QUEUED, LONG)
    await staff.reacts(written, "👀")
    assert told.deleted, "a question that was answered goes away"


async def test_a_reply_of_as_many_parts_as_are_allowed_goes_at_once(staff: Team) -> None:
    await says(staff, "слово " * 33)
    await staff.until(staff.has_sms)
    [sms] = await staff.sms()
    assert (sms.parts, sms.state) == (3, SmsState.QUEUED)


async def test_a_stopped_draft_is_cancelled(staff: Team) -> None:
    written = await says(staff, LONG)
    told = await asked(staff, "4 SMS")
    assert await press(staff, told, "stop") == "Not sent"
    assert (await only_sms(staff))[0] is SmsState.CANCELLED
    await staff.reacts(written, "💔")
    assert buttons(told) == []


async def test_two_who_press_at_once_send_it_once(staff: Team) -> None:
    await says(staff, LONG)
    told = await asked(staff, "4 SMS")
    [release, stop] = buttons(told)
    first = staff.api.presses(GROUP, told.id, release)
    second = staff.api.presses(GROUP, told.id, release)
    third = staff.api.presses(GROUP, told.id, stop)
    for query in (first, second, third):
        await staff.answered(query)
    answers = [staff.api.presses_by_id[query].answer for query in (first, second, third)]
    assert answers[:2] == ["Sending", "Already decided"]
    # Released, and taken back before it left: the later word counts, as it would with `undo`.
    assert (await only_sms(staff))[0] is SmsState.CANCELLED


async def test_the_question_and_the_draft_outlive_a_restart_and_are_not_doubled(staff: Team) -> None:
    written = await says(staff, LONG)
    told = await asked(staff, "4 SMS")
    staff.api.raw_update({"message": staff.as_sent(written)})
    await staff.settled()
    await staff.restart()
    await staff.settled()
    assert len(staff.shown(containing="4 SMS")) == 1
    assert await press(staff, told, "release") == "Sending"
    assert await only_sms(staff) == (SmsState.QUEUED, LONG)


async def test_a_decision_that_was_killed_before_it_was_told_is_shown_after_the_start(staff: Team) -> None:
    written = await says(staff, LONG)
    told = await asked(staff, "4 SMS")
    await staff.stop()
    [draft] = await staff.sms()
    assert await staff.store.move(draft.id, Move.RELEASE, staff.clock.now())
    staff.start()
    await staff.reacts(written, "👀")
    await staff.settled()
    assert told.deleted


async def test_a_question_that_a_crash_doubled_loses_its_buttons_too(staff: Team, tmp_path: Path) -> None:
    await says(staff, LONG)
    lost = await asked(staff, "4 SMS")
    await staff.stop()
    # Killed between Telegram's taking the question and noting that it did.
    change(tmp_path, "UPDATE chat_post SET state = 'waiting', shown = '' WHERE kind = 'status'")
    change(tmp_path, f"DELETE FROM chat_message WHERE message_id = {lost.id}")
    staff.start()
    await staff.settled()
    [_, kept] = staff.shown(containing="4 SMS")
    assert await press(staff, lost, "release") == "Sending"
    assert kept.deleted
    assert await press(staff, lost, "release") == "Already decided"
    await staff.until(lambda: buttons(lost) == [])


async def test_a_question_about_another_length_releases_nothing(staff: Team) -> None:
    written = await says(staff, LONG)
    told = await asked(staff, "4 SMS")
    old = next(data for data in buttons(told) if data.startswith("release:"))
    staff.api.edits(GROUP, written, LONG * 2)
    await staff.sees("8 SMS")
    query = staff.api.presses(GROUP, told.id, old, stale=True)
    await staff.answered(query)
    assert "has changed" in staff.api.presses_by_id[query].answer
    assert (await only_sms(staff))[0] is SmsState.DRAFT


async def test_a_stranger_in_the_group_releases_nothing(tmp_path: Path) -> None:
    async with team(tmp_path, forum=True, operators=[1001]) as staff:
        staff.api.add_user(1002, "Boris")
        await says(staff, LONG)
        told = await asked(staff, "4 SMS")
        query = staff.api.presses(GROUP, told.id, buttons(told)[0], 1002)
        await staff.answered(query)
        await staff.settled()
        assert (await only_sms(staff))[0] is SmsState.DRAFT


async def test_where_reactions_are_forbidden_the_question_becomes_the_status_line(tmp_path: Path) -> None:
    async with team(tmp_path, forum=True, group={"reactions": "none"}) as staff:
        await says(staff, LONG)
        told = await asked(staff, "4 SMS")
        await press(staff, told, "release")
        assert not told.deleted
        assert "Waiting to be sent" in told.text
        assert buttons(told) == []


async def test_a_question_too_old_to_be_deleted_loses_its_buttons(staff: Team) -> None:
    await says(staff, LONG)
    told = await asked(staff, "4 SMS")
    staff.api.answer_next("deleteMessage", 400, "Bad Request: message can't be deleted for everyone")
    await press(staff, told, "release")
    assert not told.deleted
    assert buttons(told) == []


# ------------------------------------------------ who does not want to be written to


async def test_a_reply_to_a_subscriber_who_opted_out_waits_for_permission(staff: Team) -> None:
    await ordered(staff, ActionKind.OPT_OUT)
    await says(staff, "Good day")
    told = await asked(staff, "The subscriber opted out")
    assert (await only_sms(staff))[0] is SmsState.DRAFT
    await press(staff, told, "release")
    assert await only_sms(staff) == (SmsState.QUEUED, "Good day")


async def test_a_reply_to_a_blocked_number_waits_for_confirmation(staff: Team) -> None:
    await ordered(staff, ActionKind.BLOCK)
    await says(staff, LONG)
    told = await asked(staff, "The number is blocked")
    assert "4 SMS" in told.text, "every reason is named"
    [sms] = await staff.sms()
    assert (sms.state, sms.confirmation_reasons) == (
        SmsState.DRAFT,
        (ConfirmationReason.BLOCKED, ConfirmationReason.PARTS),
    )


# ------------------------------------------------ characters that cost


async def test_a_dash_that_makes_it_dearer_is_pointed_out(staff: Team) -> None:
    await says(staff, COSTLY)
    told = await asked(staff, "These characters make it cost more: —\n2 SMS with them, 1 with plain ones.")
    await press(staff, told, "plain")
    [sms] = await staff.sms()
    assert (sms.state, sms.text, sms.parts) == (SmsState.QUEUED, PLAIN, 1)


async def test_an_author_can_send_costly_characters(staff: Team) -> None:
    await says(staff, COSTLY)
    await press(staff, await asked(staff, "make it cost more"), "release")
    assert await only_sms(staff) == (SmsState.QUEUED, COSTLY)


async def test_special_characters_that_cost_nothing_are_not_asked_about(staff: Team) -> None:
    await says(staff, "Your order — ready")
    await staff.until(staff.has_sms)
    assert await only_sms(staff) == (SmsState.QUEUED, "Your order — ready")


async def test_a_chat_may_have_costly_characters_replaced(tmp_path: Path) -> None:
    async with team(tmp_path, forum=True, replace=True) as staff:
        written = await says(staff, COSTLY)
        await staff.until(staff.has_sms)
        assert await only_sms(staff) == (SmsState.QUEUED, PLAIN)
        # A link preview is reported as an edit; the chat still shows the dash.
        staff.api.edits(GROUP, written, COSTLY)
        await staff.settled()
        assert await only_sms(staff) == (SmsState.QUEUED, PLAIN)


# ------------------------------------------------ what is no text


@pytest.mark.parametrize("kind", [MessageKind.PHOTO, MessageKind.DOCUMENT, MessageKind.VOICE])
async def test_a_caption_is_offered(staff: Team, kind: MessageKind) -> None:
    written = await says(staff, "The price list", kind=kind)
    told = await asked(staff, "Nothing was sent; the caption can be")
    assert told.reply_to == written
    assert (await only_sms(staff))[0] is SmsState.DRAFT
    await press(staff, told, "release")
    assert await only_sms(staff) == (SmsState.QUEUED, "The price list")


async def test_a_location_is_offered_as_a_link(staff: Team) -> None:
    await says(staff, kind=MessageKind.LOCATION)
    told = await asked(staff, "a link to a map can be")
    await press(staff, told, "release")
    assert await only_sms(staff) == (SmsState.QUEUED, "https://maps.google.com/?q=55.751244,37.618423")


@pytest.mark.parametrize("caption", ["// for us", ". for us"])
async def test_a_note_under_a_picture_is_a_note(staff: Team, caption: str) -> None:
    await says(staff, caption, kind=MessageKind.PHOTO)
    await staff.settled()
    assert await staff.sms() == []
    assert len(staff.shown()) == 1


async def test_a_command_under_a_picture_never_leaves(staff: Team) -> None:
    await says(staff, "/block", kind=MessageKind.PHOTO)
    await staff.sees("no such command")
    assert await staff.sms() == []


async def test_an_album_is_asked_about_once(staff: Team) -> None:
    ids = [await says(staff, caption, kind=MessageKind.PHOTO) for caption in ("Look", "", "")]
    await staff.settled()
    before = len(staff.shown())
    album: list[dict[str, Json]] = [
        staff.as_sent(each) | {"media_group_id": "7", "message_id": each + 500} for each in ids
    ]
    for message in album:
        staff.api.raw_update({"message": message})
    await staff.settled()
    assert len(staff.shown()) == before + 1
    assert [sms.text for sms in await staff.sms()] == ["Look", "Look"]


@pytest.mark.parametrize("captions", [("Look", "", ""), ("", "Look", ""), ("", "", "Look"), ("", "", "")])
async def test_an_album_gets_one_notice(staff: Team, captions: tuple[str, ...]) -> None:
    before = await album_of(staff, captions)
    await staff.sees("SMS is text only")
    await staff.passes(6 * SECOND)
    await staff.settled()
    assert len(staff.shown()) == before + 1
    assert [sms.text for sms in await staff.sms()] == [text for text in captions if text]


@pytest.mark.parametrize("captions", [("// for us", "", ""), ("", "// for us", ""), ("", "", "// for us")])
async def test_an_album_whose_caption_is_a_note_stays_among_colleagues(staff: Team, captions: tuple[str, ...]) -> None:
    before = await album_of(staff, captions)
    await staff.passes(6 * SECOND)
    await staff.settled()
    assert len(staff.shown()) == before


async def album_of(staff: Team, captions: tuple[str, ...]) -> int:
    """Its pictures come one after the other, each with the caption it has; how much had been said before."""
    first = await says(staff, "// a place to stand in")
    await staff.settled()
    before = len(staff.shown())
    staff.stride = 50  # the pictures come together, and time must not run between them
    body = staff.as_sent(first)
    del body["text"]
    picture: Json = [{"file_id": "a", "file_unique_id": "b", "width": 1, "height": 1}]
    for each, caption in enumerate(captions):
        words = {"caption": caption} if caption else {}
        message = {**body, **words, "photo": picture, "media_group_id": "9", "message_id": 700 + each}
        staff.api.raw_update({"message": message})
    return before


async def test_where_only_replies_leave_nothing_else_is_asked_about(tmp_path: Path) -> None:
    async with team(tmp_path, forum=True, send="replies") as staff:
        await says(staff, LONG)
        await says(staff, "look at this", kind=MessageKind.PHOTO)
        await says(staff, kind=MessageKind.LOCATION)
        chatter = await says(staff, "short")
        staff.api.edits(GROUP, chatter, "still short")
        await staff.settled()
        assert await staff.sms() == []
        assert len(staff.shown()) == 1
        post = staff.shown()[0]
        await says(staff, LONG, reply_to=post.id)
        await staff.sees("4 SMS")


def change(path: Path, statement: str) -> None:
    """What nothing in the program does at the moment it is needed."""
    with closing(sqlite3.connect(path / "bridge.db")) as db, db:
        db.execute(statement)
