"""An SMS comes in, a rule answers it, an operator answers the rest: seen from the phone, the platform and the chat."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from bridge.model.sms import SmsState
from tests.flow.harness import world


async def test_a_keyword_is_answered_and_its_delivery_followed(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        await around.text(" «Часы»! ")
        (sms,) = await around.sms(SmsState.DELIVERED)
        (taken,) = around.platform.book
        assert (taken.recipient, taken.sender_name, taken.text) == ("79083730330", "MyShop", "Работаем с 9 до 18.")
        assert sms.platform_ids == (taken.id,)
        assert around.support.from_bot == []


@pytest.mark.parametrize("mode", ["topics", "replies"])
async def test_a_question_is_answered_from_the_chat(tmp_path: Path, mode: Literal["topics", "replies"]) -> None:
    async with world(tmp_path, mode=mode) as around:
        await around.text("Где мой заказ?")
        post = await around.post("Где мой заказ?")
        answered = around.answer("Выезжает", post)
        await around.sms(SmsState.DELIVERED)
        assert [(sms.recipient, sms.text) for sms in around.platform.book] == [("79083730330", "Выезжает")]
        await around.until(lambda: around.support.history[answered].reactions == ("👍",))


async def test_a_callback_brought_ten_times_has_one_effect(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        result = await around.text("часы")
        again = await around.platform.redeliver(result.smsid, 9)
        assert all(each.acknowledged for each in again)
        await around.sms(SmsState.DELIVERED)
        await around.restart()
        assert (await around.platform.redeliver(result.smsid))[0].acknowledged
        await around.text("часы", sender="79990000001")
        await around.sms(SmsState.DELIVERED, 2)
        assert [sms.recipient for sms in around.platform.book] == ["79083730330", "79990000001"]


async def test_a_platform_that_never_understands_us_is_told_of_once(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        result = await around.text("часы")
        await around.platform.redeliver(result.smsid, 8)
        await around.post("callback.answer", chat=around.admins.id)
        await around.text("последнее")
        await around.post("последнее")
        assert sum("callback.answer" in post.text for post in around.admins.from_bot) == 1


async def test_a_malformed_call_with_an_id_is_kept_and_put_to_the_team(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        result = await around.platform.send_raw_callback(
            around.bridge.callback_url, b"smsid=77&text=%D0%BA%D1%82%D0%BE"
        )
        assert result.acknowledged
        post = await around.post("77", chat=around.admins.id)
        assert "кто" in post.text
        assert around.platform.book == []


async def test_the_bridge_answers_without_telegram_and_shows_the_rest_later(tmp_path: Path) -> None:
    async with world(tmp_path, telegram=False) as around:
        await around.text("часы")
        await around.text("Есть кто живой?")
        await around.sms(SmsState.DELIVERED)
        await around.stop()
        around.configure(telegram=True)
        await around.start()
        await around.post("Есть кто живой?")


async def test_status_tells_when_telegram_was_last_heard(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        await around.text("вопрос")
        await around.post("вопрос")
        assert (await around.bridge.live())["telegram"].startswith("ok, last heard ")


async def test_a_bridge_starts_and_answers_while_telegram_is_down(tmp_path: Path) -> None:
    async with world(tmp_path, start=False) as around:
        around.telegram.down()
        await around.start()
        await around.text("часы")
        await around.text("вопрос")
        await around.sms(SmsState.DELIVERED)
        around.telegram.up()
        await around.post("вопрос")


async def test_a_template_that_fails_sends_nothing_and_shows_the_message(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        await around.text("цена")
        await around.post("цена")
        assert await around.bridge.store.list_sms(list(SmsState), limit=9) == []
        await around.post("price", chat=around.admins.id)


async def test_drop_is_stored_and_shown_to_nobody(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        await around.text("спам спам")
        assert await around.outcome(1) == "dropped"
        await around.text("вопрос")
        await around.post("вопрос")
        assert all("спам" not in post.text for post in around.support.from_bot)


async def test_replies_of_one_person_keep_their_order(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        await around.text("Вопрос")
        post = await around.post("Вопрос")
        for number in range(12):
            around.answer(f"часть {number}", post)
        await around.until(lambda: len(around.platform.book) == 12)
        assert [sms.text for sms in around.platform.book] == [f"часть {number}" for number in range(12)]
