"""A store put back from a copy, with the whole bridge around it: people are asked, the robot does nothing by itself.

The bridge that the copy was taken from goes on in between and does all that waits in it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import bridge.store.repositories.inbox
from bridge.model.base import InboundId
from bridge.model.sms import SmsState
from bridge.sandbox.botapi.world import Message
from bridge.store import open_store
from bridge.store.sqlite.backup import restore_copy, take
from bridge.store.sqlite.store import SqliteStore
from tests.contract.builders import accept, call
from tests.flow.harness import SUPPORT, World, world

QUEUED = ("79990000001", "79990000002")
NEW, NEW_QUESTION = "79990000003", "79990000004"
ASKER = "79990000005"
SLOW = {"rate": "1 per 10m", "max_age": "off", "on_unknown": "ask"}
FAST = {"rate": "off", "max_age": "off", "on_unknown": "ask"}
OFF = {"takeover": "off", "per_number": "off", "same_text": "off", "daily_parts": "off"}


@asynccontextmanager
async def before_and_after(
    folder: Path, last: Callable[[World], Awaitable[None]] | None = None
) -> AsyncIterator[World]:
    """Stopped, its store put back from a copy that was taken while SMS waited; all of them have gone since.

    :param last: what else happens after the copy was taken.
    """
    copy, database = folder / "copy.db", folder / "data" / "bridge.db"
    async with world(folder, account=SLOW, guards=OFF) as around:
        await around.text("часы", sender=ASKER)  # takes the only place
        await around.sms(SmsState.SENT)
        for number in QUEUED:
            await around.text("часы", sender=number)
        await around.text("Где мой заказ?", sender=ASKER)
        around.answer("Выезжает", await around.post("Где мой заказ?"))
        await around.sms(SmsState.QUEUED, 3)
        await around.stop()
        store = await open_store(database, clock=around.clock)
        now = around.clock.now()
        for smsid, text, sender in (("8", "часы", NEW), ("9", "А когда?", NEW_QUESTION)):
            await accept(store, call(smsid, text=text, subscriber=sender, at=now))
        take(database, copy, now=around.clock.now, overwrite=False, progress=lambda done, pages: None)
        await store.close()

        around.configure(account=FAST, guards=OFF)
        await around.start()
        await around.until(lambda: len(around.platform.book) == 5)
        await around.post("А когда?")
        if last is not None:
            await last(around)
        await around.stop()
        around.telegram.unauthorised(False)
        restore_copy(copy, database, now=around.clock.now, progress=lambda done, pages: None)
        yield around


def about(around: World, text: str) -> list[Message]:
    return [post for chat in around.telegram.chats.values() for post in chat.from_bot if text in post.text]


async def at_rest(around: World) -> None:
    async def quiet() -> bool:
        status = await around.bridge.store.queue_status()
        moving = sum(status.sms_by_state.get(state, 0) for state in ("queued", "sending"))
        return not (moving or status.inbound_new or status.posts_waiting or status.updates_pending)

    await around.until(quiet)


async def test_nothing_of_the_copy_is_sent_or_answered_and_people_are_told_once(tmp_path: Path) -> None:
    async with before_and_after(tmp_path) as around:
        await around.start()
        await at_rest(around)
        assert len(around.platform.book) == 5, "all of it was sent before"
        rows = await around.sms(SmsState.UNCERTAIN, 3)
        assert {(sms.recipient, sms.reason) for sms in rows} == {(number, "restored") for number in (*QUEUED, ASKER)}
        [told] = about(around, "База восстановлена")
        assert told in around.admins.from_bot
        assert "могли уйти позже: 3." in told.text
        assert "не были обработаны: 2." in told.text
        assert about(around, "Неизвестно, ушла ли SMS через") == [], "one word, and no question for each"
        # What was not routed is shown to people, also where a rule would have answered it.
        assert await around.outcome(5) == "forwarded, suppressed: restored"
        assert await around.outcome(6) == "forwarded"
        assert len(about(around, "А когда?")) == 2
        assert "мог" in about(around, f"+{NEW}")[-1].text

        # Life goes on, and a further start asks nothing anew.
        await around.text("часы", sender="79990000006")
        await around.until(lambda: len(around.platform.book) == 6)
        await around.restart()
        await at_rest(around)
        assert len(about(around, "База восстановлена")) == 1
        assert len(around.platform.book) == 6


async def test_an_operator_sees_at_the_own_reply_that_nobody_knows(tmp_path: Path) -> None:
    async with before_and_after(tmp_path) as around:
        await around.start()
        await around.until(lambda: about(around, "Неизвестно, ушла ли SMS:"))
        [post] = about(around, "Неизвестно, ушла ли SMS:")
        assert "резервной копии" in post.text
        [sms] = [sms for sms in await around.sms(SmsState.UNCERTAIN, 3) if sms.recipient == ASKER]
        # These buttons are younger than the restore: they are obeyed.
        around.telegram.presses(SUPPORT, post.id, f"again:{sms.id}")
        await around.until(lambda: len(around.platform.book) == 6)
        assert around.platform.book[-1].text == "Выезжает"


async def obey_unconfirmed(around: World) -> None:
    """An operator's reply is sent, and Telegram never learns that the bridge got it: it will bring it again."""
    updates = around.telegram.updates
    await around.until(lambda: updates.polled and not updates.unconfirmed)
    around.telegram.unauthorised()
    around.answer("Выезжает снова", await around.post("Где мой заказ?"))
    await around.until(lambda: len(around.platform.book) == 6)


async def test_a_reply_of_the_very_second_of_the_restore_is_not_sent_a_second_time(tmp_path: Path) -> None:
    """Time stands still from the reply to the restore; Telegram's times would not tell them apart anyway."""
    async with before_and_after(tmp_path, obey_unconfirmed) as around:
        now = around.clock.now()
        await around.start()
        assert around.clock.now() == now
        await around.until(lambda: about(around, "Сейчас не отправлено"))
        await at_rest(around)
        assert len(around.platform.book) == 6


async def test_without_the_mark_everything_goes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: what the rule is good for."""

    async def as_it_is(*_: object) -> None:
        return

    monkeypatch.setattr(SqliteStore, "settle_restored", as_it_is)
    async with before_and_after(tmp_path) as around:
        await around.start()
        await around.until(lambda: len(around.platform.book) == 9)
        assert {sms.recipient for sms in around.platform.book[5:]} == {*QUEUED, ASKER, NEW}


async def test_without_the_guard_what_was_not_routed_is_answered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge.store.repositories.inbox, "last_in_copy", lambda tx: InboundId(0))
    async with before_and_after(tmp_path) as around:
        await around.start()
        await around.until(lambda: len(around.platform.book) == 6)
        assert around.platform.book[-1].recipient == NEW
