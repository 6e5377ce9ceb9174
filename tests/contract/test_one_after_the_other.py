"""A crowd leaves the store as the same wishes do that come one after the other: any of them, in any number."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model.base import InboundId, SmsId
from bridge.model.inbound import AcceptedCall, InboundCall
from bridge.model.routing import Routed
from bridge.model.sms import Change, Move, NewSms, Sms, SmsState
from bridge.ports.store import Store
from tests import postgres
from tests.contract.builders import (
    NOW,
    SetClock,
    accept,
    accept_together,
    call,
    opened,
    person,
    post,
    received,
    reply,
    settle,
    settlement,
    spent,
)
from tests.contract.conftest import FACTORIES, Factory

How = Callable[[Iterable[Awaitable[object]]], Awaitable[list[object]]]
BEYOND = 1 << 80
"""No column holds that: what asks for it fails."""
EXAMPLES = settings(max_examples=20)
MOST = 90
spoilt = st.none() | st.integers(0, MOST)
"""Which of a crowd, counted round, asks for it. Its neighbours are done one by one then, so not every crowd has one."""

every_store = pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)


async def at_once(wanted: Iterable[Awaitable[object]]) -> list[object]:
    """All are handed in before the store has begun the first."""
    return await asyncio.gather(*(told(each) for each in wanted))


async def in_turn(wanted: Iterable[Awaitable[object]]) -> list[object]:
    return [await told(each) for each in wanted]


async def told(wanted: Awaitable[object]) -> object:
    try:
        return await wanted
    except Exception as error:
        return type(error)


def on_a_store(factory: Factory, act: Callable[[Store, How], Awaitable[object]], how: How) -> object:
    async def on_its_own() -> object:
        with TemporaryDirectory() as folder:
            async with opened(factory(Path(folder), SetClock())) as store:
                found = await act(store, how)
            await postgres.recycle(Path(folder))
            return found

    return asyncio.run(on_its_own())


# ---------------------------------------------------------------- intake

SMSIDS = ("1", "2", "3", "3\0", "\ud83d\ude00", "😀")
calls = st.builds(
    lambda smsid, text, late, account: replace(call("any", text=text, at=NOW + late, account=account), smsid=smsid),
    st.sampled_from(SMSIDS),
    st.sampled_from(["", "часы", "\ud800"]),
    st.integers(0, 9),
    st.sampled_from(["main", "second"]),
)


@every_store
@EXAMPLES
@given(came=st.lists(calls, max_size=MOST))
def test_callbacks_are_new_or_repeats_or_conflicts(factory: Factory, came: list[InboundCall]) -> None:
    async def act(store: Store, how: How) -> list[object]:
        if how is at_once:
            answers = await accept_together(store, came)
        else:
            answers = [await accept(store, each) for each in came]
        return [await stored(store, each) for each in answers]

    async def stored(store: Store, accepted: AcceptedCall) -> object:
        inbound = await store.get_inbound(accepted.id)
        assert inbound is not None
        earlier = None if inbound.conflict_of is None else await store.get_inbound(inbound.conflict_of)
        named = None if earlier is None else (earlier.account, earlier.smsid, earlier.text)
        return accepted.new, accepted.repeats, named, replace(inbound, id=InboundId(0), conflict_of=None)

    assert on_a_store(factory, act, at_once) == on_a_store(factory, act, in_turn)


# ---------------------------------------------------------------- moves

ROWS = 6
changes = st.builds(
    Change,
    reason=st.sampled_from([None, "why", "a\0b", "\ud800"]),
    detail=st.sampled_from([None, ""]),
    due_at=st.sampled_from([None, NOW + 5]),
    platform_ids=st.sampled_from([None, (), ("17",), ("18", "\ud800")]),
    polls=st.sampled_from([None, 1]),
    poll_at=st.sampled_from([None, NOW + 9]),
    author=st.sampled_from(["", "Anna"]),
)
moves = st.lists(
    st.tuples(st.integers(0, ROWS), st.sampled_from([move for move in Move if move is not Move.START]), changes),
    max_size=MOST,
)


@every_store
@EXAMPLES
@given(wanted=moves, bad=spoilt)
def test_moves_are_made_or_refused(factory: Factory, wanted: list[tuple[int, Move, Change]], bad: int | None) -> None:
    async def act(store: Store, how: How) -> object:
        worst = None if bad is None or not wanted else bad % len(wanted)
        inserted = (SmsState.DRAFT, SmsState.QUEUED, SmsState.SENDING)
        rows = [
            await store.enqueue(replace(person(f"k{n}", recipient=f"790{n}", message_id=n), state=inserted[n % 3]))
            for n in range(ROWS)
        ]
        ids = [*(sms.id for sms in rows), SmsId(999)]  # the last is nobody's
        answers = await how(
            store.move(
                ids[at],
                move,
                NOW + n,
                replace(change, posts=(post(key=f"p{n}", due_at=BEYOND if n == worst else NOW),)),
            )
            for n, (at, move, change) in enumerate(wanted)
        )
        posts = await store.claim_posts(["support", "id:-100"], now=NOW + 999, limit=999)
        stories = [await store.sms_history(sms.id) for sms in rows]
        assert sum(len(changes) - 1 for changes in stories) == answers.count(True)
        return (
            answers,
            [await store.get_sms(sms.id) for sms in rows],
            stories,
            sorted((each.chat, each.created_at, each.revision) for each in posts),
        )

    assert on_a_store(factory, act, at_once) == on_a_store(factory, act, in_turn)


# ---------------------------------------------------------------- settling

decisions = st.lists(
    st.tuples(
        st.integers(0, 9),  # whose message
        st.sampled_from([0, 0, 0, 1, 2]),  # the contact's version it was decided by
        st.lists(st.tuples(st.booleans(), st.integers(1, 3)), max_size=2),  # replies: at once?, parts
        st.sampled_from([(), ("a",), ("a", "b")]),
    ),
    max_size=MOST,
    unique_by=lambda decision: decision[0],
)


@every_store
@EXAMPLES
@given(made=decisions)
def test_decisions_are_settled_or_sent_back(
    factory: Factory, made: list[tuple[int, int, list[tuple[bool, int]], tuple[str, ...]]]
) -> None:
    def wished(n: int, who: int, replies: list[tuple[bool, int]]) -> list[NewSms]:
        states = (SmsState.QUEUED, SmsState.SENDING)
        return [
            reply(f"r{n}:{index}", recipient=f"790{who}", state=states[now], parts=parts)
            for index, (now, parts) in enumerate(replies)
        ]

    def named(sms: Sms) -> object:
        return replace(sms, id=SmsId(0), conversation_id=None), sms.conversation_id is None

    async def act(store: Store, how: How) -> object:
        messages = [await received(store, str(n), subscriber=f"790{who}") for n, (who, *_) in enumerate(made)]
        wanted = [
            settlement(messages[n], version, *wished(n, who, replies), forwards=chats)
            for n, (who, version, replies, chats) in enumerate(made)
        ]
        results: list[Routed | None] = []
        for batch in [wanted] if how is at_once else [[each] for each in wanted]:
            results += await settle(store, batch)
        rows = await store.list_sms(list(SmsState), limit=999)
        posts = await store.claim_posts(["a", "b"], now=NOW, limit=999)
        return (
            [result and [named(sms) for sms in result.sending] for result in results],
            [await store.get_inbound(message.id) for message in messages],
            [await store.contact(f"790{who}") for who in range(10)],
            sorted(((sms.key, named(sms)) for sms in rows), key=lambda pair: pair[0]),
            sorted((each.chat, each.inbound.id) for each in posts if each.inbound is not None),
            await spent(store),
        )

    assert on_a_store(factory, act, at_once) == on_a_store(factory, act, in_turn)
