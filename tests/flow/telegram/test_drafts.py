"""Drafts are visible, operators are reminded of them once, and after a day they are not sent any more."""

from __future__ import annotations

from pathlib import Path

from bridge.model.base import HOUR, MINUTE, SECOND
from bridge.model.sms import Change, Move, SmsState
from bridge.sandbox.botapi import Message
from tests.clock import ManualClock
from tests.flow.harness import SUPPORT, World, world
from tests.flow.telegram.team import GROUP, Team
from tests.flow.telegram.test_asked_first import LONG, press
from tests.flow.telegram.test_status import buttons, replied

DAY = 24 * HOUR


async def drafted(around: World) -> int:
    """A reply that is too long to leave unasked, and its question in the chat."""
    await around.text("вопрос")
    written = around.answer(LONG, await around.post("вопрос"))
    await around.sms(SmsState.DRAFT)
    await around.post("4 SMS")
    return written


def reminders(around: World) -> list[Message]:
    return [message for message in around.support.from_bot if "ждёт вашего решения" in message.text]


async def test_a_draft_is_reminded_of_once_under_its_message(tmp_path: Path) -> None:
    async with world(tmp_path, clock=ManualClock()) as around:
        written = await drafted(around)
        await around.later(50 * MINUTE)
        assert reminders(around) == []
        await around.until(lambda: reminders(around), step=30 * SECOND)
        [told] = reminders(around)
        assert told.reply_to == written
        assert "+79083730330" in told.text
        await around.restart()
        for _ in range(4):
            await around.later(10 * MINUTE)
        assert len(reminders(around)) == 1


async def test_after_a_day_a_draft_is_not_sent_any_more_and_says_so(tmp_path: Path) -> None:
    async with world(tmp_path, clock=ManualClock()) as around:
        await drafted(around)
        asked = await around.post("4 SMS")
        await around.later(23 * HOUR + 50 * MINUTE)
        assert buttons(asked)
        release = buttons(asked)[0]
        await around.sms(SmsState.STALE, step=30 * SECOND)
        await around.until(lambda: "за 24 часа никто не решил" in asked.text)
        assert buttons(asked) == []
        query = around.telegram.presses(SUPPORT, asked.id, release, stale=True)
        await around.until(lambda: around.telegram.presses_by_id[query].answered)
        assert "тексту больше 24 часов" in around.telegram.presses_by_id[query].answer
        await around.later(MINUTE)
        assert around.platform.book == []


async def test_a_press_after_a_day_without_a_bridge_sends_nothing(group: Team) -> None:
    await replied(group, LONG)
    asked = await group.sees("4 SMS")
    await group.settled()
    group.clock.set(group.clock.now() + DAY)
    assert "older than 24 hours" in await press(group, asked, "release")
    [sms] = await group.sms()
    assert sms.state is SmsState.DRAFT


async def test_an_edit_is_another_question_that_waits_anew(group: Team) -> None:
    written = await replied(group, LONG)
    asked = await group.sees("4 SMS")
    group.clock.set(group.clock.now() + 23 * HOUR)
    group.api.edits(GROUP, written, LONG * 2)
    await group.sees("8 SMS")
    group.clock.set(group.clock.now() + 2 * HOUR)
    now = group.clock.now()
    assert await group.store.expire_drafts(before=now - DAY, now=now, limit=9) == 0
    assert await press(group, asked, "release") == "Sending"


async def test_a_correction_that_is_not_confirmed_ends_without_a_reminder(
    group: Team,
) -> None:
    written = await replied(group)
    await group.platform(Move.ACCEPTED, Change(platform_ids=("1179",)))
    await group.reacts(written, "🕊")
    group.api.edits(GROUP, written, "Good evening")
    asked = await group.sees("Already sent.")
    await group.settled()
    now = group.clock.now() + DAY
    group.clock.set(now)
    assert await group.store.remind_of_drafts(until=now, now=now, limit=9) == 0
    assert await group.store.expire_drafts(before=now, now=now, limit=9) == 1
    group.signals.posts.set()
    await group.settled()
    assert "The correction was not sent" in asked.text
    [first, _] = await group.sms()
    assert await group.store.move(first.id, Move.DELIVERED, now)
    group.signals.posts.set()
    await group.reacts(written, "👍")


async def test_a_reminder_is_not_posted_after_the_decision(group: Team) -> None:
    await replied(group, LONG)
    asked = await group.sees("4 SMS")
    await group.settled()
    now = group.clock.now() + HOUR
    group.clock.set(now)
    group.api.flood(GROUP, 30)
    assert await group.store.remind_of_drafts(until=now, now=now, limit=9) == 1
    assert await group.store.remind_of_drafts(until=now, now=now, limit=9) == 0
    group.signals.posts.set()
    await press(group, asked, "stop")
    await group.passes(MINUTE)
    await group.settled()
    assert group.shown(containing="waited for your word") == []


async def test_status_tells_how_long_the_oldest_draft_waits(group: Team) -> None:
    await replied(group, LONG)
    await group.sees("4 SMS")
    group.clock.set(group.clock.now() + 2 * HOUR)
    group.api.says(GROUP, "/status")
    told = await group.sees("Waits for your word: 1")
    assert "Waits for your word: 1, the oldest for 2 h" in told.text
