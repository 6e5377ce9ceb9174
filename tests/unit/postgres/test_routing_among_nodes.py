"""Messages that several bridges may route: each is decided once, and a subscriber's in their order."""

from __future__ import annotations

import asyncio
import time

from bridge.model.sms import SmsState
from bridge.store import locks
from bridge.store.postgres.cluster import OVERDUE
from bridge.store.postgres.store import PostgresStore
from tests.contract.builders import NOW, SUBSCRIBER, accept, call, reply, settle, settlement, unrouted
from tests.postgres import needs_postgres
from tests.unit.postgres.two_nodes import TwoNodes

pytestmark = needs_postgres


async def heard(both: TwoNodes, store: PostgresStore, *names: str, subscriber: str = SUBSCRIBER) -> None:
    """Messages that came in just now."""
    for name in names:
        await accept(store, call(name, at=await both.now(), subscriber=subscriber))


async def found(store: PostgresStore) -> list[str]:
    return [item.inbound.smsid for item in await unrouted(store)]


async def test_what_a_bridge_took_in_is_its_own_while_it_is_heard_of(both: TwoNodes) -> None:
    await both.alive(both.one)
    await both.alive(both.two)
    await heard(both, both.one, "1")
    assert await found(both.two) == []
    assert await found(both.one) == ["1"]


async def test_what_a_bridge_took_in_is_anybodys_when_it_is_not_heard_of(both: TwoNodes) -> None:
    await both.alive(both.one)
    await both.alive(both.two)
    await heard(both, both.one, "1")
    await both.is_not_heard_of(both.one)
    assert await found(both.two) == ["1"]
    assert await found(both.one) == [], "it is the other's now"


async def test_what_a_bridge_took_in_that_left_is_anybodys(both: TwoNodes) -> None:
    await both.alive(both.one)
    await both.alive(both.two)
    await heard(both, both.one, "1")
    await both.one.leave()
    assert await found(both.two) == ["1"]


async def test_what_came_in_where_nobody_routes_is_anybodys(both: TwoNodes) -> None:
    await both.alive(both.one, roles=("intake", "sender"))
    await both.alive(both.two)
    await heard(both, both.one, "1")
    assert await found(both.two) == ["1"]


async def test_what_its_bridge_does_not_get_to_is_anybodys(both: TwoNodes) -> None:
    await both.alive(both.one)
    await both.alive(both.two)
    await accept(both.one, call("late", at=await both.now() - 2 * OVERDUE, subscriber="790"))
    await heard(both, both.one, "soon", subscriber="791")
    assert await found(both.two) == ["late"]
    assert await found(both.one) == ["soon"]


async def test_no_two_messages_of_a_subscriber_are_in_work_at_once(both: TwoNodes) -> None:
    await both.alive(both.one)
    await both.alive(both.two)
    await heard(both, both.one, "first")
    await heard(both, both.two, "second")
    assert await found(both.two) == [], "another bridge has not decided the one before"
    (first,) = await unrouted(both.one)
    await settle(both.one, [settlement(first.inbound)])
    (second,) = await unrouted(both.two)
    assert (second.inbound.smsid, second.contact.version) == ("second", 1)


async def test_of_a_dead_bridge_the_second_is_not_taken_before_the_first_either(both: TwoNodes) -> None:
    await both.alive(both.one)
    await both.alive(both.two)
    await heard(both, both.one, "first", "second")
    await both.is_not_heard_of(both.one)
    assert await found(both.two) == ["first"]


async def test_of_two_that_decided_one_message_the_second_writes_nothing(both: TwoNodes) -> None:
    await heard(both, both.one, "1")
    (item,) = await unrouted(both.one)
    decided = [settlement(item.inbound, 0, reply(key), forwards=("support",)) for key in ("a", "b")]
    # Both have looked when the first writes: the subscriber is held by somebody else until both are there.
    async with both.held(locks.subscriber(SUBSCRIBER)):
        settling = [
            asyncio.create_task(settle(store, [one])) for store, one in zip((both.one, both.two), decided, strict=True)
        ]
        await both.waiting(2)
    results = [result for (result,) in await asyncio.gather(*settling)]
    assert sorted(result is None for result in results) == [False, True]
    assert len(await both.one.list_sms([SmsState.QUEUED], limit=9)) == 1
    assert await both.value("SELECT count(*) FROM chat_post") == 1
    assert await both.value("SELECT count(*) FROM conversation") == 1
    assert await both.value("SELECT parts FROM spend") == 1
    assert (await both.one.contact(SUBSCRIBER)).version == 1


