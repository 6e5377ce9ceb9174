"""A reply that is held back for a moment can be stopped and leaves once, also over a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.model.base import SECOND
from bridge.model.sms import Change, Move, SmsState
from tests.clock import ManualClock
from tests.flow.harness import world
from tests.flow.telegram.team import GROUP, Team, team
from tests.flow.telegram.test_asked_first import LONG, press
from tests.flow.telegram.test_status import buttons, replied

UNDO = 5 * SECOND


@pytest.fixture
async def staff(tmp_path: Path) -> AsyncIterator[Team]:
    async with team(tmp_path, forum=False) as made:
        made.stride = SECOND // 10
        held = made.settings.telegram.model_copy(update={"undo": UNDO})
        made.settings = made.settings.model_copy(update={"telegram": held})
        await made.restart()
        yield made


async def test_a_reply_is_held_back_and_can_be_stopped(staff: Team) -> None:
    written = await replied(staff)
    [sms] = await staff.sms()
    assert (sms.state, sms.due_at - sms.created_at) == (SmsState.QUEUED, UNDO)
    told = await staff.sees("Not sent yet.")
    assert told.reply_to == written
    assert await staff.store.claim_due("main", now=sms.created_at + UNDO - 1, limit=5) == []
    assert await press(staff, told, "stop") == "Not sent"
    [sms] = await staff.sms()
    assert sms.state is SmsState.CANCELLED
    assert await staff.store.claim_due("main", now=sms.created_at + 2 * UNDO, limit=5) == []
    assert "not sent" in told.text
    assert buttons(told) == []


async def test_the_button_disappears_when_it_leaves(staff: Team) -> None:
    written = await replied(staff)
    told = await staff.sees("Not sent yet.")
    [stop] = buttons(told)
    await staff.passes(UNDO)
    await staff.platform(Move.ACCEPTED, Change(platform_ids=("1179",)))
    await staff.reacts(written, "🕊")
    await staff.settled()
    assert told.deleted
    query = staff.api.presses(GROUP, told.id, stop, stale=True)
    await staff.answered(query)
    assert staff.api.presses_by_id[query].answer == "It is leaving or has left"
    [sms] = await staff.sms()
    assert sms.state is SmsState.SENT


async def test_a_late_press_leaves_the_question_about_an_unknown_outcome_its_buttons(staff: Team) -> None:
    """The message that offered to stop the reply is the question now; a screen still showed the old one."""
    await replied(staff)
    told = await staff.sees("Not sent yet.")
    [stop] = buttons(told)
    staff.api.flood(GROUP, 1)
    await staff.passes(UNDO)
    await staff.platform(Move.LOSE_TRACK, Change(reason="disconnected"))
    [sms] = await staff.sms()
    choices = {f"again:{sms.id}", f"leave:{sms.id}"}
    await staff.until(lambda: any(choices <= set(buttons(each)) for each in staff.shown()))
    [question] = [each for each in staff.shown() if choices <= set(buttons(each))]
    query = staff.api.presses(GROUP, question.id, stop, stale=True)
    await staff.answered(query)
    await staff.settled()
    assert staff.api.presses_by_id[query].answer == "It is leaving or has left"
    assert choices <= set(buttons(question))


async def test_the_button_goes_ahead_of_new_sms_that_wait(staff: Team) -> None:
    post = await staff.received()
    await staff.settled()
    staff.api.flood(GROUP, 2)
    for number in range(12):
        await staff.texted(f"question {number}", subscriber=f"790011122{number:02}")
    staff.api.says(GROUP, "Good day", reply_to=post.id)
    await staff.until(staff.has_sms)
    told = await staff.sees("Not sent yet.")
    await staff.settled()
    waited = staff.shown(containing="question")
    assert len(waited) == 12
    assert told.id < min(message.id for message in waited)


async def test_a_button_that_would_come_too_late_does_not_come_and_the_reply_leaves_in_time(staff: Team) -> None:
    post = await staff.received()
    await staff.settled()
    staff.api.flood(GROUP, 60)
    # So that the bot learns of it.
    await staff.texted("And?")
    written = staff.api.says(GROUP, "Good day", reply_to=post.id)
    await staff.until(staff.has_sms)
    [sms] = await staff.sms()
    assert sms.due_at - sms.created_at == UNDO
    staff.stride = SECOND
    await staff.passes(90 * SECOND)
    await staff.reacts(written, "👀")
    await staff.settled()
    assert staff.shown(containing="Not sent yet.") == []
    assert [each.id for each in await staff.store.claim_due("main", now=sms.created_at + UNDO, limit=5)] == [sms.id]


async def test_an_edit_starts_the_time_for_undo_anew(staff: Team) -> None:
    written = await replied(staff)
    await staff.sees("Not sent yet.")
    await staff.passes(3 * SECOND)
    staff.api.edits(GROUP, written, "Good evening")
    await staff.settled()
    [sms] = await staff.sms()
    assert (sms.state, sms.text) == (SmsState.QUEUED, "Good evening")
    assert sms.due_at - sms.created_at > UNDO


async def test_a_released_draft_is_not_held_back_again(staff: Team) -> None:
    await replied(staff, LONG)
    await press(staff, await staff.sees("4 SMS"), "release")
    [sms] = await staff.sms()
    assert sms.state is SmsState.QUEUED
    assert sms.due_at <= staff.clock.now()
    assert staff.shown(containing="Not sent yet.") == []


async def test_a_reply_that_can_be_undone_survives_a_restart_once(tmp_path: Path) -> None:
    async with world(tmp_path, clock=ManualClock(), start=False) as around:
        held = around.settings.telegram.model_copy(update={"undo": UNDO})
        around.settings = around.settings.model_copy(update={"telegram": held})
        await around.start()
        await around.text("Hello")
        written = around.answer("Good day", await around.post("Hello"))
        [waiting] = await around.sms(SmsState.QUEUED, step=20)
        assert waiting.message_id == written
        await around.restart()
        assert around.clock.now() < waiting.due_at
        assert around.platform.book == [], "nothing leaves before its time"
        [sent] = await around.sms(SmsState.DELIVERED, step=500)
        assert (sent.id, sent.text) == (waiting.id, "Good day")
        assert [sms.text for sms in around.platform.book] == ["Good day"]
        assert around.clock.now() >= waiting.due_at
