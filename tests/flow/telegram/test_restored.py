"""What operators wrote or pressed before the store was put back from a copy may have been obeyed: not again.

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


def put_back(path: Path) -> None:
    """The store becomes a copy of itself: nothing more of a restore can be seen from here."""
    with closing(sqlite3.connect(path / "bridge.db")) as db, db:
        db.execute("INSERT INTO restoration (taken_at) VALUES (1)")


async def start_on_a_copy(desk: Team, path: Path) -> None:
    """Late in a second: Telegram dates what follows within it as if it had come before."""
    await desk.passes(2 * SECOND)
    await desk.stop()
    desk.clock.set(desk.clock.now() // SECOND * SECOND + 900)
    put_back(path)
    assert await desk.store.settle_restored(desk.clock.now(), escalations.about_restored) is not None
    desk.start()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Team]:
    async with team(tmp_path, forum=False) as made:
        yield made


async def question(desk: Team) -> Message:
    await desk.texted("Hello")
    return await desk.sees("Hello")


async def test_a_message_from_before_is_not_sent_and_its_author_told(desk: Team, tmp_path: Path) -> None:
    post = await question(desk)
    await desk.stop()
    written = desk.api.says(GROUP, "On its way", reply_to=post.id)
    await start_on_a_copy(desk, tmp_path)
    told = await desk.sees(BEFORE)
    assert told.reply_to == written
    await desk.settled()
    assert await desk.sms() == []
    desk.api.says(GROUP, "On its way, truly", reply_to=post.id)
    await desk.has_now(1)
    assert [sms.text for sms in await desk.sms()] == ["On its way, truly"]


async def test_a_command_from_before_is_not_carried_out_and_its_author_told(desk: Team, tmp_path: Path) -> None:
    post = await question(desk)
    await desk.stop()
    for command in ("/tag vip", "/sms +79001112233 On its way"):
        desk.api.says(GROUP, command, reply_to=post.id)
    await start_on_a_copy(desk, tmp_path)
    await desk.sees("the command was written before the database was restored", count=2)
    await desk.settled()
    assert await desk.sms() == []
    assert (await desk.store.contact(SUBSCRIBER)).tags == ()


async def test_an_update_that_waited_in_the_copy_is_not_obeyed(desk: Team, tmp_path: Path) -> None:
    post = await question(desk)
    await desk.stop()
    desk.api.says(GROUP, "On its way", reply_to=post.id)
    api = Api(desk.settings.telegram.token, desk.api.url)
    await api.start()
    rows = [
        StoredUpdate(update_id=update["update_id"], raw=json.dumps(update), received_at=desk.clock.now())
        for update in await api.updates(None, 0)
    ]
    await api.close()
    await desk.store.store_updates(api.bot_id, rows)
    await start_on_a_copy(desk, tmp_path)
    await desk.sees(BEFORE)
    assert await desk.sms() == []
    [counted] = desk.shown(ADMINS, "restored from a back-up of")
    assert "were not handled then: 1." in counted.text


async def test_an_edit_from_before_offers_nothing_and_its_author_is_told(desk: Team, tmp_path: Path) -> None:
    post = await question(desk)
    written = desk.api.says(GROUP, "On its way", reply_to=post.id)
    note = desk.api.says(GROUP, "// he is angry", reply_to=post.id)
    await desk.has_now(1)
    await desk.platform(Move.ACCEPTED)
    await desk.settled()
    await desk.stop()
    desk.api.edits(GROUP, written, "On its way, truly")
    await start_on_a_copy(desk, tmp_path)
    told = await desk.sees(BEFORE)
    assert told.reply_to == written
    # Of words from before nobody knows whether the lost store sent them.
    desk.api.edits(GROUP, note, "he is angry")
    await desk.settled()
    assert [sms.text for sms in await desk.sms()] == ["On its way"]
    assert desk.shown(containing="Nothing was sent") == []


async def failed_reply(desk: Team) -> Message:
    """The line under a reply that was refused, with its button."""
    post = await question(desk)
    desk.api.says(GROUP, "On its way", reply_to=post.id)
    await desk.has_now(1)
    await desk.platform(Move.REFUSED)
    return await desk.sees("Not sent")


async def test_a_press_from_before_decides_nothing(desk: Team, tmp_path: Path) -> None:
    told = await failed_reply(desk)
    await desk.stop()
    [sms] = await desk.sms()
    query = desk.api.presses(GROUP, told.id, f"again:{sms.id}")
    await start_on_a_copy(desk, tmp_path)
    await desk.answered(query)
    assert "Nothing was done" in desk.api.presses_by_id[query].answer
    await desk.until(lambda: told.reply_markup is None or not told.reply_markup.get("inline_keyboard"))
    assert len(await desk.sms()) == 1


async def test_an_old_button_does_not_mean_the_sms_that_has_its_number_now(desk: Team, tmp_path: Path) -> None:
    told = await failed_reply(desk)
    [old] = await desk.sms()
    await desk.settled()
    await desk.stop()
    with closing(sqlite3.connect(tmp_path / "bridge.db")) as db, db:
        # The copy is from before this SMS.
        db.execute("DELETE FROM chat_message WHERE sms_id IS NOT NULL")
        for table in ("chat_post", "sms_event"):
            db.execute(f"DELETE FROM {table} WHERE sms_id = {old.id}")
        db.execute(f"DELETE FROM sms WHERE id = {old.id}")
    await start_on_a_copy(desk, tmp_path)
    desk.api.says(GROUP, "Something else", reply_to=desk.shown(GROUP, "Hello")[0].id)
    await desk.has_now(1)
    other = await desk.platform(Move.REFUSED)
    assert other.id == old.id
    query = desk.api.presses(GROUP, told.id, f"again:{old.id}")
    await desk.answered(query)
    assert [sms.state for sms in await desk.sms()] == [SmsState.FAILED]
    # Its own button works.
    fresh = (await desk.sees("Not sent", count=2)).id
    desk.api.presses(GROUP, fresh, f"again:{other.id}")
    await desk.has_now(2)


async def test_a_line_that_is_edited_after_the_restore_has_living_buttons(tmp_path: Path) -> None:
    """Where a chat forbids reactions, one line under the reply is edited with each state."""
    async with team(tmp_path, forum=False, group={"reactions": "none"}) as desk:
        post = await question(desk)
        desk.api.says(GROUP, "On its way", reply_to=post.id)
        line = await desk.sees("Waiting to be sent")
        await desk.settled()
        await start_on_a_copy(desk, tmp_path)
        await desk.until(lambda: "It is not known" in line.text)
        [sms] = await desk.sms()
        desk.api.presses(GROUP, line.id, f"again:{sms.id}")
        await desk.has_now(2)