async def test_looking_for_work_waits_for_nobody(both: TwoNodes) -> None:
    await both.alive(both.two)
    await heard(both, both.one, "held", subscriber="790")
    await heard(both, both.one, "free", subscriber="791")
    async with both.locked("SELECT 1 FROM inbound WHERE smsid = $1", "held"):
        assert await found(both.two) == ["free"]
    assert await found(both.two) == ["held", "free"]


async def test_what_two_take_at_once_is_in_one_hand_each(both: TwoNodes) -> None:
    await both.alive(both.one)
    await both.alive(both.two)
    names = [str(number) for number in range(40)]
    for name in names:
        await heard(both, both.one, name, subscriber=f"79{name}")
    await both.run("UPDATE inbound SET taken_by = 'gone'")
    claims = [unrouted(store, 3) for _ in range(4) for store in (both.one, both.two)]
    for claimed in await asyncio.gather(*claims):
        assert len(claimed) <= 3
    taken = await both.values("SELECT taken_by FROM inbound WHERE taken_by <> 'gone'")
    assert set(taken) == {both.one._node, both.two._node}
    mine = {item.inbound.smsid for item in await unrouted(both.one, limit=40)}
    others = {item.inbound.smsid for item in await unrouted(both.two, limit=40)}
    assert not mine & others
    assert mine | others == set(names)


async def test_a_message_that_another_node_routed_is_not_taken_back_from_it(both: TwoNodes) -> None:
    """A bridge that slept wakes with a decision in its hands."""
    await both.alive(both.one)
    await both.alive(both.two)
    await heard(both, both.one, "1")
    (slept,) = await unrouted(both.one)
    await both.is_not_heard_of(both.one)
    (item,) = await unrouted(both.two)
    assert await settle(both.two, [settlement(item.inbound, 0, reply("theirs"))]) != [None]
    assert await settle(both.one, [settlement(slept.inbound, 0, reply("late"))]) == [None]
    assert [sms.key for sms in await both.one.list_sms([SmsState.QUEUED], limit=9)] == ["theirs"]


async def test_repeats_of_one_call_at_two_bridges_are_one_message(both: TwoNodes) -> None:
    async with both.held(locks.call("main", "1")):
        taking = [asyncio.create_task(accept(store, call("1", at=NOW))) for store in (both.one, both.two)]
        await both.waiting(2)
    answers = await asyncio.gather(*taking)
    assert len({answer.id for answer in answers}) == 1
    assert sorted(answer.new for answer in answers) == [False, True]


async def test_two_contents_under_one_id_at_two_bridges_are_told_apart(both: TwoNodes) -> None:
    async with both.held(locks.call("main", "1")):
        taking = [
            asyncio.create_task(accept(store, call("1", text=text)))
            for store, text in ((both.one, "a"), (both.two, "b"))
        ]
        await both.waiting(2)
    first, second = sorted(answer.id for answer in await asyncio.gather(*taking))
    conflicts = await both.values("SELECT conflict_of FROM inbound ORDER BY id")
    assert conflicts == [None, first]
    assert second > first


async def test_a_bridge_with_work_of_its_own_looks_for_others_now_and_then(both: TwoNodes) -> None:
    await both.alive(both.two)
    await heard(both, both.one, "left", subscriber="790")
    await both.is_not_heard_of(both.one)
    await heard(both, both.two, "own", subscriber="791")
    both.two.take_unrouted_every_s = 3_600
    both.two._took_at = time.monotonic()
    assert await found(both.two) == ["own"]
    both.two.take_unrouted_every_s = 0
    assert await found(both.two) == ["left", "own"]
