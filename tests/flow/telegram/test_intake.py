"""No update is lost, none is handled twice, none blocks the others, and no answer of Telegram ends the polling."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bridge.model.base import DAY, MINUTE, SECOND, Json
from bridge.model.chat import StoredUpdate
from bridge.model.sms import Move
from bridge.sandbox.botapi import ApiOutage, Call
from tests.flow.telegram.team import ADMINS, GROUP, Team, locked, team


async def conversation(staff: Team) -> int:
    await staff.texted("Hello")
    return (await staff.sees("Hello")).id


def polls(staff: Team) -> list[Call]:
    return staff.api.calls_of("getUpdates")


def offset(call: Call) -> int:
    return int(call.params.get("offset", 0))


async def test_nothing_is_confirmed_before_it_is_committed(tmp_path: Path) -> None:
    async with team(tmp_path, forum=False) as group:
        post = await conversation(group)
        await group.settled()
        with locked(tmp_path):
            group.api.says(GROUP, "Good day", reply_to=post)
            [update_id] = group.api.updates.unconfirmed
            before = len(polls(group))
            await group.until(lambda: len(polls(group)) >= before + 3)
            assert max(map(offset, polls(group))) <= update_id
            assert group.api.updates.unconfirmed == [update_id]
        await group.until(group.has_sms)
        await group.settled()
        assert len(await group.sms()) == 1


async def test_a_store_that_is_away_parks_nothing(tmp_path: Path) -> None:
    async with team(tmp_path, forum=False) as group:
        post = await conversation(group)
        await group.settled()
        await group.stop()
        written = group.api.says(GROUP, "Good day", reply_to=post)
        [update_id] = group.api.updates.unconfirmed
        update: dict[str, Json] = {"update_id": update_id, "message": group.as_sent(written)}
        row = StoredUpdate(update_id=update_id, raw=json.dumps(update), received_at=group.clock.now())
        await group.store.store_updates(group.api.bot.id, [row])
        with locked(tmp_path):
            group.start()
            before = group.clock.now()
            await group.until(lambda: group.clock.now() > before + 10 * SECOND)
        await group.until(group.has_sms)
        await group.settled()
        assert (await group.store.queue_status()).updates_parked == 0
        assert len(await group.sms()) == 1


MALFORMED: list[dict[str, Json]] = [
    {"message": {"message_id": 5}},
    {"message": 17},
    {"message": {"message_id": 6, "date": "yesterday", "chat": {"id": GROUP, "type": "group"}, "text": "x"}},
    {"callback_query": {"id": "1"}},
    {"my_chat_member": []},
]


@pytest.mark.parametrize("update", MALFORMED)
async def test_an_unreadable_update_does_not_block_the_next_ones(group: Team, update: dict[str, Json]) -> None:
    post = await conversation(group)
    update_id = group.api.raw_update(update)
    group.api.says(GROUP, "Good day", reply_to=post)
    await group.until(group.has_sms)
    told = await group.sees(str(update_id), chat_id=ADMINS)
    assert "could not be handled" in told.text
    await group.settled()
    assert (await group.store.queue_status()).updates_parked == 1
    await group.restart()
    await group.settled()
    assert len(group.shown(ADMINS)) == 1


@pytest.mark.parametrize("update", [{}, {"poll": None}, {"a_new_kind": {"x": 1}}])
async def test_an_update_of_an_unknown_kind_is_passed_over(group: Team, update: dict[str, Json]) -> None:
    group.api.raw_update(update)
    await group.settled()
    assert (await group.store.queue_status()).updates_parked == 0


async def test_an_offset_is_used_once(group: Team) -> None:
    """Update ids start anew, possibly lower, after a quiet week: an old offset would confirm such updates unseen."""
    group.api.says(GROUP, "talk")
    await group.settled()
    confirming = len(polls(group))
    assert offset(polls(group)[-1]) > 0
    await group.until(lambda: len(polls(group)) > confirming)
    assert offset(polls(group)[-1]) == 0
    await group.restart()
    await group.until(lambda: len(polls(group)) > confirming + 2)
    assert offset(polls(group)[confirming + 1]) == 0


async def test_telegram_down_at_the_start(tmp_path: Path) -> None:
    async with team(tmp_path, forum=True, running=False) as forum:
        forum.api.down(ApiOutage.REFUSE)
        forum.start()
        await forum.texted("first")
        await forum.texted("second")
        began = forum.clock.now()
        await forum.until(lambda: forum.clock.now() > began + 3 * MINUTE)
        assert forum.running
        assert not forum.side.health().connected
        assert forum.side.health().heard_at is None
        forum.api.up()
        await forum.sees("first")
        await forum.sees("second")
        await forum.until(lambda: forum.side.health().connected)
        await forum.sees("Telegram is back", chat_id=ADMINS)


async def test_posts_that_waited_are_shown_as_soon_as_telegram_answers(group: Team) -> None:
    """Not when the chat would have been tried again: that may be most of a minute later."""
    await conversation(group)
    await group.settled()
    group.api.unauthorised()  # an outage whose calls are on record
    await group.texted("meanwhile")
    await group.passes(5 * MINUTE)
    tried = len(group.api.calls_of("sendMessage"))
    await group.until(lambda: len(group.api.calls_of("sendMessage")) > tried)
    group.stride = SECOND
    group.api.unauthorised(False)
    await group.until(lambda: group.side.health().connected)
    back = group.clock.now()
    await group.sees("meanwhile")
    assert group.clock.now() - back <= 5 * SECOND


async def test_the_end_of_an_outage_without_waiting_sms_is_reported_without_a_number(group: Team) -> None:
    post = await conversation(group)
    group.api.says(GROUP, "Good day", reply_to=post)
    await group.has_now(1)
    await group.settled()
    group.api.down()
    await group.platform(Move.ACCEPTED)
    await group.passes(2 * MINUTE)
    group.api.up()
    told = await group.sees("Telegram is back", chat_id=ADMINS)
    assert "waited" not in told.text, "a reaction is nothing to wait for"


@pytest.mark.parametrize("outage", list(ApiOutage))
async def test_polling_goes_on_after_every_kind_of_outage(group: Team, outage: ApiOutage) -> None:
    post = await conversation(group)
    await group.settled()
    group.api.down(outage)
    group.api.says(GROUP, "Good day", reply_to=post)
    began = group.clock.now()
    await group.until(lambda: group.clock.now() > began + 10 * SECOND)
    group.api.up()
    await group.until(group.has_sms, within_s=60)
    await group.settled()
    assert len(await group.sms()) == 1


async def test_a_refused_token_is_reported_once_and_polling_goes_on(group: Team) -> None:
    post = await conversation(group)
    group.api.unauthorised()
    before = len(polls(group))
    await group.until(lambda: len(polls(group)) >= before + 4)
    assert not group.side.health().connected
    group.api.says(GROUP, "Good day", reply_to=post)
    group.api.unauthorised(False)
    await group.until(group.has_sms)
    await group.sees("refused the bot's token", chat_id=ADMINS)
    await group.sees("accepts the bot's token again", chat_id=ADMINS)
    await group.settled()
    assert len(group.shown(ADMINS, "refused the bot's token")) == 1


async def test_another_program_that_polls_is_reported_once(group: Team) -> None:
    post = await conversation(group)
    group.api.conflict(times=4)
    await group.sees("Another program takes this bot", chat_id=ADMINS)
    await group.sees("Nobody else takes", chat_id=ADMINS)
    group.api.says(GROUP, "Good day", reply_to=post)
    await group.until(group.has_sms)
    assert len(group.shown(ADMINS, "Another program")) == 1


async def test_the_end_of_another_programs_polling_is_not_reported_as_an_outage(group: Team) -> None:
    await group.until(lambda: polls(group))
    began = group.clock.now()
    while group.clock.now() < began + 2 * MINUTE:
        group.api.conflict(times=1)
        await group.passes(10 * SECOND)
    await group.sees("Nobody else takes", chat_id=ADMINS)
    await group.settled()
    assert group.shown(ADMINS, "Telegram is back") == []


async def test_an_alert_of_an_earlier_run_gets_its_all_clear(group: Team) -> None:
    await group.until(lambda: polls(group))
    group.api.unauthorised()
    before = len(polls(group))
    await group.until(lambda: len(polls(group)) >= before + 2)
    await group.stop()
    group.api.unauthorised(False)
    group.start()
    await group.sees("accepts the bot's token again", chat_id=ADMINS)


async def test_health_is_the_time_since_the_last_answer(group: Team) -> None:
    await group.until(lambda: group.side.health().heard_at)
    group.api.down(ApiOutage.BAD_GATEWAY)
    last = group.side.health().heard_at
    await group.until(lambda: not group.side.health().connected)
    assert group.side.health().heard_at == last


async def test_stopping_does_not_wait_for_the_long_poll(group: Team) -> None:
    await group.until(lambda: group.api.updates.polled)
    async with asyncio.timeout(2):
        await group.stop()


async def test_done_updates_are_forgotten_after_a_week(group: Team) -> None:
    group.api.says(GROUP, "talk")
    group.api.raw_update(MALFORMED[0])
    await group.settled()
    await group.stop()
    await group.clock.advance(8 * DAY)
    group.start()

    async def forgotten() -> bool:
        # A purge that finds nothing more: the first run has done its work.
        return await group.store.purge_updates(group.clock.now() - 7 * DAY, limit=9) == 0

    await group.until(lambda: group.side.health().connected)
    await group.until(forgotten)
    assert (await group.store.queue_status()).updates_parked == 1


async def test_without_a_token_nothing_is_asked(tmp_path: Path) -> None:
    async with team(tmp_path, forum=False, running=False) as group:
        silent = type(group.settings.telegram).model_validate({**group.settings.telegram.model_dump(), "token": ""})
        group.settings = group.settings.model_copy(update={"telegram": silent})
        group.start()
        await group.texted("Hello")
        began = group.clock.now()
        await group.until(lambda: group.clock.now() > began + MINUTE)
        assert group.running
        assert not group.side.health().enabled
        assert group.api.calls == []
        assert (await group.store.queue_status()).posts_waiting == 1


async def test_the_token_is_in_no_log_line(group: Team, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        await conversation(group)
        group.api.unauthorised()
        await group.until(lambda: not group.side.health().connected)
        group.api.unauthorised(False)
        group.api.down(ApiOutage.BAD_GATEWAY)
        await group.until(lambda: not group.side.health().connected)
    secret = group.api.token.split(":")[1]
    shown = [record.getMessage() for record in caplog.records if record.name.startswith("httpx")]
    assert not [line for line in shown if secret in line]
