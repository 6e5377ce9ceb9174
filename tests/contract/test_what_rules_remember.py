"""What rules know of a subscriber and count is written with the message that was the reason, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bridge.model.base import InboundId, Ms
from bridge.model.contact import ContactChange, RuleCounter, RuleUse
from bridge.model.routing import RoutingBatch
from bridge.ports.store import Store
from tests.contract.builders import (
    NO_FACTS,
    NOW,
    SUBSCRIBER,
    post,
    received,
    routing_batch,
    settle,
    settled,
    settlement,
)

CHANGE = ContactChange(opted_out=True, tags=("vip", "ж\ud800"), values={"city": "Казань", "ключ": '"{}'})


def use(rule: str, at: Ms = NOW, what: RuleCounter = RuleCounter.MATCH) -> RuleUse:
    return RuleUse(rule=rule, what=what, at=at)


async def claimed(store: Store, *, since: Ms | None = 0, totals: Mapping[str, Ms] | None = None) -> RoutingBatch:
    return await routing_batch(store, wanted=replace(NO_FACTS, uses_since=since, totals=totals or {}))


async def test_what_is_remembered_comes_with_the_next_message(store: Store) -> None:
    await settled(store, replace(settlement(await received(store, "1"), 0), contact=CHANGE))
    await received(store, "2", text="another")
    await received(store, "3", subscriber="7902")
    known, stranger = (item.contact for item in (await claimed(store)).messages)
    assert (known.opted_out, known.tags, known.values) == (
        True,
        ("vip", "ж\ufffd"),
        {"city": "Казань", "ключ": '"{}'},
    )
    assert known == await store.contact(SUBSCRIBER)
    assert (stranger.opted_out, stranger.tags, stranger.values, stranger.first_seen_at) == (False, (), {}, None)


async def test_a_decision_that_is_not_taken_is_not_remembered(store: Store) -> None:
    inbound = await received(store, "1")
    await store.take_over(SUBSCRIBER, NOW + 1000, NOW)
    late = replace(settlement(inbound, 0), contact=CHANGE, uses=(use("r"),))
    assert await settle(store, [late]) == [None]
    ((item,), totals) = await _looked(store, {"r": 0})
    assert (item.contact.opted_out, item.contact.tags, item.uses, totals) == (False, (), (), {"r": 0})


async def _looked(store: Store, totals: Mapping[str, Ms]) -> tuple[tuple, Mapping[str, int]]:  # type: ignore[type-arg]
    found = await claimed(store, totals=totals)
    return found.messages, found.totals


async def test_uses_are_told_of_the_sender_and_counted_over_all(store: Store) -> None:
    one, two = await received(store, "1"), await received(store, "2", subscriber="7902")
    mine = (use("limited", NOW - 5), use("limited", NOW), use("once", NOW, RuleCounter.REPLY))
    await settle(
        store,
        [
            replace(settlement(one, 0), uses=mine),
            replace(settlement(two, 0), uses=(use("limited", NOW - 1), use("limited", NOW, RuleCounter.REPLY))),
        ],
    )
    await received(store, "3", text="another")
    found = await claimed(store, since=NOW - 5, totals={"limited": NOW - 2, "once": 0, "never": 0})
    (item,) = found.messages
    assert item.uses == mine[1:]
    assert found.totals == {"limited": 2, "once": 0, "never": 0}
    assert [item.uses for item in (await claimed(store, since=None)).messages] == [()]


async def test_what_no_limit_looks_back_to_is_forgotten(store: Store) -> None:
    uses = tuple(use("r", NOW - days) for days in range(5))
    await settled(store, replace(settlement(await received(store, "1"), 0), uses=uses))
    assert await store.forget_uses(NOW - 2, limit=9) > 0
    assert await store.forget_uses(NOW - 2, limit=9) == 0
    await received(store, "2", text="another")
    assert (await claimed(store, totals={"r": 0})).totals == {"r": 3}


async def test_posts_and_the_rest_are_written_with_it(store: Store) -> None:
    inbound = await received(store, "1")
    done = await settled(store, replace(settlement(inbound, 0), contact=CHANGE, posts=(post(key="p"),)))
    assert done.inbound.id == InboundId(inbound.id)
    assert not await store.add_post(post(key="p"), NOW)
