"""Messages and presses from before the store was restored from a copy have no effect: they may have had it already.

Telegram brings once more what the lost bridge never confirmed; old buttons stay on people's screens, and their numbers
may mean other SMS by now.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from bridge.model.base import SECOND
from bridge.model.chat import StoredUpdate
from bridge.model.sms import Move, SmsState
from bridge.pipeline import escalations
from bridge.sandbox.botapi import Message
from bridge.telegram.client.api import Api
from tests.flow.telegram.team import ADMINS, GROUP, SUBSCRIBER, Team, team

BEFORE = "Not sent now: it was written before the store was restored"


def restore_copy(path: Path) -> None:
    """The store becomes a copy of itself: nothing more of a restore can be seen from here."""
    with closing(sqlite3.connect(path / "bridge.db")) as db, db:
        db.execute("INSERT INTO restoration (taken_at) VALUES (1)")


async def start_on_a_copy(staff: Team, path: Path) -> None:
    """Late in a second: Telegram dates what comes in its rest as if it had come before."""
    await staff.passes(2 * SECOND)
    await staff.stop()
    staff.clock.set(staff.clock.now() // SECOND * SECOND + 900)
    restore_copy(path)
    assert await staff.store.settle_restored(staff.clock.now(), escalations.about_restored) is not None
    staff.start()
    await staff.passes(SECOND)


@pytest.fixture
async def staff(tmp_path: Path) -> AsyncIterator[Team]:
    async with team(tmp_path, forum=False) as made:
        yield made


async def question(staff: Team) -> Message:
    return await staff.received()


async def test_a_message_from_before_is_not_sent_and_its_author_is_told(staff: Team, tmp_path: Path) -> None:
    post = await question(staff)
    await staff.stop()
    written = staff.api.says(GROUP, "On its way", reply_to=post.id)
    await start_on_a_copy(staff, tmp_path)
    told = await staff.sees(BEFORE)
    assert told.reply_to == written
    await staff.settled()
    assert await staff.sms() == []
    staff.api.says(GROUP, "On its way, truly", reply_to=post.id)
    await staff.has_now(1)
    assert [sms.text for sms in await staff.sms()] == ["On its way, truly"]


async def test_a_command_from_before_is_not_carried_out_and_its_author_is_told(staff: Team, tmp_path: Path) -> None:
    post = await question(staff)
    await staff.stop()
    for command in ("/tag vip", "/sms +79001112233 On its way"):
        staff.api.says(GROUP, command, reply_to=post.id)
    await start_on_a_copy(staff, tmp_path)
    await staff.sees("the command was written before the database was restored", count=2)
    await staff.settled()
    assert await staff.sms() == []
    assert (await staff.store.contact(SUBSCRIBER)).tags == ()


async def test_an_update_that_waited_in_the_copy_has_no_effect(staff: Team, tmp_path: Path) -> None:
    post = await question(staff)
    await staff.stop()
    staff.api.says(GROUP, "On its way", reply_to=post.id)
    api = Api(staff.settings.telegram.token, staff.api.url)
    await api.start()
    rows = [
        StoredUpdate(update_id=update["update_id"], raw=json.dumps(update), received_at=staff.clock.now())
        for update in await api.updates(None, 0)
    ]
    await api.close()
    await staff.store.store_updates(api.bot_id, rows)
    await start_on_a_copy(staff, tmp_path)
    await staff.sees(BEFORE)
    assert await staff.sms() == []
    [counted] = staff.shown(ADMINS, "restored from a back-up of")
    assert "were not handled then: 1." in counted.text


async def test_an_edit_from_before_offers_nothing_and_its_author_is_told(staff: Team, tmp_path: Path) -> None:
    post = await question(staff)
    written = staff.api.says(GROUP, "On its way", reply_to=post.id)
    note = staff.api.says(GROUP, "// he is angry", reply_to=post.id)
    await staff.has_now(1)
    await staff.platform(Move.ACCEPTED)
    await staff.settled()
    await staff.stop()
    staff.api.edits(GROUP, written, "On its way, truly")
    await start_on_a_copy(staff, tmp_path)
    told = await staff.sees(BEFORE)
    assert told.reply_to == written
    # Of words from before nobody knows whether the lost store sent them.
    staff.api.edits(GROUP, note, "he is angry")
    await staff.settled()
    assert [sms.text for sms in await staff.sms()] == ["On its way"]
    assert staff.shown(containing="Nothing was sent") == []


async def failed_reply(staff: Team) -> Message:
    """The line under a reply that was refused, with its button."""
    post = await question(staff)
    staff.api.says(GROUP, "On its way", reply_to=post.id)
    await staff.has_now(1)
    await staff.platform(Move.REFUSED)
    return await staff.sees("Not sent")


async def test_a_press_from_before_decides_nothing(staff: Team, tmp_path: Path) -> None:
    told = await failed_reply(staff)
    await staff.stop()
    [sms] = await staff.sms()
    query = staff.api.presses(GROUP, told.id, f"again:{sms.id}")
    await start_on_a_copy(staff, tmp_path)
    await staff.answered(query)
    assert "Nothing was done" in staff.api.presses_by_id[query].answer
    await staff.until(lambda: told.reply_markup is None or not told.reply_markup.get("inline_keyboard"))
    assert len(await staff.sms()) == 1


async def test_an_old_button_does_not_mean_the_sms_that_has_its_number_now(staff: Team, tmp_path: Path) -> None:
    told = await failed_reply(staff)
    [old] = await staff.sms()
    await staff.settled()
    await staff.stop()
    with closing(sqlite3.connect(tmp_path / "bridge.db")) as db, db:
        # The copy is from before this SMS.
        db.execute("DELETE FROM chat_message WHERE sms_id IS NOT NULL")
        for table in ("chat_post", "sms_event"):
            db.execute(f"DELETE FROM {table} WHERE sms_id = {old.id}")
        db.execute(f"DELETE FROM sms WHERE id = {old.id}")
    await start_on_a_copy(staff, tmp_path)
    staff.api.says(GROUP, "Something else", reply_to=staff.shown(GROUP, "Hello")[0].id)
    await staff.has_now(1)
    other = await staff.platform(Move.REFUSED)
    assert other.id == old.id
    query = staff.api.presses(GROUP, told.id, f"again:{old.id}")
    await staff.answered(query)
    assert [sms.state for sms in await staff.sms()] == [SmsState.FAILED]
    # Its own button works.
    fresh = (await staff.sees("Not sent", count=2)).id
    staff.api.presses(GROUP, fresh, f"again:{other.id}")
    await staff.has_now(2)


async def test_buttons_of_a_line_that_is_edited_after_the_restore_work(tmp_path: Path) -> None:
    """Where a chat forbids reactions, one line under the reply is edited with each state."""
    async with team(tmp_path, forum=False, group={"reactions": "none"}) as staff:
        post = await question(staff)
        staff.api.says(GROUP, "On its way", reply_to=post.id)
        line = await staff.sees("Waiting to be sent")
        await staff.settled()
        await start_on_a_copy(staff, tmp_path)
        await staff.until(lambda: "It is not known" in line.text)
        [sms] = await staff.sms()
        staff.api.presses(GROUP, line.id, f"again:{sms.id}")
        await staff.has_now(2)
