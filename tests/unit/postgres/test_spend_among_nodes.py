"""The day's limit is one for all bridges."""

from __future__ import annotations

import asyncio

from bridge.model.sms import SmsState
from tests.contract.builders import NOW, accept, call, received, reply, settle, settlement, spent
from tests.postgres import needs_postgres
from tests.unit.postgres.two_nodes import TwoNodes

pytestmark = needs_postgres
DAY = "2027-01-15"


async def test_two_that_spend_the_last_part_at_once_spend_it_once(both: TwoNodes) -> None:
    messages = [await received(both.one, number, subscriber=f"79{number}") for number in ("1", "2")]
    await both.taken()
    await both.run("INSERT INTO spend (day, parts) VALUES ($1, 4)", DAY)
    async with both.locked("SELECT 1 FROM spend"):  # both have looked by the time one may write
        settling = [
            asyncio.create_task(
                settle(store, [settlement(one, 0, reply(one.smsid, recipient=one.subscriber), spend_limit=5)])
            )
            for store, one in zip((both.one, both.two), messages, strict=True)
        ]
        await both.waiting(2)
    results = [result for (result,) in await asyncio.gather(*settling)]
    assert sorted(result is None for result in results) == [False, True]
    assert await both.value("SELECT count(*) FROM inbound WHERE state = 'new'") == 1, "it is decided again"
    assert await spent(both.one) == 5
    assert len(await both.one.list_sms([SmsState.QUEUED], limit=9)) == 1


async def test_what_both_may_spend_both_spend(both: TwoNodes) -> None:
    messages = [await received(both.one, number, subscriber=f"79{number}") for number in ("1", "2")]
    await both.taken()
    await both.run("INSERT INTO spend (day, parts) VALUES ($1, 4)", DAY)
    async with both.locked("SELECT 1 FROM spend"):
        settling = [
            asyncio.create_task(
                settle(store, [settlement(one, 0, reply(one.smsid, recipient=one.subscriber), spend_limit=6)])
            )
            for store, one in zip((both.one, both.two), messages, strict=True)
        ]
        await both.waiting(2)
    assert None not in [result for (result,) in await asyncio.gather(*settling)]
    assert await spent(both.one) == 6


async def test_of_many_at_once_as_many_are_answered_as_the_day_bears(both: TwoNodes) -> None:
    messages = [await received(both.one, str(number), subscriber=f"79{number}") for number in range(24)]
    settling = [
        settle(
            store,
            [settlement(one, 0, reply(one.smsid, recipient=one.subscriber, parts=2), spend_limit=15) for one in some],
        )
        for store, some in ((both.one, messages[::2]), (both.two, messages[1::2]))
    ]
    results = [result for batch in await asyncio.gather(*settling) for result in batch]
    assert sum(result is not None for result in results) == 7
    assert await spent(both.two) == 14
    assert await both.value("SELECT sum(parts) FROM sms") == 14


async def test_a_message_without_a_reply_writes_nothing_to_the_days_sum(both: TwoNodes) -> None:
    """Whoever spends nothing waits for nobody who does."""
    one = await received(both.one)
    await both.taken()
    await both.run("INSERT INTO spend (day, parts) VALUES ($1, 4)", DAY)
    async with both.locked("SELECT 1 FROM spend"):
        assert await settle(both.one, [settlement(one, spend_limit=5)]) != [None]
    assert (await accept(both.one, call("2", at=NOW))).new
