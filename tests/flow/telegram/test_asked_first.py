"""What the bot asks about before it lets a reply go, and what each button does. Once."""

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
from bridge.sandbox.botapi.render import message_json
from tests.flow.telegram.team import GROUP, SUBSCRIBER, Team, team
from tests.flow.telegram.test_fate import buttons

LONG = "слово " * 40 + "конец"
"""Four parts."""
DEAR = "Your order is ready, come to the shop on Main Street — we are open until nine in the evening"
PLAIN = DEAR.replace("—", "-")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Team]:
    async with team(tmp_path, forum=True) as made:
        yield made


async def says(desk: Team, text: str = "", **how: object) -> int:
    """A colleague's message in the subscriber's topic."""
    if not desk.shown(containing="Hello"):
        await desk.texted("Hello")
    post = await desk.sees("Hello")
    return desk.api.says(GROUP, text, thread_id=post.thread_id, **how)  # type: ignore[arg-type]


async def asked(desk: Team, words: str) -> Message:
    told = await desk.sees(words)
    await desk.settled()
    return told


async def press(desk: Team, told: Message, kind: str, *, stale: bool = False) -> str:
    """Press the button of this kind; what is answered."""
    data = next(data for data in buttons(told) if data.startswith(kind + ":"))
    query = desk.api.presses(GROUP, told.id, data, stale=stale)
    await desk.answered(query)
    await desk.settled()
    return desk.api.presses_by_id[query].answer


async def ordered(desk: Team, deed: ActionKind) -> None:
    """As by a command of a colleague."""
    order = Action(key=f"test:{deed}", deed=deed, author="Anna", subscriber=SUBSCRIBER)
    assert await desk.store.carry_out(order, done=None, already=None, now=desk.clock.now())


async def only_sms(desk: Team) -> tuple[SmsState, str]:
    [sms] = await desk.sms()
    return sms.state, sms.text


# ------------------------------------------------ parts


async def test_a_long_reply_waits_for_a_word(desk: Team) -> None:
    written = await says(desk, LONG)
    told = await asked(desk, "4 SMS, 245 characters")
    assert told.reply_to == written
    assert await only_sms(desk) == (SmsState.DRAFT, LONG)
    await desk.reacts(written, "✍")
    assert await desk.store.claim_due("main", now=desk.clock.now(), limit=5) == []

    assert await press(desk, told, "release") == "Sending"
    assert await only_sms(desk) == (SmsState.QUEUED, LONG)
    await desk.reacts(written, "👀")
    assert told.deleted, "a question that was answered goes away"


async def test_a_reply_of_as_many_parts_as_are_allowed_goes_at_once(desk: Team) -> None:
    await says(desk, "слово " * 33)
    await desk.until(desk.has_sms)
    [sms] = await desk.sms()
    assert (sms.parts, sms.state) == (3, SmsState.QUEUED)


async def test_a_draft_that_nobody_wants_is_cancelled(desk: Team) -> None:
    written = await says(desk, LONG)
    told = await asked(desk, "4 SMS")
    assert await press(desk, told, "stop") == "Not sent"
    assert (await only_sms(desk))[0] is SmsState.CANCELLED
    await desk.reacts(written, "💔")
    assert buttons(told) == []


async def test_two_who_press_at_once_send_it_once(desk: Team) -> None:
    await says(desk, LONG)
    told = await asked(desk, "4 SMS")
    [release, stop] = buttons(told)
    first = desk.api.presses(GROUP, told.id, release)
    second = desk.api.presses(GROUP, told.id, release)
    third = desk.api.presses(GROUP, told.id, stop)
    for query in (first, second, third):
        await desk.answered(query)
    answers = [desk.api.presses_by_id[query].answer for query in (first, second, third)]
    assert answers[:2] == ["Sending", "Already decided"]
    # Released, and taken back before it left: the later word counts, as it would with `undo`.
    assert (await only_sms(desk))[0] is SmsState.CANCELLED


async def test_the_question_and_the_draft_outlive_a_restart_and_are_not_doubled(desk: Team) -> None:
    written = await says(desk, LONG)
    told = await asked(desk, "4 SMS")
    desk.api.raw_update({"message": as_sent(desk, written)})
    await desk.settled()
    await desk.restart()
    await desk.settled()
    assert len(desk.shown(containing="4 SMS")) == 1
    assert await press(desk, told, "release") == "Sending"
    assert await only_sms(desk) == (SmsState.QUEUED, LONG)


async def test_a_decision_that_was_killed_before_it_was_told_is_shown_after_the_start(desk: Team) -> None:
    written = await says(desk, LONG)
    told = await asked(desk, "4 SMS")
    await desk.stop()
    [draft] = await desk.sms()
    assert await desk.store.move(draft.id, Move.RELEASE, desk.clock.now())
    desk.start()
    await desk.reacts(written, "👀")
    await desk.settled()
    assert told.deleted


