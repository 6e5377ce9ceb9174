"""What many bring at once comes out as if they had come one after the other: a store may write it together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import TypeVar

from bridge.errors import StoreError
from bridge.model.sms import Change, Move, Priority, SmsState
from bridge.ports.store import Store
from tests.contract.builders import (
    NOW,
    SUBSCRIBER,
    accept,
    accept_together,
    call,
    claimed,
    post,
    received,
    reply,
    sent,
    settle,
    settled,
    settlement,
    spent,
    unrouted,
)

T = TypeVar("T")


async def at_once(store: Store, *wanted: Awaitable[T]) -> Sequence[T]:
    """All wait for one commit that is still in work when they come."""
    first = asyncio.create_task(store.ping())
    results = await asyncio.gather(*wanted)
    await first
    return results


async def test_one_id_with_several_contents_is_a_message_each_and_the_first_is_named(store: Store) -> None:
    calls = [call("1", text=text) for text in ("one", "two", "one", "three", "two")]
    answers = await accept_together(store, calls)
    assert [answer.new for answer in answers] == [True, True, False, True, False]
    assert [answer.repeats for answer in answers] == [0, 0, 1, 0, 1]
    stored = [await store.get_inbound(answer.id) for answer in answers]
    assert [inbound and inbound.text for inbound in stored] == [each.text for each in calls]
    conflicts = {inbound.text: inbound.conflict_of for inbound in stored if inbound}
    assert conflicts == {"one": None, "two": answers[0].id, "three": answers[0].id}


async def test_more_than_any_statement_takes_are_all_stored_with_their_own_texts(store: Store) -> None:
    answers = await accept_together(store, [call(str(n), text=f"text {n}") for n in range(333)])
    stored = [await store.get_inbound(answer.id) for answer in answers]
    assert [inbound and inbound.text for inbound in stored] == [f"text {n}" for n in range(333)]


async def test_one_that_cannot_be_stored_takes_no_neighbour_along(store: Store) -> None:
    beyond = call("beyond", at=1 << 80)  # no column holds that
    calls = [call("1"), call("2"), beyond, call("3")]
    answers = await at_once(store, *(asyncio.ensure_future(_told(accept(store, each))) for each in calls))
    assert [isinstance(answer, Exception) for answer in answers] == [False, False, True, False]
    assert (await store.queue_status()).inbound_new == 3


async def _told(wanted: Awaitable[T]) -> T | Exception:
    try:
        return await wanted
    except Exception as error:
        return error


async def test_a_name_that_no_store_takes_as_it_is_finds_its_row_again(store: Store) -> None:
    odd, plain = replace(call("1"), smsid="1\0"), call("1")
    answers = await accept_together(store, (odd, plain, odd))
    assert [answer.repeats for answer in answers] == [0, 1, 2]
    assert len({answer.id for answer in answers}) == 1


async def test_two_decisions_about_one_subscriber_are_not_both_taken(store: Store) -> None:
    one, two = await received(store, "1"), await received(store, "2", text="another")
    results = await settle(store, [settlement(one, 0, reply("r1")), settlement(two, 0, reply("r2"))])
    assert [result is not None for result in results] == [True, False]
    assert await settled(store, settlement(two, 1, reply("r2")))


async def test_one_decision_written_twice_is_taken_once(store: Store) -> None:
    inbound = await received(store)
    decisions = (settle(store, [settlement(inbound, 0, reply(key))]) for key in ("r1", "r2"))
    results = [result for (result,) in await at_once(store, *decisions)]
    assert sorted(result is not None for result in results) == [False, True]
    assert len(await store.list_sms([SmsState.QUEUED], limit=9)) == 1


async def test_the_days_spend_is_kept_within_one_batch(store: Store) -> None:
    messages = [await received(store, str(n), subscriber=f"790{n}") for n in range(7)]
    results = await settle(
        store, [settlement(each, 0, reply(f"r{each.id}", parts=2), spend_limit=5) for each in messages]
    )
    assert [result is not None for result in results] == [True, True, False, False, False, False, False]
    assert await spent(store) == 4


async def test_replies_that_no_limit_holds_count_for_those_that_one_does(store: Store) -> None:
    one, two = await received(store, "1", subscriber="7901"), await received(store, "2", subscriber="7902")
    results = await settle(
        store, [settlement(one, 0, reply("r1", parts=4)), settlement(two, 0, reply("r2", parts=2), spend_limit=5)]
    )
    assert [result is not None for result in results] == [True, False]
    assert await spent(store) == 4


async def test_a_key_that_comes_twice_in_a_batch_is_one_sms(store: Store) -> None:
    one, two = await received(store, "1", subscriber="7901"), await received(store, "2", subscriber="7902")
    results = await settle(store, [settlement(one, 0, reply("same", parts=2)), settlement(two, 0, reply("same"))])
    assert all(results)
    assert await spent(store) == 2
    same = await at_once(store, *(store.enqueue(reply("other", recipient=f"790{n}")) for n in range(3)))
    assert len({sms.id for sms in same}) == 1
    assert same[1].recipient in ("7900", "7901", "7902")  # whichever was first


async def test_of_two_sms_inserted_as_sending_in_one_lane_the_first_is(store: Store) -> None:
    one, two = await received(store, "1", subscriber="7901"), await received(store, "2", subscriber="7902")
    inserted = reply("r1", state=SmsState.SENDING), reply("r2", recipient=f"{SUBSCRIBER}\0", state=SmsState.SENDING)
    first, second = await settle(store, [settlement(one, 0, inserted[0]), settlement(two, 0, inserted[1])])
    assert first is not None
    assert second is not None
    assert [sms.key for sms in first.sending] == ["r1"]
    assert second.sending == ()


async def test_a_persons_queued_sms_keeps_a_robots_from_being_inserted_as_sending_and_a_broadcasts_does_not(
    store: Store,
) -> None:
    await store.enqueue(reply("p", recipient="7901", priority=Priority.PERSON))
    await store.enqueue(reply("b", recipient="7902", priority=Priority.BROADCAST))
    messages = [await received(store, str(n), subscriber=f"790{n}") for n in (1, 2)]
    results = await settle(
        store,
        [
            settlement(each, 0, reply(f"r{each.id}", recipient=each.subscriber, state=SmsState.SENDING))
            for each in messages
        ],
    )
    assert [len(result.sending) for result in results if result] == [0, 1]


async def test_moves_of_one_row_are_made_in_turn_and_of_others_beside_them(store: Store) -> None:
    one, two = await sent(store, "k1"), await sent(store, "k2", recipient="7902")
    assert await store.claim_due("main", now=NOW, limit=9) == []
    made = await at_once(
        store,
        store.move(one.id, Move.ACCEPTED, NOW, Change(platform_ids=("17",))),
        store.move(one.id, Move.ACCEPTED, NOW + 1, Change(platform_ids=("18",))),
        store.move(one.id, Move.DELIVERED, NOW + 2, Change(posts=(post(key="told"),))),
        store.move(two.id, Move.DELIVERED, NOW, Change(posts=(post(key="never"),))),
        store.move(two.id, Move.REFUSED, NOW, Change(reason="why")),
    )
    assert made == [True, False, True, False, True]
    now = [await store.get_sms(sms.id) for sms in (one, two)]
    assert [(sms.state, sms.platform_ids) for sms in now if sms] == [
        (SmsState.DELIVERED, ("17",)),
        (SmsState.FAILED, ()),
    ]
    assert [await store.add_post(post(key=key), NOW) for key in ("told", "never")] == [False, True]


async def test_settling_what_cannot_be_written_writes_nothing(store: Store) -> None:
    inbound = await received(store)
    bad = settlement(inbound, 0, reply("r1", state=SmsState.SENT))
    try:
        await settle(store, [bad])
    except StoreError:
        assert len(await unrouted(store)) == 1
        assert await claimed(store) == []
    else:
        raise AssertionError("an SMS was born sent")
