"""What the bot says because nothing happened: each once, and its all-clear."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.model.base import DAY, HOUR, MINUTE, SECOND, Ms
from bridge.sandbox.botapi import Message
from bridge.sandbox.botapi.markup import buttons
from bridge.sandbox.faults import Fault
from tests.clock import ManualClock
from tests.flow.harness import ADMINS, SUPPORT, World, world


@asynccontextmanager
async def reminding(folder: Path, after: Ms = 15 * MINUTE) -> AsyncIterator[World]:
    async with world(folder, clock=ManualClock(), start=False) as around:
        telegram = around.settings.telegram.model_copy(update={"remind_after": after})
        around.settings = around.settings.model_copy(update={"telegram": telegram})
        await around.start()
        yield around


def reminders(around: World) -> list[Message]:
    return [message for message in around.support.from_bot if "Без ответа" in message.text]


async def test_an_sms_that_nobody_answers_is_told_of_once_in_its_topic(tmp_path: Path) -> None:
    async with reminding(tmp_path) as around:
        await around.text("вопрос")
        shown = await around.post("вопрос")
        await around.later(10 * MINUTE)
        assert reminders(around) == []
        await around.until(lambda: reminders(around), step=30 * SECOND)
        [told] = reminders(around)
        assert (told.thread_id, told.reply_to) == (shown.thread_id, shown.id)
        assert "+79083730330" in told.text
        assert "15 мин" in told.text or "16 мин" in told.text
        await around.text("ещё вопрос")
        await around.post("ещё вопрос")
        for _ in range(4):
            await around.later(10 * MINUTE)
        assert len(reminders(around)) == 1


async def test_an_answered_sms_is_not_told_of(tmp_path: Path) -> None:
    async with reminding(tmp_path) as around:
        await around.text("вопрос")
        around.answer("ответ", await around.post("вопрос"))
        await around.until(lambda: around.platform.book)
        for _ in range(4):
            await around.later(10 * MINUTE)
        assert reminders(around) == []


async def test_a_reminder_survives_a_restart_and_is_not_repeated_by_it(tmp_path: Path) -> None:
    async with reminding(tmp_path) as around:
        await around.text("вопрос")
        await around.post("вопрос")
        await around.later(10 * MINUTE)
        await around.restart()
        await around.until(lambda: reminders(around), step=30 * SECOND)
        await around.restart()
        for _ in range(3):
            await around.later(10 * MINUTE)
        assert len(reminders(around)) == 1


async def test_a_platform_that_calls_no_more_is_told_of_and_its_return_too(tmp_path: Path) -> None:
    callback = {"silent_after": "1h"}
    async with world(tmp_path, clock=ManualClock(), account={"callback": callback}) as around:
        await around.text("вопрос")
        await around.later(50 * MINUTE)
        assert around.admins.from_bot == []
        await around.until(lambda: around.admins.from_bot, step=MINUTE)
        assert "давно не присылала SMS: 1 ч" in around.admins.from_bot[0].text
        await around.later(2 * HOUR)
        await around.text("снова")
        await around.until(lambda: len(around.admins.from_bot) == 2, step=MINUTE)
        assert "снова присылает" in around.admins.from_bot[1].text


async def test_what_came_while_nothing_ran_is_told_once(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as around:
        await around.text("раньше")
        await around.post("раньше")
        await around.stop()
        clock.set(clock.now() + 2 * HOUR)
        await around.restart()
        for minute in (10, 20):
            await around.text(f"минута {minute}", date=f"2026-01-06 15:{minute}:00")
        await around.text("сейчас")
        await around.until(lambda: around.admins.from_bot, step=MINUTE)
        [told] = around.admins.from_bot
        assert "ждали SMS абонентов: 2." in told.text
        await around.later(HOUR)
        assert len(around.admins.from_bot) == 1


async def test_what_waited_in_the_chats_is_told_with_it_and_only_that(tmp_path: Path) -> None:
    """Telegram dates words, and a press stands between them; what colleagues say among themselves waits for nobody."""
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as around:
        around.platform.misbehave(Fault.STOP_LIST, times=1)
        await around.text("раньше")
        shown = await around.post("раньше")
        around.answer("не ушло", shown)
        refused = await around.post("стоп-листе")
        [again] = [data for _, data in buttons(refused.reply_markup)]
        await around.stop()
        clock.set(clock.now() + HOUR)
        around.answer("ответ", shown)
        around.telegram.edits(SUPPORT, around.answer("ответ с ошибкой", shown), "ответ без ошибки")
        around.answer("// заметка", shown)
        around.telegram.says(SUPPORT, "обед?")
        around.telegram.says(ADMINS, "/status")
        around.telegram.presses(SUPPORT, refused.id, again)
        clock.set(clock.now() + HOUR)
        await around.restart()
        await around.text("поздно", date="2026-01-06 15:30:00")
        await around.until(lambda: len(around.platform.book) == 3)
        around.answer("уже после", shown)
        await around.until(lambda: any("Пока мост" in message.text for message in around.admins.from_bot), step=MINUTE)
        [told] = [message for message in around.admins.from_bot if "Пока мост" in message.text]
        assert "SMS абонентов: 1, а в чатах ответы и команды: 3, правки: 1, нажатия кнопок: 1." in told.text
        await around.restart()
        await around.later(HOUR)
        assert len([message for message in around.admins.from_bot if "Пока мост" in message.text]) == 1


async def test_what_had_waited_is_told_after_another_stop_too(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as around:
        await around.text("раньше")
        shown = await around.post("раньше")
        await around.stop()
        around.answer("ответ", shown)
        clock.set(clock.now() + 2 * HOUR)
        await around.restart()
        await around.text("поздно", date="2026-01-06 15:10:00")
        await around.until(lambda: around.platform.book)
        await around.stop()
        around.answer("ещё ответ", shown)
        clock.set(clock.now() + HOUR)
        await around.restart()
        await around.text("ещё позже", date="2026-01-06 17:30:00")
        await around.until(lambda: around.admins.from_bot, step=MINUTE)
        [told] = around.admins.from_bot
        assert "SMS абонентов: 2, а в чатах ответы и команды: 2, правки: 0, нажатия кнопок: 0." in told.text
        await around.restart()
        await around.later(HOUR)
        assert len(around.admins.from_bot) == 1


async def test_replies_alone_that_waited_are_told_of(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock, mode="replies") as around:
        await around.text("раньше")
        shown = await around.post("раньше")
        await around.stop()
        clock.set(clock.now() + HOUR)
        around.answer("ответ", shown)
        clock.set(clock.now() + HOUR)
        await around.restart()
        await around.until(lambda: around.admins.from_bot, step=MINUTE)
        [told] = around.admins.from_bot
        assert "в чатах его ждали ответы и команды: 1, правки: 0, нажатия кнопок: 0." in told.text


async def test_an_sms_that_was_taken_and_not_yet_routed_had_waited_too(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as around:
        await around.stop_routing()
        await around.text("принято и не разобрано")
        await around.stop()
        clock.set(clock.now() + 2 * HOUR)
        await around.restart()
        await around.until(lambda: around.admins.from_bot, step=MINUTE)
        [told] = around.admins.from_bot
        assert "ждали SMS абонентов: 1." in told.text


async def test_a_start_that_missed_nothing_says_nothing(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as around:
        await around.text("раньше")
        await around.post("раньше")
        await around.stop()
        clock.set(clock.now() + 2 * HOUR)
        await around.restart()
        await around.text("сейчас")
        await around.later(20 * MINUTE)
        assert around.admins.from_bot == []


async def test_a_low_balance_says_for_how_long_it_is_enough(tmp_path: Path) -> None:
    clock = ManualClock()
    balance = {"every": "1h", "warn_below": 500}
    async with world(tmp_path, clock=clock, account={"balance": balance}) as around:
        for amount in (1900, 1600, 1300, 1000):
            around.platform.balance = amount
            await known(around, amount)
            clock.set(clock.now() + DAY)
        around.platform.balance = 499
        await around.until(lambda: around.admins.from_bot, step=MINUTE)
        [told] = around.admins.from_bot
        assert "Хватит примерно на 1 день." in told.text, told.text


async def known(around: World, amount: float) -> None:
    async def asked() -> bool:
        return (await around.bridge.store.account_state("main")).balance == amount

    await around.until(asked, step=MINUTE)