async def test_a_question_that_a_crash_doubled_loses_its_buttons_too(desk: Team, tmp_path: Path) -> None:
    await says(desk, LONG)
    lost = await asked(desk, "4 SMS")
    await desk.stop()
    # Killed between Telegram's taking the question and noting that it did.
    change(tmp_path, "UPDATE chat_post SET state = 'waiting', shown = '' WHERE kind = 'status'")
    desk.start()
    await desk.settled()
    [_, kept] = desk.shown(containing="4 SMS")
    assert await press(desk, lost, "release") == "Sending"
    assert kept.deleted
    assert await press(desk, lost, "release") == "Already decided"
    await desk.until(lambda: buttons(lost) == [])


async def test_a_question_about_another_length_releases_nothing(desk: Team) -> None:
    written = await says(desk, LONG)
    told = await asked(desk, "4 SMS")
    old = next(data for data in buttons(told) if data.startswith("release:"))
    desk.api.edits(GROUP, written, LONG * 2)
    await desk.sees("8 SMS")
    query = desk.api.presses(GROUP, told.id, old, stale=True)
    await desk.answered(query)
    assert "has changed" in desk.api.presses_by_id[query].answer
    assert (await only_sms(desk))[0] is SmsState.DRAFT


async def test_a_stranger_in_the_group_releases_nothing(tmp_path: Path) -> None:
    async with team(tmp_path, forum=True, operators=[1001]) as desk:
        desk.api.add_user(1002, "Boris")
        await says(desk, LONG)
        told = await asked(desk, "4 SMS")
        query = desk.api.presses(GROUP, told.id, buttons(told)[0], 1002)
        await desk.answered(query)
        await desk.settled()
        assert (await only_sms(desk))[0] is SmsState.DRAFT


async def test_where_reactions_are_forbidden_the_question_becomes_the_status_line(tmp_path: Path) -> None:
    async with team(tmp_path, forum=True, group={"reactions": "none"}) as desk:
        await says(desk, LONG)
        told = await asked(desk, "4 SMS")
        await press(desk, told, "release")
        assert not told.deleted
        assert "Waiting to be sent" in told.text
        assert buttons(told) == []


async def test_a_question_too_old_to_be_deleted_loses_its_buttons(desk: Team) -> None:
    await says(desk, LONG)
    told = await asked(desk, "4 SMS")
    desk.api.answer_next("deleteMessage", 400, "Bad Request: message can't be deleted for everyone")
    await press(desk, told, "release")
    assert not told.deleted
    assert buttons(told) == []


# ------------------------------------------------ who does not want to be written to


async def test_a_reply_to_whoever_opted_out_waits_for_a_word(desk: Team) -> None:
    await ordered(desk, ActionKind.OPT_OUT)
    await says(desk, "Good day")
    told = await asked(desk, "The subscriber opted out")
    assert (await only_sms(desk))[0] is SmsState.DRAFT
    await press(desk, told, "release")
    assert await only_sms(desk) == (SmsState.QUEUED, "Good day")


async def test_a_reply_to_a_blocked_number_waits_for_a_word(desk: Team) -> None:
    await ordered(desk, ActionKind.BLOCK)
    await says(desk, LONG)
    told = await asked(desk, "The number is blocked")
    assert "4 SMS" in told.text, "every reason is named"
    [sms] = await desk.sms()
    assert (sms.state, sms.confirmation_reasons) == (
        SmsState.DRAFT,
        (ConfirmationReason.BLOCKED, ConfirmationReason.PARTS),
    )


# ------------------------------------------------ characters that cost


async def test_a_dash_that_makes_it_dearer_is_pointed_out(desk: Team) -> None:
    await says(desk, DEAR)
    told = await asked(desk, "These characters make it cost more: —\n2 SMS with them, 1 with plain ones.")
    await press(desk, told, "plain")
    [sms] = await desk.sms()
    assert (sms.state, sms.text, sms.parts) == (SmsState.QUEUED, PLAIN, 1)


async def test_who_wants_the_dash_keeps_it(desk: Team) -> None:
    await says(desk, DEAR)
    await press(desk, await asked(desk, "make it cost more"), "release")
    assert await only_sms(desk) == (SmsState.QUEUED, DEAR)


async def test_what_costs_no_more_is_nobodys_business(desk: Team) -> None:
    await says(desk, "Your order — ready")
    await desk.until(desk.has_sms)
    assert await only_sms(desk) == (SmsState.QUEUED, "Your order — ready")


async def test_a_chat_may_have_dear_characters_replaced(tmp_path: Path) -> None:
    async with team(tmp_path, forum=True, replace=True) as desk:
        written = await says(desk, DEAR)
        await desk.until(desk.has_sms)
        assert await only_sms(desk) == (SmsState.QUEUED, PLAIN)
        # A link preview is reported as an edit; the chat still shows the dash.
        desk.api.edits(GROUP, written, DEAR)
        await desk.settled()
        assert await only_sms(desk) == (SmsState.QUEUED, PLAIN)


