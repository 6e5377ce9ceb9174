"""Rules that know their senders, the whole way: what was set, counted and opted out holds for the next SMS."""

from __future__ import annotations

from pathlib import Path

from bridge.model.base import DAY, HOUR, MINUTE
from bridge.sandbox.botapi.world import Message
from tests.clock import ManualClock
from tests.flow.harness import SUBSCRIBER, SUPPORT, World, world

RULES = """\
rules:
  - name: stop
    when: {keyword: [стоп, stop], only: true}
    opt_out: true
    reply: "Вы отписаны."
  - name: start
    when: {keyword: старт, only: true}
    opt_in: true
    reply: "Вы снова с нами."
  - name: city
    when: {keyword: город, args: '(?P<city>\\pL+)'}
    set: {city: "{{ city }}"}
    tag: known
    reply: "Запомнили: {{ city }}."
  - name: where
    when: {keyword: где, limit: {per_sender: 2 per hour}}
    reply: "{{ contact.city | default('Не знаем', true) }}"
  - name: lottery
    when: {keyword: приз, limit: {total: 3 per day}}
    reply: "Вы выиграли."
  - name: a-person-is-on-it
    when: {conversation: open}
    forward: support
    note: "Пишет снова"
  - name: known
    when: {contact: {tag: known}}
    reply: "Мы вас помним."
    once: 1 per day
    forward: support
  - name: everything-else
    forward: support
"""


def sent(around: World) -> list[str]:
    return [sms.text for sms in around.platform.book]


def buttons(message: Message) -> list[str]:
    rows = (message.reply_markup or {}).get("inline_keyboard") or []
    assert isinstance(rows, list)
    return [str(button["callback_data"]) for row in rows for button in row]  # type: ignore[union-attr,index,call-overload]


async def test_who_opts_out_gets_one_more_text_until_he_comes_back(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RULES, guards={"per_number": "off", "same_text": "off"}) as around:
        for text in ("СТОП!", "где", "стоп"):
            await around.text(text)
        assert await around.outcome(1) == "replied, opted out"
        assert await around.outcome(2) == "forwarded, suppressed: opted_out"
        assert await around.outcome(3) == "forwarded, opted out, suppressed: opted_out"
        await around.restart()
        await around.text("Старт")
        await around.text("где")
        await around.until(lambda: len(around.platform.book) == 3)
        assert sent(around) == ["Вы отписаны.", "Вы снова с нами.", "Не знаем"]


async def test_a_polite_word_is_decided_by_a_person_with_a_button(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RULES) as around:
        await around.text("Стоп, спасибо")
        post = await around.post("Стоп, спасибо")
        assert buttons(post) == ["opt:out", "opt:keep"]
        around.telegram.presses(SUPPORT, post.id, "opt:out")

        async def opted_out() -> bool:
            return (await around.bridge.store.contact(SUBSCRIBER)).opted_out

        await around.until(opted_out)
        await around.until(lambda: not buttons(around.support.history[post.id]))
        assert "bold" in str(around.support.history[post.id].entities), "the head stays a head"
        await around.text("где")
        assert await around.outcome(2) == "forwarded, suppressed: opted_out"
        assert sent(around) == []


async def test_leaving_it_as_it_is_changes_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RULES, mode="replies") as around:
        await around.text("Стоп, спасибо")
        post = await around.post("Стоп, спасибо")
        around.telegram.presses(SUPPORT, post.id, "opt:keep")
        await around.until(lambda: not buttons(around.support.history[post.id]))
        await around.text("где")
        await around.until(lambda: sent(around) == ["Не знаем"])


async def test_what_was_set_and_tagged_is_there_for_the_next_sms(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RULES) as around:
        await around.text("город Казань")
        await around.text("где")
        await around.text("где", sender="79161112233")
        await around.until(lambda: len(around.platform.book) == 3)
        assert sorted(sent(around)) == ["Запомнили: Казань.", "Казань", "Не знаем"]


async def test_limits_of_a_sender_and_of_all_end_with_their_time(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock, rules=RULES, guards={"same_text": "off"}) as around:
        for number in range(3):
            await around.text("где")
            await around.outcome(number + 1)
        assert await around.outcome(3) == "forwarded"
        for number in range(5):
            await around.text("приз", sender=f"7916000000{number}")
        outcomes = [await around.outcome(number) for number in range(4, 9)]
        assert sorted(outcomes) == ["forwarded"] * 2 + ["replied"] * 3
        await around.later(HOUR + MINUTE)
        await around.text("где")
        assert await around.outcome(9) == "replied"
        await around.text("приз", sender="79160000009")
        assert await around.outcome(10) == "forwarded"
        await around.later(DAY)
        await around.text("приз", sender="79160000009")
        assert await around.outcome(11) == "replied"


async def test_once_withholds_the_reply_and_forwards_all_the_same(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RULES) as around:
        for number, text in enumerate(("город Казань", "вопрос", "ещё вопрос")):
            await around.text(text)
            await around.outcome(number + 1)
        assert await around.outcome(2) == "replied, forwarded"
        assert await around.outcome(3) == "forwarded, suppressed: once"
        await around.post("ещё вопрос")
        assert sent(around) == ["Запомнили: Казань.", "Мы вас помним."]


async def test_a_conversation_is_open_once_a_person_has_answered(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RULES) as around:
        await around.text("вопрос")
        post = await around.post("вопрос")
        around.answer("Отвечаю", post)
        await around.until(lambda: sent(around) == ["Отвечаю"])
        await around.text("спасибо")
        inbound = await around.post("спасибо")
        assert "a-person-is-on-it" in inbound.text
        assert "Пишет снова" in inbound.text
