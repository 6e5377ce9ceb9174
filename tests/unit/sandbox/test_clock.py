"""The sandbox's clock: when time is moved on, waits end as if the time had passed."""

from __future__ import annotations

import asyncio

from bridge.model.base import HOUR
from bridge.sandbox.clock import SandboxClock

LONG_S = 30


async def test_what_waits_ends_when_its_time_has_been_passed_over() -> None:
    clock = SandboxClock()
    short, long = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(clock.wait(short, HOUR))
    second = asyncio.create_task(clock.wait(long, 3 * HOUR))
    await asyncio.sleep(0)
    before, steady = clock.now(), clock.monotonic()
    clock.later(2 * HOUR)
    async with asyncio.timeout(LONG_S):
        assert await first is False
    assert not second.done()
    assert clock.now() - before >= 2 * HOUR
    assert clock.monotonic() - steady >= 2 * HOUR
    long.set()
    async with asyncio.timeout(LONG_S):
        assert await second is True


async def test_time_may_be_passed_over_while_a_wait_is_just_ending() -> None:
    clock = SandboxClock()
    waits = [asyncio.create_task(clock.wait(asyncio.Event(), HOUR)) for _ in range(3)]
    await asyncio.sleep(0)
    clock.later(HOUR)
    clock.later(HOUR)
    async with asyncio.timeout(LONG_S):
        assert await asyncio.gather(*waits) == [False] * 3


async def test_a_wait_without_an_end_hears_its_event() -> None:
    clock = SandboxClock()
    event = asyncio.Event()
    wait = asyncio.create_task(clock.wait(event, None))
    await asyncio.sleep(0)
    clock.later(HOUR)
    await asyncio.sleep(0)
    assert not wait.done()
    event.set()
    assert await wait is True
