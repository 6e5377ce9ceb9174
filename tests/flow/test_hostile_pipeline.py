"""A bridge that was killed between two writes, or started with another configuration, still tells what it must."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.app.sending import open_sending
from bridge.cli.send import deliver
from bridge.model.base import ADMIN_CHAT
from bridge.model.sms import NewSms, Origin, Priority, SmsState
from bridge.pipeline.commands import CommandRefused, Commands
from bridge.ports.store import Store
from bridge.sandbox.botapi.markup import buttons
from bridge.sandbox.faults import Fault
from bridge.store import open_store
from tests.flow.harness import SUPPORT, World, world

OTHER = "79990000009"


def order(key: str, *, account: str = "main", recipient: str = OTHER) -> NewSms:
    return NewSms(
        key=key,
        account=account,
        recipient=recipient,
        sender_name="MyShop",
        text="раз",
        parts=1,
        origin=Origin.COMMAND,
        priority=Priority.PERSON,
    )


async def prepared(around: World) -> Store:
    """The store that a run which is over has left behind."""
    path = around.settings.storage.sqlite_path
    path.parent.mkdir(parents=True, exist_ok=True)
    return await open_store(path, clock=around.clock)


async def test_a_suspension_whose_alert_a_crash_prevented_is_told_at_the_next_start(tmp_path: Path) -> None:
    async with world(tmp_path, start=False) as around:
        store = await prepared(around)
        await store.suspend_account("main", reason="blocked", detail="", now=around.clock.now(), probe_at=2**50)
        await store.close()
        await around.start()
        await around.post("main", chat=around.admins.id)
        await around.restart()
        await around.text("вопрос")
        await around.post("вопрос")
        assert len(around.admins.from_bot) == 1


async def test_an_unknown_outcome_of_an_account_that_was_removed_is_still_put_to_a_person(tmp_path: Path) -> None:
    async with world(tmp_path, start=False) as around:
        store = await prepared(around)
        await store.enqueue(order("k", account="former"))
        await store.claim_due("former", now=around.clock.now(), limit=1)
        await store.close()
        await around.start()
        await around.post("former", chat=around.admins.id)


async def test_every_unknown_outcome_is_put_to_a_person_however_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.app.sending.PAGE", 2)
    async with world(tmp_path, start=False) as around:
        store = await prepared(around)
        rows = [await store.enqueue(order(f"k{number}", recipient=f"7999000000{number}")) for number in range(5)]
        await store.claim_due("main", now=around.clock.now(), limit=9)
        await store.close()
        async with open_sending(around.settings, around.clock) as parts:
            posts = await parts.services.store.claim_posts([ADMIN_CHAT], now=around.clock.now(), limit=99)
        assert {post.sms.id for post in posts if post.sms is not None} == {row.id for row in rows}


async def test_what_waits_for_an_account_that_was_removed_fails_however_much_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.app.sending.PAGE", 2)
    async with world(tmp_path, start=False) as around:
        store = await prepared(around)
        for number in range(5):
            await store.enqueue(order(f"k{number}", account="former"))
        await store.close()
        async with open_sending(around.settings, around.clock) as parts:
            failed = await parts.services.store.list_sms([SmsState.FAILED], limit=9)
            assert await parts.services.store.list_sms([SmsState.QUEUED], limit=9) == []
        assert len(failed) == 5


async def test_what_cannot_be_sent_any_more_is_not_queued_again(tmp_path: Path) -> None:
    async with world(tmp_path, start=False) as around:
        store = await prepared(around)
        row = await store.enqueue(order("k", account="former"))
        await store.claim_due("former", now=around.clock.now(), limit=1)
        await store.close()
        await around.start()
        parts = around.bridge.sending
        commanding = Commands(settings=around.settings, services=parts.services)
        with pytest.raises(CommandRefused, match="former"):
            await commanding.retry(row.id, author="cli")
        assert await parts.services.store.list_sms([SmsState.QUEUED], limit=9) == []


async def test_a_command_that_leaves_does_not_call_others_in_flight_unknown(tmp_path: Path) -> None:
    async with world(tmp_path, start=False) as around:
        store = await prepared(around)
        await store.enqueue(order("first", recipient="79990000001"))
        await store.enqueue(order("slow", recipient="79990000003"))
        await store.close()
        around.platform.misbehave(Fault.SLOW, recipient="79990000003", delay=6_000)
        answer = await deliver(around.settings, "+79990000002", "раз", "", "")
        assert answer["state"] == SmsState.SENT
        store = await prepared(around)
        assert await store.list_sms([SmsState.UNCERTAIN, SmsState.SENDING], limit=9) == []
        await store.close()
        assert len(around.platform.book) == 3


READABLE = (
    "<b>1 & 2</b> &amp; _*[x](tg://user?id=1)`_ ~|#{}",
    "🙂👨‍👩‍👧🇷🇺 ё",
    "می‌خواهم",
    "один\n\nдва",
)


@pytest.mark.parametrize("text", READABLE)
async def test_a_text_arrives_whole_and_readable_in_both_directions(tmp_path: Path, text: str) -> None:
    async with world(tmp_path) as around:
        await around.text(text)
        post = await around.post(text)
        around.answer(text, post)
        await around.until(lambda: around.platform.book)
        assert [sms.text for sms in around.platform.book] == [text]


async def test_direction_marks_are_not_shown_to_the_team_and_kept_for_the_subscriber(tmp_path: Path) -> None:
    """In a chat they could rewrite how the lines around them look; what an operator writes is the operator's."""
    async with world(tmp_path) as around:
        await around.text("abc \u202edef\u202c \u200fghi")
        around.answer("цена \u200e100\u200e рублей", await around.post("abc def ghi"))
        await around.until(lambda: around.platform.book)
        assert around.platform.book[0].text == "цена \u200e100\u200e рублей"


async def test_texts_longer_than_a_chat_message_arrive_whole_in_both_directions(tmp_path: Path) -> None:
    """Surrogate pairs at every possible cut: 4,096 UTF-16 units are 2,048 of these."""
    async with world(tmp_path) as around:
        long = "🙂" * 2100
        await around.text("<1>" + long)
        await around.until(lambda: sum(message.text.count("🙂") for message in around.support.from_bot) == 2100)
        first = await around.post("<1>")
        question = around.answer("🙂" * 2048, first)
        asked = await around.post("Сократить можно")
        assert asked.reply_to == question
        [release, _] = [data for _, data in buttons(asked.reply_markup)]
        around.telegram.presses(SUPPORT, asked.id, release)
        await around.until(lambda: around.platform.book)
        assert around.platform.book[0].text == "🙂" * 2048
