"""Paid SMS over several bridges: one of a lane at a time, each once; what a dead one was sending is asked about."""

from __future__ import annotations

import asyncio

import pytest

from bridge.model.sms import Change, Move, Priority, Rewrite, SmsState
from bridge.store import locks
from bridge.store.locks import LockName
from bridge.store.postgres.tx import lock_key
from bridge.store.repositories.outbox import claim
from tests.contract.builders import NOW, SUBSCRIBER, claimed, received, reply, sent, settle, settlement
from tests.postgres import needs_postgres
from tests.unit.postgres.two_nodes import TwoNodes

pytestmark = needs_postgres


async def sending(both: TwoNodes) -> list[str]:
    return await both.values("SELECT key FROM sms WHERE state = 'sending' ORDER BY key")


async def test_two_that_claim_at_once_have_no_two_rows_of_a_lane(both: TwoNodes) -> None:
    for number in range(20):
        for priority in (Priority.AUTOMATIC, Priority.PERSON, Priority.BROADCAST):
            await both.one.enqueue(reply(f"{number}-{priority}", recipient=f"79{number}", priority=priority))
    claims = [claimed(store, limit=5) for _ in range(4) for store in (both.one, both.two)]
    keys = [key for keys in await asyncio.gather(*claims) for key in keys]
    assert len(keys) == len(set(keys))
    assert await both.value("SELECT count(DISTINCT recipient) FROM sms WHERE state = 'sending'") == len(keys)
    assert {key.rpartition("-")[2] for key in keys} == {str(Priority.PERSON.value)}, "the most urgent of each lane"


async def test_a_claim_passes_over_a_locked_lane_and_waits_for_nothing(both: TwoNodes) -> None:
    await both.one.enqueue(reply("held", recipient="790"))
    await both.one.enqueue(reply("free", recipient="791"))
    async with both.held(locks.subscriber("790")):
        assert await claimed(both.two) == ["free"]
    assert await claimed(both.two) == ["held"]


async def test_a_lane_that_began_to_send_between_look_and_start_is_left_alone(both: TwoNodes) -> None:
    """The other row has another priority, so nothing but the lane stands in the way."""
    await both.one.enqueue(reply("automatic"))
    async with both.locked("SELECT 1 FROM sms WHERE key = $1", "automatic"):
        claim = asyncio.create_task(claimed(both.two))
        await both.waiting()  # has looked and held the lane
        await both.run("UPDATE sms SET state = 'stale' WHERE key = 'automatic'")
    assert await claim == []
    assert await sending(both) == []


async def test_what_was_postponed_between_look_and_start_does_not_leave(both: TwoNodes) -> None:
    first = await both.one.enqueue(reply("k"))
    later = Rewrite(text="другой", parts=1, confirmation_reasons=(), due_at=NOW + 5_000, draft=False, author="Anna (7)")
    async with both.locked("SELECT 1 FROM sms WHERE key = $1", "k"):
        editing = asyncio.create_task(both.one.rewrite(first.id, first.text, later, NOW))
        await both.waiting(1)
        claim = asyncio.create_task(claimed(both.two))
        await both.waiting(2)
    assert await editing
    assert await claim == []
    (row,) = await both.two.claim_due("main", now=NOW + 5_000, limit=9)
    assert row.text == "другой"


@pytest.mark.parametrize("priority", [Priority.AUTOMATIC, Priority.PERSON])
async def test_a_reply_is_not_inserted_as_sending_while_another_node_claims_in_its_lane(
    both: TwoNodes, priority: Priority
) -> None:
    inbound = await received(both.one)
    await both.one.enqueue(reply("waits", priority=Priority.BROADCAST))
    async with both.locked("SELECT 1 FROM sms WHERE key = $1", "waits"):
        claim = asyncio.create_task(claimed(both.two))
        await both.waiting()
        inserted = reply("born", state=SmsState.SENDING, priority=priority)
        settling = asyncio.create_task(settle(both.one, [settlement(inbound, 0, inserted)]))
        await both.waiting(2)
    assert await claim == ["waits"]
    (settled,) = await settling
    assert settled is not None
    assert settled.sending == ()
    assert await sending(both) == ["waits"]


