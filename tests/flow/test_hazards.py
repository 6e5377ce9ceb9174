"""Traps that only the whole path shows: what the log holds of it, and two robots that answer each other."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.config import LoggingSettings
from bridge.model.sms import SmsState
from bridge.sandbox.faults import Fault
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from bridge.telemetry import output
from tests.flow.harness import ADMINS, SUBSCRIBER, World, world

CALLBACK_SECRET = "k3y-of-the-callback"
PASSWORD = "pa55-word-of-the-account"


# ------------------------------------------------ the log


async def test_no_line_of_a_whole_day_at_debug_level_shows_a_secret_a_text_or_a_number(tmp_path: Path) -> None:
    """Answers, replies, refusals, unknown outcomes, bad calls and outages: everything that may tempt a log line."""
    async with world(tmp_path, start=False) as around:
        await around.platform.stop()
        around.platform = SimulatedPlatform(
            clock=around.clock, account=SimulatedAccount(password=PASSWORD, sender_names=None)
        )
        await around.platform.start()
        around.configure(account={"callback": {"secret": CALLBACK_SECRET}, "password": PASSWORD})
        with everything_logged(around) as log:
            await around.start()
            written = await a_day(around)
            await around.restart()
            await around.until(lambda: around.bridge.telegram is not None and around.bridge.telegram.health().connected)
            await around.stop()
        lines = log.getvalue()
        assert '"event": "reply_written"' in lines, "the log itself is there"
        token = around.telegram.token
        hidden = [token, token.partition(":")[2], PASSWORD, CALLBACK_SECRET, SUBSCRIBER, f"+{SUBSCRIBER}", *written]
        shown = {secret: line for secret in hidden for line in lines.splitlines() if secret in line}
        assert shown == {}


async def a_day(around: World) -> list[str]:
    """Returns every text that was written."""
    url = f"{around.bridge.callback_url}?key={CALLBACK_SECRET}"
    texts = ["часы особая фраза", "цена", "спам особый", "Где мой заказ номер семь?"]
    for text in texts:
        assert (await around.platform.send_callback(url, text=text, sender=SUBSCRIBER)).acknowledged
    await around.sms(SmsState.DELIVERED)
    post = await around.post("номер семь")
    answers = ["Выезжает курьер Пётр", "Второй ответ: бочка", "Третий ответ: чаша", "// между нами, грубиян"]
    around.answer(answers[0], post)
    await around.sms(SmsState.DELIVERED, 2)
    around.platform.misbehave(Fault.STOP_LIST)
    around.answer(answers[1], post)
    await around.sms(SmsState.FAILED)
    around.platform.misbehave(Fault.CUT_AFTER_READING)
    around.answer(answers[2], post)
    await around.sms(SmsState.UNCERTAIN)
    around.answer(answers[3], post)
    around.telegram.raw_update({"message": {"text": "нечитаемое обновление", "message_id": 1}})
    await around.platform.send_raw_callback(url, f"key={CALLBACK_SECRET}&smsid=77&text=plainwords".encode())
    await around.platform.send_raw_callback(
        around.bridge.callback_url, b"key=wrong-one&smsid=78&text=plainwords&num=" + SUBSCRIBER.encode()
    )
    await around.post("77", chat=ADMINS)
    around.telegram.down()
    await around.until(lambda: around.bridge.telegram is not None and not around.bridge.telegram.health().connected)
    around.telegram.up()
    await around.until(lambda: around.bridge.telegram is not None and around.bridge.telegram.health().connected)
    return [*texts[0::2], texts[3], *answers, "нечитаемое обновление", "plainwords", "Работаем с 9 до 18"]


@contextmanager
def everything_logged(around: World) -> Iterator[io.StringIO]:
    """The service's own log at its most talkative, libraries included."""
    stream = io.StringIO()
    settings = LoggingSettings.model_validate({"format": "json", "level": "debug"})
    output.configure(settings, around.settings.secrets(), stream=stream)
    yield stream


# ------------------------------------------------ money


ECHO = """\
rules:
  - name: echo
    reply: "Вы написали: {{ text }}"
"""
THANKS = """\
rules:
  - name: thanks
    reply: "Спасибо, мы ответим."
"""


async def test_two_robots_that_answer_each_other_stop_at_the_limits(tmp_path: Path) -> None:
    """The other side answers every SMS with another one at once, as a robot does; nobody is there to stop either."""
    for number, (rules, most) in enumerate(((THANKS, 3), (ECHO, 5))):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with world(folder, rules=rules) as around:
            await around.text("Здравствуйте")
            for turn in range(12):
                await answered(around, min(turn + 1, most))
                await around.text(f"Автоответ {turn}")
            assert "suppressed" in await around.outcome(13)
            assert len(around.platform.book) == most
            assert sum("+79083730330" in post.text for post in around.admins.from_bot) <= 1


async def answered(around: World, times: int) -> None:
    await around.until(lambda: len(around.platform.book) >= times)


async def test_a_day_never_costs_more_than_its_limit_however_many_write_at_once(tmp_path: Path) -> None:
    guards = {"daily_parts": 10}
    account = {"connections": 16}
    async with world(tmp_path, rules=THANKS, guards=guards, account=account, mode="replies") as around:
        await asyncio.gather(*(around.text("привет", sender=f"7900111{number:04}") for number in range(24)))
        for number in range(24):
            await around.outcome(number + 1)
        await around.sms(SmsState.DELIVERED, 10)
        assert len(around.platform.book) == 10
        await around.restart()
        await around.text("привет", sender="79002223344")
        await around.post("+79002223344")
        assert len(around.platform.book) == 10
        assert sum("limit" in post.text or "лимит" in post.text.lower() for post in around.admins.from_bot) <= 1
