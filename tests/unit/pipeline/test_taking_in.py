"""A callback is one transaction: stored, decided and settled. What cannot be decided at once is left to the router."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bridge.errors import StoreError
from bridge.model.base import ADMIN_CHAT
from bridge.model.decision import Reply
from bridge.model.inbound import AcceptedCall, InboundCall, InboundState
from bridge.model.sms import SmsState
from bridge.pipeline.inbox import Inbox
from bridge.pipeline.routing import BATCH
from bridge.store.sqlite.store import SqliteStore
from tests.inbox import brought, inbox_of
from tests.unit.pipeline.sender import Sender, sender, until
from tests.unit.pipeline.test_routing_failures import message, router, routing, state_of

Decide = Callable[[str], tuple[Reply, ...]]
TOO_LARGE = 2**70
"""No column holds that."""


def yes(text: str) -> tuple[Reply, ...]:
    return (Reply(text="да"),)


def inbox(around: Sender, decide: Decide = yes) -> Inbox:
    return inbox_of(around.services, routing(around, decide))


def calls(around: Sender, count: int) -> list[InboundCall]:
    return [message(around, f"{n}", f"7999{n:07}") for n in range(count)]


async def together(taking: Inbox, calls: Sequence[InboundCall]) -> list[AcceptedCall | BaseException]:
    return await asyncio.gather(*(brought(taking, call) for call in calls), return_exceptions=True)


def commits(around: Sender) -> int:
    assert isinstance(around.store, SqliteStore)
    return around.store.writer.commits


async def states(around: Sender, results: Sequence[AcceptedCall | BaseException]) -> list[InboundState]:
    return [await state_of(around, each.id) for each in results if isinstance(each, AcceptedCall)]


async def test_many_callbacks_are_stored_decided_and_settled_by_one_commit(tmp_path: Path) -> None:
    async with sender(tmp_path, connections=BATCH) as around:
        before = commits(around)
        results = await together(inbox(around), calls(around, BATCH))
        assert commits(around) == before + 1
        assert await states(around, results) == [InboundState.ROUTED] * BATCH
        await until_taken(around, BATCH)


async def until_taken(around: Sender, count: int) -> None:
    async def taken() -> bool:
        await around.outbox.step()
        return len(around.platform.book) == count

    await until(taken)
    await around.quiet()
    assert len(around.platform.book) == count
    assert around.channel.in_flight == 0


async def test_replies_that_find_no_slot_are_queued_and_go_later(tmp_path: Path) -> None:
    async with sender(tmp_path, connections=2) as around:
        results = await together(inbox(around), calls(around, 9))
        assert await states(around, results) == [InboundState.ROUTED] * 9
        await until_taken(around, 9)


async def test_a_message_behind_an_older_one_of_its_number_is_left_to_the_router_in_its_order(tmp_path: Path) -> None:
    async with sender(tmp_path, connections=9) as around:
        first = message(around, "раз", "79990000001")
        second = replace(first, smsid="2", text="два", content_hash=b"2")
        results = await together(inbox(around, lambda text: (Reply(text=text),)), [first, second])
        assert await states(around, results) == [InboundState.ROUTED, InboundState.NEW]
        assert around.signals.inbound.is_set()
        third = replace(first, smsid="3", text="три", content_hash=b"3")
        behind = await brought(inbox(around, lambda text: (Reply(text=text),)), third)
        assert await state_of(around, behind.id) is InboundState.NEW
        left = router(around, lambda text: (Reply(text=text),))
        while await left.step() == 0:
            pass
        await until_taken(around, 3)
        assert [sms.text for sms in around.platform.book] == ["раз", "два", "три"]


async def test_a_slow_rule_delays_no_acknowledgement_of_its_batch(tmp_path: Path) -> None:
    """The batch takes as long as one slow decision, not as long as all of them."""

    def slow(text: str) -> tuple[Reply, ...]:
        until = time.monotonic() + 0.05
        while time.monotonic() < until:
            pass
        return ()

    async with sender(tmp_path) as around:
        before = commits(around)
        results = await together(inbox(around, slow), calls(around, 20))
        assert commits(around) == before + 1
        done = await states(around, results)
        assert done.count(InboundState.ROUTED) == 1
        assert done.count(InboundState.NEW) == 19
        left = router(around, slow)
        while await left.step() == 0:
            pass
        assert await states(around, results) == [InboundState.ROUTED] * 20


async def test_one_callback_that_cannot_be_stored_is_refused_alone(tmp_path: Path) -> None:
    async with sender(tmp_path, connections=BATCH) as around:
        batch = calls(around, BATCH)
        batch[17] = replace(batch[17], received_at=TOO_LARGE)
        results = await together(inbox(around), batch)
        assert [n for n, each in enumerate(results) if isinstance(each, Exception)] == [17]
        assert isinstance(results[17], StoreError)
        await left_to_the_router(around, yes)
        await until_taken(around, BATCH - 1)


async def left_to_the_router(around: Sender, decide: Decide) -> None:
    left = router(around, decide)
    while await left.step() == 0:
        pass


async def test_one_reply_that_cannot_be_stored_is_put_to_people_and_takes_none_along(tmp_path: Path) -> None:
    def decide(text: str) -> tuple[Reply, ...]:
        return (Reply(text="да", ttl=TOO_LARGE if text == "17" else None),)

    async with sender(tmp_path, connections=BATCH) as around:
        results = await together(inbox(around, decide), calls(around, BATCH))
        assert all(isinstance(each, AcceptedCall) and each.new for each in results), "all are acknowledged"
        await left_to_the_router(around, decide)
        done = await states(around, results)
        assert [n for n, state in enumerate(done) if state is InboundState.QUARANTINED] == [17]
        assert done.count(InboundState.ROUTED) == BATCH - 1
        posts = await around.store.claim_posts([ADMIN_CHAT], now=around.clock.now(), limit=9)
        assert len(posts) == 1
        await until_taken(around, BATCH - 1)


async def test_what_comes_during_a_transaction_goes_into_the_next(tmp_path: Path) -> None:
    async with sender(tmp_path, connections=BATCH) as around:
        taking = inbox(around, lambda _: ())
        results: list[AcceptedCall | Exception] = []
        before = commits(around)
        batch = calls(around, 3 * BATCH)
        for call in batch:
            taking.take(call, results.append)
        await taking.idle()
        assert len(results) == 3 * BATCH
        assert commits(around) == before + 3


STOPS = 40


async def test_a_stop_under_load_ends_every_time_and_loses_nothing(tmp_path: Path) -> None:
    """Slots, batches that were asked for, and outcomes that wait for a ride all have an end."""
    for stop in range(STOPS):
        (tmp_path / str(stop)).mkdir()
        async with sender(tmp_path / str(stop), connections=4) as around:
            taking = inbox(around)
            results: list[AcceptedCall | Exception] = []
            for call in calls(around, 30):
                taking.take(call, results.append)
            for _ in range(stop):
                await asyncio.sleep(0)
            async with asyncio.timeout(10):
                await taking.idle()
                await around.outbox.drain(2_000)
            assert len(results) == 30
            assert all(isinstance(each, AcceptedCall) for each in results)
            assert around.channel.in_flight == 0
            assert not await around.store.list_sms([SmsState.SENDING], limit=99)
            sent = await around.store.list_sms([SmsState.SENT, SmsState.UNCERTAIN], limit=99)
            assert around.platform.taken <= len(sent), "what was taken is known as sent, or as unknown"
