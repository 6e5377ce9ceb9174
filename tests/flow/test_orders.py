"""Commands in the chat of a whole running bridge: what they change holds for the next SMS and the next message."""

from __future__ import annotations

from pathlib import Path

from bridge.app.rulebook import canned_of
from bridge.cli.check import examine
from tests.clock import ManualClock
from tests.flow.harness import ADMINS, RULES, SUPPORT, World, world

CHIEF = 1003


async def admitted(around: World) -> None:
    """One person of ``telegram.admins``, and a canned reply."""
    around.telegram.add_user(CHIEF, "Olga")
    telegram = around.settings.telegram.model_copy(update={"admins": (CHIEF,)})
    around.settings = around.settings.model_copy(update={"telegram": telegram, "replies": {"hi": "Добрый день"}})
    await around.start()


async def test_a_robot_that_was_switched_off_answers_no_more_until_it_is_switched_on(tmp_path: Path) -> None:
    async with world(tmp_path, clock=ManualClock()) as around:
        await around.text("Где заказ?")
        post = await around.post("Где заказ?")
        around.answer("/robot off", post)
        await around.post("Автоматические ответы этому номеру выключены")
        await around.text("часы")
        assert await around.outcome(2) == "forwarded, suppressed: robot_off"
        shown = await around.post("автоматические ответы этому номеру выключены")
        assert "часы" in shown.text
        around.answer("/robot on", post)
        await around.post("ответы этому номеру включены")
        await around.text("часы!")
        assert await around.outcome(3) == "replied"


async def test_an_sms_written_first_leaves_and_its_answer_comes_to_the_same_topic(tmp_path: Path) -> None:
    async with world(tmp_path, clock=ManualClock()) as around:
        around.telegram.says(SUPPORT, "/sms +79001112233 Заказ готов")
        post = await around.post("Заказ готов")
        await around.until(lambda: [sent.text for sent in around.platform.book] == ["Заказ готов"])
        await around.text("Спасибо", sender="79001112233")
        answer = await around.post("Спасибо")
        assert answer.thread_id == post.thread_id
        assert len(around.support.topics) == 1


async def test_rules_are_loaded_anew_by_a_command(tmp_path: Path) -> None:
    async with world(tmp_path, clock=ManualClock(), start=False) as around:
        await admitted(around)
        rules = tmp_path / "rules" / "rules.yaml"
        rules.write_text(RULES.replace("9 до 18", "10 до 19"), encoding="utf-8")
        around.telegram.says(ADMINS, "/reload", user_id=CHIEF)
        await around.post("Правила загружены", ADMINS)
        await around.text("часы")
        await around.until(lambda: [sent.text for sent in around.platform.book] == ["Работаем с 10 до 19."])
        rules.write_text("rules: [", encoding="utf-8")
        around.telegram.says(ADMINS, "/reload", user_id=CHIEF)
        refused = await around.post("действуют прежние", ADMINS)
        assert "rules.yaml:2" in refused.text


async def test_a_canned_reply_of_the_configuration_leaves(tmp_path: Path) -> None:
    async with world(tmp_path, clock=ManualClock(), start=False) as around:
        await admitted(around)
        await around.text("Где заказ?")
        around.answer("/t hi", await around.post("Где заказ?"))
        await around.until(lambda: [sent.text for sent in around.platform.book] == ["Добрый день"])


def test_a_canned_reply_that_cannot_be_used_is_a_mistake_with_its_line(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.yaml").write_text(RULES, encoding="utf-8")
    config.write_text(
        "accounts: {main: {login: a, password: b, sender: MyShop}}\n"
        "telegram: {chats: {support: {id: -1001}}, default_chat: support}\n"
        "replies:\n"
        "  good: Добрый день\n"
        '  bad: "{{ nobody }}"\n',
        encoding="utf-8",
    )
    mistakes, _, _ = examine(str(config))
    [mistake] = mistakes
    assert (mistake.line, mistake.path) == (5, "replies.bad")
    assert "nobody" in mistake.message


def test_without_canned_replies_there_are_none(tmp_path: Path) -> None:
    around = World(tmp_path, ManualClock(), "topics")
    around.configure()
    assert canned_of(around.settings) == {}
