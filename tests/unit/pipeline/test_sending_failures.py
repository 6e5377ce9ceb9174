"""What was sent is never forgotten, and no place to send is ever lost, whatever goes away in the middle of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.errors import StoreUnavailable
from bridge.model.alert import Alert
from bridge.model.answers import Balance, Receipt, SendOutcome, SmsReason
from bridge.model.base import DAY, MINUTE, SECOND
from bridge.model.sms import Change, Move, SmsState
from bridge.pipeline.account_channel import UNREACHABLE_AFTER
from bridge.pipeline.account_watch import AccountWatch
from bridge.pipeline.clock import SystemClock
from bridge.pipeline.delivery import DeliveryPoller
from bridge.platforms.iba import IbaPlatform
from bridge.sandbox.faults import Fault, RequestKind
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from tests.clock import ManualClock
from tests.contract.builders import moved
from tests.unit.pipeline.sender import Sender, sender, until

# ------------------------------------------------ the store goes away


async def refused(around: Sender) -> None:
    """Until the store has refused whatever the answer of the platform made somebody write."""
    for _ in range(6):
        with pytest.raises(StoreUnavailable):
            await around.store.ping()


async def test_an_answer_that_comes_while_the_store_is_away_is_kept(tmp_path: Path) -> None:
    async with sender(tmp_path) as around:
        sms = await around.order("a")
        await around.outbox.step()
        with around.away():
            await around.platform.wait_for(lambda platform: platform.taken == 1)
            await refused(around)
        sent = await around.becomes(sms.id, SmsState.SENT)
        assert sent.platform_ids == (around.platform.book[0].id,)
        await around.quiet()


async def test_an_unknown_outcome_is_not_forgotten_where_the_probe_cannot_be_noted(tmp_path: Path) -> None:
    async with sender(tmp_path, on_unknown="probe") as around:
        around.platform.misbehave(Fault.CUT_AFTER_TAKING, delay=100)  # the store is away by then
        sms = await around.order("a")
        await around.outbox.step()
        with around.away():
            await around.platform.wait_for(lambda platform: platform.taken == 1)
            await refused(around)
        await around.becomes(sms.id, SmsState.UNCERTAIN)
        await around.quiet()
        assert len(around.platform.requests) == 1, "a probe that is not on record must not leave"


async def test_a_stop_writes_the_outcome_that_is_known_although_the_store_was_away_until_then(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sender(tmp_path, clock=clock) as around:
        first = await around.order("a")
        await around.outbox.step()
        await around.becomes(first.id, SmsState.SENT)
        await around.quiet()
        second = await around.order("b", "79990000002")
        await around.outbox.step()
        with around.away():
            await around.platform.wait_for(lambda platform: platform.taken == 2)
            await refused(around)
        # Time stands still, so the next attempt to write never comes by itself.
        await around.outbox.drain(50)
        assert (await around.row(second.id)).state is SmsState.SENT


async def test_the_all_clear_is_told_also_where_the_store_was_away_when_it_came(tmp_path: Path) -> None:
    async with sender(tmp_path) as around:
        await around.suspensions.report_unreachable(around.channel)
        around.channel.cautious = True
        sms = await around.order("a")
        await around.outbox.step()
        with around.away():
            await around.platform.wait_for(lambda platform: platform.taken == 1)
            await refused(around)
        await around.becomes(sms.id, SmsState.SENT)
        assert not await around.store.clear_alert("account:main:unreachable", "alert.platform_back", {}, 0)


async def test_a_failure_counts_once_although_the_store_refuses_its_alert(tmp_path: Path) -> None:
    async with sender(tmp_path) as around:
        around.channel.failures = UNREACHABLE_AFTER - 1
        around.platform.misbehave(Fault.HTTP_429, delay=100)  # the store is away by then
        sms = await around.order("a")
        await around.outbox.step()
        with around.away():
            await around.platform.wait_for(lambda platform: len(platform.requests) == 1)
            await refused(around)
        await around.becomes(sms.id, SmsState.QUEUED)
        assert around.channel.failures == UNREACHABLE_AFTER


async def test_a_claim_that_fails_or_is_cancelled_gives_its_slots_back(tmp_path: Path) -> None:
    async with sender(tmp_path, rate="5/1h") as around:
        await around.outbox.step()  # looks for what is stale, which the next one need not
        for number in range(5):
            await around.order(f"k{number}", f"7999000000{number}")
        with around.away():
            with pytest.raises(StoreUnavailable):
                await around.outbox.step()
            assert around.channel.in_flight == 0
            step = asyncio.create_task(around.outbox.step())

            async def taken() -> bool:
                return around.channel.in_flight > 0

            await until(taken)
            step.cancel()
            await asyncio.gather(step, return_exceptions=True)
            assert around.channel.in_flight == 0
        await around.store.ping()
        await around.outbox.step()
        await around.platform.wait_for(lambda platform: platform.taken == 5)
        await around.quiet()


# ------------------------------------------------ an ill platform


async def test_a_platform_that_is_always_busy_is_asked_less_and_less_and_told_of(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sender(tmp_path, clock=clock) as around:
        around.platform.misbehave(Fault.HTTP_429, times=None)
        await around.order("a")
        began = clock.now()
        for attempt in range(1, 8):
            await around.outbox.step()
            await around.platform.wait_for(lambda platform, attempt=attempt: len(platform.requests) >= attempt)
            await around.quiet()
            clock.set(max(clock.now(), around.channel.paused_until))
        assert clock.now() - began >= 30 * SECOND
        assert not await around.store.raise_alert(
            Alert(key="account:main:unreachable", text="alert.platform_unreachable"), clock.now()
        ), "nobody was told"


async def test_a_platform_of_unknown_outcomes_does_not_eat_the_queue(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sender(tmp_path, clock=clock) as around:
        around.platform.misbehave(Fault.HTTP_502, times=None)
        for number in range(10):
            await around.order(f"k{number}", f"7999000000{number}")
        # The first may leave together; from then on each unknown outcome costs a longer pause.
        around.channel.cautious = True
        began = clock.now()
        for attempt in range(1, 7):
            await around.outbox.step()
            await around.platform.wait_for(lambda platform, attempt=attempt: len(platform.requests) >= attempt)
            await around.quiet()
            assert len(around.platform.requests) == attempt
            assert around.channel.free_slots(clock.now()) == 0
            clock.set(around.channel.paused_until)
        assert clock.now() - began >= 15 * SECOND


# ------------------------------------------------ account faults


async def test_many_in_flight_that_meet_one_fault_are_one_suspension(tmp_path: Path) -> None:
    async with sender(tmp_path, connections=8) as around:
        around.platform.misbehave(Fault.BLOCKED, times=None, delay=50)
        for number in range(8):
            await around.order(f"k{number}", f"7999000000{number}")
        await around.outbox.step()
        await around.platform.wait_for(lambda platform: len(platform.requests) == 8)
        await around.quiet()
        state = await around.store.account_state("main")
        assert (state.suspended_reason, state.probes) == (SmsReason.BLOCKED, 0)


async def test_a_late_success_does_not_write_the_all_clear_of_a_suspended_account(tmp_path: Path) -> None:
    async with sender(tmp_path) as around:
        sms = await around.order("a")
        around.channel.cautious = True
        await around.suspensions.suspend(around.channel, reason=SmsReason.BLOCKED, detail="")
        await around.policy.decide(sms, Receipt(outcome=SendOutcome.ACCEPTED, ids=("1",)), around.channel)
        alert = Alert(key="account:main:fault", text="alert.account_fault")
        assert not await around.store.raise_alert(alert, around.clock.now())


async def test_a_suspension_ends_in_time_although_the_clock_was_set_back(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sender(tmp_path, clock=clock) as around:
        await around.suspensions.suspend(around.channel, reason=SmsReason.BLOCKED, detail="")
        clock.set(clock.now() - DAY)
        watch = AccountWatch(
            channels={"main": around.channel},
            suspensions=around.suspensions,
            leads=lambda: True,
            services=around.services,
        )
        await watch.step()
        assert not around.channel.suspended


async def test_an_account_whose_platform_does_not_answer_delays_no_other_account(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sender(tmp_path, clock=clock) as around:
        slow = SimulatedPlatform(clock=SystemClock(), account=SimulatedAccount(sender_names=None))
        await slow.start()
        slow.misbehave(Fault.HANG, times=None, on=None)
        settings = around.channel.settings.model_copy(update={"url": slow.url})
        adapter = IbaPlatform(settings)
        other = replace(around.channel, name="slow", settings=settings, platform=adapter)
        channels = {"slow": other, "main": around.channel}  # the slow one comes first
        for channel in channels.values():
            await around.suspensions.suspend(channel, reason=SmsReason.BLOCKED, detail="")
            sms = await around.order(channel.name, account=channel.name)
            await moved(around.store, sms, Move.START, clock.now())
            await around.store.move(sms.id, Move.ACCEPTED, clock.now(), Change(platform_ids=("1",), poll_at=0))
        clock.set(clock.now() + 61 * SECOND)
        watch = AccountWatch(
            channels=channels, suspensions=around.suspensions, leads=lambda: True, services=around.services
        )
        poller = DeliveryPoller(channels=channels, services=around.services)
        steps = [asyncio.create_task(watch.step()), asyncio.create_task(poller.step())]
        try:
            kinds = (RequestKind.BALANCE, RequestKind.STATUS)
            await slow.wait_for(lambda platform: all(platform.counts[kind] for kind in kinds))
            await around.platform.wait_for(lambda platform: all(platform.counts[kind] for kind in kinds))
            assert not any(step.done() for step in steps)
        finally:
            await slow.stop()  # ends the requests that wait
            await asyncio.gather(*steps)
            await adapter.close()
        assert (other.suspended, around.channel.suspended) == (True, False)


async def test_one_zero_while_the_balance_is_silent_suspends_only_until_it_answers_again(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sender(tmp_path, clock=clock) as around:
        await around.store.note_balance("main", Balance(amount=100.0, currency="RUR"), clock.now() - MINUTE)
        around.platform.balance = 100.0
        around.platform.misbehave(Fault.ZERO)
        around.platform.misbehave(Fault.EMPTY, times=2, on=RequestKind.BALANCE)
        sms = await around.order("a")
        await around.outbox.step()
        await around.quiet()
        assert around.channel.suspended
        assert (await around.row(sms.id)).state is SmsState.QUEUED
        clock.set(clock.now() + 61 * SECOND)
        await around.suspensions.probe(around.channel, await around.store.account_state("main"))
        assert not around.channel.suspended


# ------------------------------------------------ the same request


async def test_a_twin_explains_a_refusal_by_when_the_request_left_not_by_when_its_answer_came(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sender(tmp_path, clock=clock) as around:
        twin, sms = await around.order("twin"), await around.order("sms")
        await around.store.move(twin.id, Move.START, clock.now())
        await around.store.move(twin.id, Move.ACCEPTED, clock.now())
        clock.set(clock.now() + 50 * SECOND)
        started = await moved(around.store, sms, Move.START, clock.now())
        clock.set(clock.now() + 20 * SECOND)
        move, _ = await around.policy.decide(started, Receipt(outcome=SendOutcome.SAME_REQUEST), around.channel)
        assert move is Move.RETRY


async def test_no_probe_where_a_slow_twin_could_be_what_the_platform_refuses(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sender(tmp_path, clock=clock, on_unknown="probe") as around:
        twin, sms = await around.order("twin"), await around.order("sms")
        await around.store.move(twin.id, Move.START, clock.now())
        await around.store.move(twin.id, Move.ACCEPTED, clock.now())
        clock.set(clock.now() + 61 * SECOND)
        started = await moved(around.store, sms, Move.START, clock.now())
        clock.set(clock.now() + 2 * SECOND)
        # The twin's request may have reached the platform seconds after it left: its minute is not surely over.
        assert not await around.policy.may_probe(started, around.channel)
        other = replace(started, text="другое")
        assert await around.policy.may_probe(other, around.channel)


async def test_a_probe_leaves_within_45_seconds_or_not_at_all(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sender(tmp_path, clock=clock, on_unknown="probe") as around:
        rows = [await around.order("a"), await around.order("b", "79990000002")]
        began = clock.now()
        early, late = [await moved(around.store, sms, Move.START, began) for sms in rows]
        clock.set(began + 44 * SECOND)
        assert await around.policy.may_probe(early, around.channel)
        assert not await around.policy.may_probe(early, around.channel), "once an attempt"
        clock.set(began + 46 * SECOND)
        assert not await around.policy.may_probe(late, around.channel)


async def test_a_twin_from_before_the_clock_was_set_back_delays_by_a_minute_at_most(tmp_path: Path) -> None:
    clock = ManualClock()
    async with sender(tmp_path, clock=clock) as around:
        twin, sms = await around.order("twin"), await around.order("sms")
        await around.store.move(twin.id, Move.START, clock.now())
        await around.store.move(twin.id, Move.ACCEPTED, clock.now())
        clock.set(clock.now() - DAY)
        started = await moved(around.store, sms, Move.START, clock.now())
        _, change = await around.policy.decide(started, Receipt(outcome=SendOutcome.SAME_REQUEST), around.channel)
        assert change.due_at is not None
        assert change.due_at <= clock.now() + MINUTE + SECOND


# ------------------------------------------------ whose turn it is


async def test_a_new_reply_does_not_take_the_slot_that_a_waiting_one_needs(tmp_path: Path) -> None:
    async with sender(tmp_path, connections=1) as around:
        around.platform.misbehave(Fault.SLOW, delay=100)
        first, second = await around.order("a"), await around.order("b", "79990000002")
        await around.outbox.step()
        await around.outbox.step()
        await around.becomes(first.id, SmsState.SENT)
        await around.quiet()
        assert not around.outbox.reserve("main", 1), "the queue goes first"
        await around.outbox.step()
        await around.becomes(second.id, SmsState.SENT)
        await around.quiet()
        await around.outbox.step()
        assert around.outbox.reserve("main", 1)
        around.outbox.give_back("main", 1)