# ------------------------------------------------ what is no text


@pytest.mark.parametrize("kind", [MessageKind.PHOTO, MessageKind.DOCUMENT, MessageKind.VOICE])
async def test_a_caption_is_offered(desk: Team, kind: MessageKind) -> None:
    written = await says(desk, "The price list", kind=kind)
    told = await asked(desk, "Nothing was sent; the caption can be")
    assert told.reply_to == written
    assert (await only_sms(desk))[0] is SmsState.DRAFT
    await press(desk, told, "release")
    assert await only_sms(desk) == (SmsState.QUEUED, "The price list")


async def test_a_place_is_offered_as_a_link(desk: Team) -> None:
    await says(desk, kind=MessageKind.LOCATION)
    told = await asked(desk, "a link to a map can be")
    await press(desk, told, "release")
    assert await only_sms(desk) == (SmsState.QUEUED, "https://maps.google.com/?q=55.751244,37.618423")


@pytest.mark.parametrize("caption", ["// for us", ". for us"])
async def test_a_note_under_a_picture_is_a_note(desk: Team, caption: str) -> None:
    await says(desk, caption, kind=MessageKind.PHOTO)
    await desk.settled()
    assert await desk.sms() == []
    assert len(desk.shown()) == 1


async def test_a_command_under_a_picture_never_leaves(desk: Team) -> None:
    await says(desk, "/block", kind=MessageKind.PHOTO)
    await desk.sees("no such command")
    assert await desk.sms() == []


async def test_an_album_is_asked_about_once(desk: Team) -> None:
    ids = [await says(desk, caption, kind=MessageKind.PHOTO) for caption in ("Look", "", "")]
    await desk.settled()
    before = len(desk.shown())
    album: list[dict[str, Json]] = [
        as_sent(desk, each) | {"media_group_id": "7", "message_id": each + 500} for each in ids
    ]
    for message in album:
        desk.api.raw_update({"message": message})
    await desk.settled()
    assert len(desk.shown()) == before + 1
    assert [sms.text for sms in await desk.sms()] == ["Look", "Look"]


@pytest.mark.parametrize("captions", [("Look", "", ""), ("", "Look", ""), ("", "", "Look"), ("", "", "")])
async def test_that_only_text_goes_out_is_said_once_an_album(desk: Team, captions: tuple[str, ...]) -> None:
    before = await album_of(desk, captions)
    await desk.sees("SMS is text only")
    await desk.passes(6 * SECOND)
    await desk.settled()
    assert len(desk.shown()) == before + 1
    assert [sms.text for sms in await desk.sms()] == [text for text in captions if text]


@pytest.mark.parametrize("captions", [("// for us", "", ""), ("", "// for us", ""), ("", "", "// for us")])
async def test_an_album_whose_caption_is_a_note_stays_among_colleagues(desk: Team, captions: tuple[str, ...]) -> None:
    before = await album_of(desk, captions)
    await desk.passes(6 * SECOND)
    await desk.settled()
    assert len(desk.shown()) == before


async def album_of(desk: Team, captions: tuple[str, ...]) -> int:
    """Its pictures come one after the other, each with the caption it has; how much had been said before."""
    first = await says(desk, "// a place to stand in")
    await desk.settled()
    before = len(desk.shown())
    desk.stride = 50  # the pictures come together, and time must not run between them
    body = as_sent(desk, first)
    del body["text"]
    picture: Json = [{"file_id": "a", "file_unique_id": "b", "width": 1, "height": 1}]
    for each, caption in enumerate(captions):
        words = {"caption": caption} if caption else {}
        message = {**body, **words, "photo": picture, "media_group_id": "9", "message_id": 700 + each}
        desk.api.raw_update({"message": message})
    return before


async def test_where_only_replies_leave_nothing_else_is_asked_about(tmp_path: Path) -> None:
    async with team(tmp_path, forum=True, send="replies") as desk:
        await says(desk, LONG)
        await says(desk, "look at this", kind=MessageKind.PHOTO)
        await says(desk, kind=MessageKind.LOCATION)
        talk = await says(desk, "short")
        desk.api.edits(GROUP, talk, "still short")
        await desk.settled()
        assert await desk.sms() == []
        assert len(desk.shown()) == 1
        post = desk.shown()[0]
        await says(desk, LONG, reply_to=post.id)
        await desk.sees("4 SMS")


def as_sent(desk: Team, message_id: int) -> dict[str, Json]:
    chat = desk.api.chats[GROUP]
    return message_json(chat, chat.history[message_id])


def change(path: Path, statement: str) -> None:
    """What nothing in the program does at the moment it is needed."""
    with closing(sqlite3.connect(path / "bridge.db")) as db, db:
        db.execute(statement)
