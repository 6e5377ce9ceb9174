"""A jump of the machine's clock: passed over while it may be taken back, then taken over with all that waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.config import AccountSettings, Settings
from bridge.errors import StoreUnavailable
from bridge.model.base import DAY, HOUR, MINUTE, SECOND, Ms, SmsId
from bridge.model.record import LongestWaits
from bridge.model.sms import Move, SmsState
from bridge.pipeline.clock import SteadyClock
from bridge.pipeline.clockwatch import MIN_JUMP, TAKE_OVER_AFTER, ClockWatch, longest_waits
from bridge.pipeline.delivery import DeliveryPoller
from bridge.pipeline.outcomes import MIN_TWIN_AGE
from bridge.sandbox.faults import Fault, RequestKind
from tests.clock import TUESDAY_NOON, ManualClock
from tests.contract.builders import reply
from tests.unit.pipeline.sender import Sender, sender

OTHER = "79990000002"
LONGEST = LongestWaits(sms=MINUTE, poll=MINUTE, post=HOUR, takeover=HOUR)


@dataclass(kw_only=True, slots=True)
class Watched:
    around: Sender
    machine: ManualClock
    clock: SteadyClock
    watch: ClockWatch

    async def passes(self, ms: Ms) -> None:
        """Time, with a look at the clock every few seconds."""
        for _ in range(0, ms, 5 * SECOND):
            await self.machine.advance(5 * SECOND)
            await self.watch.step()

    async def ends(self, sms_id: SmsId) -> Ms:
        """How long the row may wait yet."""
        expires_at = (await self.around.row(sms_id)).expires_at
        assert expires_at is not None
        return expires_at - self.clock.now()


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    machine = ManualClock()
    clock = SteadyClock(machine)
    status = {"poll": ["1m"], "give_up": "12h"}
    async with sender(tmp_path, clock=clock, on_unknown="probe", status=status) as around:
        watch = ClockWatch(
            clock=clock,
            channels={"main": around.channel},
            leads=lambda: True,
            longest=LONGEST,
            services=around.services,
        )
        await watch.step()
        yield Watched(around=around, machine=machine, clock=clock, watch=watch)


def test_a_reply_that_is_held_back_longest_is_not_called_planned_by_a_wrong_clock() -> None:
    settings = Settings(
        file=Path("config.yaml"), accounts={"main": AccountSettings(login="a", password="b", sender="c")}
    )
    telegram = settings.telegram.model_copy(update={"undo": 10 * MINUTE})
    assert longest_waits(settings.model_copy(update={"telegram": telegram})).sms == 10 * MINUTE
    assert longest_waits(settings).sms < 10 * MINUTE


def test_the_steady_clock_shows_what_it_would_have_shown() -> None:
    machine = ManualClock()
    clock = SteadyClock(machine)
    machine.jump(DAY)
    assert clock.now() == TUESDAY_NOON
    assert clock.jumped_by() == DAY
    machine.set(machine.now() + MINUTE)
    assert clock.now() == TUESDAY_NOON + MINUTE
    clock.take_over(DAY)
    assert clock.now() == machine.now()


@pytest.mark.parametrize("by", [DAY, -DAY])
async def test_a_jump_that_is_taken_back_soon_was_none(watched: Watched, by: Ms) -> None:
    watched.machine.jump(by)
    await watched.passes(TAKE_OVER_AFTER - 5 * SECOND)
    assert watched.clock.now() == watched.machine.now() - by
    watched.machine.jump(-by)
    await watched.passes(2 * TAKE_OVER_AFTER)
    assert watched.clock.now() == watched.machine.now() == watched.machine.monotonic()


@pytest.mark.parametrize("by", [DAY, -DAY])
async def test_one_that_stands_is_taken_over_and_a_ttl_goes_on(watched: Watched, by: Ms) -> None:
    sms = await watched.around.store.enqueue(reply("k", expires_at=watched.clock.now() + HOUR))
    watched.machine.jump(by)
    await watched.passes(TAKE_OVER_AFTER + 10 * SECOND)
    assert watched.clock.now() == watched.machine.now()
    assert await watched.ends(sms.id) == HOUR - TAKE_OVER_AFTER - 10 * SECOND
    watched.machine.jump(-by)
    await watched.passes(TAKE_OVER_AFTER + 10 * SECOND)
    assert await watched.ends(sms.id) == HOUR - 2 * (TAKE_OVER_AFTER + 10 * SECOND)


async def test_a_clock_that_jumps_on_is_not_believed_before_it_stands(watched: Watched) -> None:
    watched.machine.jump(DAY)
    for _ in range(5):
        await watched.passes(TAKE_OVER_AFTER - 30 * SECOND)
        watched.machine.jump(HOUR)
    assert watched.clock.now() == watched.machine.monotonic()


async def test_a_small_step_is_taken_over_as_it_comes(watched: Watched) -> None:
    watched.machine.jump(MIN_JUMP - 1)
    await watched.passes(5 * SECOND)
    assert watched.clock.now() == watched.machine.now()


@pytest.mark.parametrize("by", [DAY, -DAY])
async def test_without_the_store_the_clock_waits_too(watched: Watched, by: Ms) -> None:
    sms = await watched.around.store.enqueue(reply("k", expires_at=watched.clock.now() + HOUR))
    watched.machine.jump(by)
    await watched.passes(TAKE_OVER_AFTER)
    with watched.around.away(), pytest.raises(StoreUnavailable):
        await watched.passes(5 * SECOND)
    assert watched.clock.jumped_by() == by
    await watched.passes(5 * SECOND)
    assert watched.clock.jumped_by() == 0
    assert await watched.ends(sms.id) == HOUR - TAKE_OVER_AFTER - 10 * SECOND


async def test_no_probe_while_the_store_may_be_wrong_about_what_left_lately(watched: Watched) -> None:
    """A twin that left a moment ago is on record for yesterday: its refusal would pass for a proof."""
    around = watched.around
    twin, sms, later = await around.order("twin"), await around.order("sms"), await around.order("later", OTHER)
    watched.machine.jump(DAY)
    await watched.passes(TAKE_OVER_AFTER)
    await around.store.move(twin.id, Move.START, watched.clock.now())
    await around.store.move(twin.id, Move.ACCEPTED, watched.clock.now())
    await watched.passes(5 * SECOND)
    assert watched.clock.jumped_by() == 0
    await around.store.move(sms.id, Move.START, watched.clock.now())
    assert await around.store.identical_since(await around.row(sms.id), watched.clock.now() - MIN_TWIN_AGE) is None
    assert not await around.policy.may_probe(await around.row(sms.id), around.channel)
    await watched.passes(MIN_TWIN_AGE)
    await around.store.move(later.id, Move.START, watched.clock.now())
    assert await around.policy.may_probe(await around.row(later.id), around.channel)


@pytest.mark.parametrize("by", [DAY, -DAY])
async def test_a_take_over_between_a_question_and_its_answer_ends_no_patience(watched: Watched, by: Ms) -> None:
    around = watched.around
    poller = DeliveryPoller(channels={"main": around.channel}, services=around.services)
    sms = await around.order("k")
    await around.outbox.step()
    await around.becomes(sms.id, SmsState.SENT)
    watched.machine.jump(by)
    await watched.passes(TAKE_OVER_AFTER)
    await watched.machine.advance(5 * SECOND)
    around.platform.misbehave(Fault.SLOW, on=RequestKind.STATUS, delay=300)
    asking = asyncio.create_task(poller.step())
    await around.platform.wait_for(lambda platform: platform.counts[RequestKind.STATUS] > 0)
    await watched.watch.step()
    assert watched.clock.jumped_by() == 0
    assert not asking.done()
    await asking
    assert (await around.row(sms.id)).state is SmsState.SENT


async def test_the_router_and_a_clock_that_is_set_wait_for_each_other(watched: Watched) -> None:
    seen: list[Ms] = []

    async def route() -> Ms:
        before = watched.clock.now()
        await watched.around.store.newest_sms()
        seen.append(watched.clock.now() - before)
        return 0

    step = watched.watch.without_clock_change(route)
    watched.machine.jump(DAY)
    await watched.passes(TAKE_OVER_AFTER)
    await watched.machine.advance(5 * SECOND)
    await asyncio.gather(*(step() for _ in range(20)), watched.watch.step(), *(step() for _ in range(20)))
    assert watched.clock.jumped_by() == 0
    assert set(seen) == {0}