async def test_a_claim_leaves_alone_what_another_bridge_bears_sending(both: TwoNodes) -> None:
    inbound = await received(both.one)
    await both.one.enqueue(reply("waits", priority=Priority.BROADCAST))
    await both.taken()
    async with both.locked("SELECT 1 FROM inbound"):
        inserted = reply("born", state=SmsState.SENDING)
        settling = asyncio.create_task(settle(both.one, [settlement(inbound, 0, inserted)]))
        await both.waiting()
        assert await claimed(both.two) == []
    (settled,) = await settling
    assert settled is not None
    assert [sms.key for sms in settled.sending] == ["born"]
    assert await claimed(both.two) == []


async def test_the_sends_of_a_bridge_are_lost_only_when_none_can_be_under_way(both: TwoNodes) -> None:
    await both.alive(both.one)
    await both.alive(both.two)
    sms = await sent(both.one, "k")
    assert await both.two.recover_sending(NOW) == []
    await both.is_not_heard_of(both.one)
    assert await both.two.recover_sending(NOW) == [], "its request may be under way"
    await both.is_gone(both.one)
    (lost,) = await both.two.recover_sending(NOW)
    assert (lost.id, lost.state, lost.reason) == (sms.id, SmsState.UNCERTAIN, "interrupted")
    assert await both.one.recover_sending(NOW) == []


async def test_two_that_find_the_same_sends_lost_find_each_once(both: TwoNodes) -> None:
    for number in range(5):
        await sent(both.one, str(number), recipient=f"79{number}")
    found = await asyncio.gather(both.one.recover_sending(NOW), both.two.recover_sending(NOW))
    assert sorted(sms.key for rows in found for sms in rows) == ["0", "1", "2", "3", "4"]
    assert await both.value("SELECT count(*) FROM sms_event WHERE to_state = 'uncertain'") == 5


async def test_what_was_called_lost_is_proved_by_its_answer(both: TwoNodes) -> None:
    await both.alive(both.one)
    sms = await sent(both.one, "k")
    await both.is_gone(both.one)
    assert len(await both.two.recover_sending(NOW)) == 1
    taken = Change(platform_ids=("17",))
    assert not await both.one.move(sms.id, Move.ACCEPTED, NOW, taken, began=sms.sending_since)
    assert await both.one.move(sms.id, Move.PROVE, NOW, taken, began=sms.sending_since)
    row = await both.two.get_sms(sms.id)
    assert row is not None
    assert (row.state, row.platform_ids) == (SmsState.SENT, ("17",))


async def test_a_word_about_one_attempt_does_not_move_the_next_of_another_bridge(both: TwoNodes) -> None:
    """A bridge does not learn whether "try again" was kept, and says it once more when another sends already."""
    sms = await sent(both.one, "k")
    assert await both.one.move(sms.id, Move.RETRY, NOW, began=sms.sending_since)
    (again,) = await both.two.claim_due("main", now=NOW + 1, limit=1)
    assert not await both.one.move(sms.id, Move.RETRY, NOW + 2, began=sms.sending_since)
    assert await sending(both) == ["k"]
    assert await both.two.move(sms.id, Move.ACCEPTED, NOW + 2, began=again.sending_since)


async def test_a_repair_that_is_made_twice_does_not_take_a_row_from_the_bridge_that_sends_it(both: TwoNodes) -> None:
    await both.one.enqueue(reply("k"))
    _, repairs = await both.one._transactions.write(lambda tx: claim(tx, "main", NOW, 1))
    (repair,) = repairs
    await both.one.writer.run(repair)
    assert await claimed(both.two) == ["k"]
    await both.one.writer.run(repair)  # its first COMMIT had no answer
    assert await sending(both) == ["k"]


async def test_a_subscriber_held_in_one_schema_is_free_in_another(both: TwoNodes) -> None:
    await both.one.enqueue(reply("k"))
    async with both.beside.transaction():
        await both.run("SELECT pg_advisory_xact_lock($1)", lock_key("elsewhere", locks.subscriber(SUBSCRIBER)))
        assert await claimed(both.two) == ["k"]


@pytest.mark.parametrize("number", ["fleet", "migrations", "restoration", "sms:1", "call:main/1", "balance:main"])
async def test_a_number_is_no_other_thing_that_is_held_whatever_it_reads(both: TwoNodes, number: str) -> None:
    async with both.held(LockName(number)):
        await both.one.enqueue(reply("k", recipient=number))
        assert await claimed(both.two) == ["k"]
