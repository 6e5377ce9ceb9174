"""A reply that is held back for a moment: it can be stopped, it leaves once, and a restart changes nothing of that."""

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
from tests.flow.telegram.test_fate import buttons, replied

UNDO = 5 * SECOND


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Team]:
    async with team(tmp_path, forum=False) as made:
        made.stride = SECOND // 10
        held = made.settings.telegram.model_copy(update={"undo": UNDO})
        made.settings = made.settings.model_copy(update={"telegram": held})
        await made.restart()
        yield made


async def test_a_reply_is_held_back_and_can_be_stopped(desk: Team) -> None:
    written = await replied(desk)
    [sms] = await desk.sms()
    assert (sms.state, sms.due_at - sms.created_at) == (SmsState.QUEUED, UNDO)
    told = await desk.sees("Not sent yet.")
    assert told.reply_to == written
    assert await desk.store.claim_due("main", now=sms.created_at + UNDO - 1, limit=5) == []
    assert await press(desk, told, "stop") == "Not sent"
    [sms] = await desk.sms()
    assert sms.state is SmsState.CANCELLED
    assert await desk.store.claim_due("main", now=sms.created_at + 2 * UNDO, limit=5) == []
    assert "not sent" in told.text
    assert buttons(told) == []


async def test_the_button_disappears_when_it_leaves(desk: Team) -> None:
    written = await replied(desk)
    told = await desk.sees("Not sent yet.")
    [stop] = buttons(told)
    await desk.passes(UNDO)
    await desk.platform(Move.ACCEPTED, Change(platform_ids=("1179",)))
    await desk.reacts(written, "🕊")
    await desk.settled()
    assert told.deleted
    query = desk.api.presses(GROUP, told.id, stop, stale=True)
    await desk.answered(query)
    assert desk.api.presses_by_id[query].answer == "It is leaving or has left"
    [sms] = await desk.sms()
    assert sms.state is SmsState.SENT


async def test_the_button_goes_ahead_of_new_sms_that_wait(desk: Team) -> None:
    await desk.texted("Hello")
    post = await desk.sees("Hello")
    await desk.settled()
    desk.api.flood(GROUP, 2)
    for number in range(12):
        await desk.texted(f"question {number}", subscriber=f"790011122{number:02}")
    desk.api.says(GROUP, "Good day", reply_to=post.id)
    await desk.until(desk.has_sms)
    told = await desk.sees("Not sent yet.")
    await desk.settled()
    waited = desk.shown(containing="question")
    assert len(waited) == 12
    assert told.id < min(message.id for message in waited)


async def test_a_button_that_would_come_too_late_does_not_come_and_the_reply_leaves_in_time(desk: Team) -> None:
    await desk.texted("Hello")
    post = await desk.sees("Hello")
    await desk.settled()
    desk.api.flood(GROUP, 60)
    # So that the bot learns of it.
    await desk.texted("And?")
    written = desk.api.says(GROUP, "Good day", reply_to=post.id)
    await desk.until(desk.has_sms)
    [sms] = await desk.sms()
    assert sms.due_at - sms.created_at == UNDO
    await desk.passes(90 * SECOND)
    await desk.reacts(written, "👀")
    await desk.settled()
    assert desk.shown(containing="Not sent yet.") == []
    assert [each.id for each in await desk.store.claim_due("main", now=sms.created_at + UNDO, limit=5)] == [sms.id]


async def test_an_edit_gives_the_moment_anew(desk: Team) -> None:
    written = await replied(desk)
    await desk.sees("Not sent yet.")
    await desk.passes(3 * SECOND)
    desk.api.edits(GROUP, written, "Good evening")
    await desk.settled()
    [sms] = await desk.sms()
    assert (sms.state, sms.text) == (SmsState.QUEUED, "Good evening")
    assert sms.due_at - sms.created_at > UNDO


async def test_what_a_person_released_is_not_held_back_again(desk: Team) -> None:
    await replied(desk, LONG)
    await press(desk, await desk.sees("4 SMS"), "release")
    [sms] = await desk.sms()
    assert sms.state is SmsState.QUEUED
    assert sms.due_at <= desk.clock.now()
    assert desk.shown(containing="Not sent yet.") == []


async def test_a_restart_in_the_held_moment_neither_loses_nor_doubles_it(tmp_path: Path) -> None:
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
