"""The tests' own clock keeps its word: it stands still, wakes in order, and leaves nothing behind."""

from __future__ import annotations

import asyncio

import pytest

from tests.clock import ManualClock


async def test_a_set_event_ends_the_wait_at_once() -> None:
    clock, event = ManualClock(0), asyncio.Event()
    event.set()
    assert await clock.wait(event, 5_000)
    assert clock.sleepers == 0


async def test_no_time_is_an_answer_without_waiting() -> None:
    assert not await ManualClock(0).wait(asyncio.Event(), 0)


async def test_the_deadline_ends_the_wait_and_not_a_millisecond_earlier() -> None:
    clock = ManualClock(0)
    waiting = asyncio.create_task(clock.wait(asyncio.Event(), 1_000))
    await clock.until_sleepers()
    assert clock.next_deadline == 1_000
    await clock.advance(999)
    assert not waiting.done()
    await clock.advance(1)
    assert waiting.done()
    assert not await waiting


async def test_an_event_ends_a_wait_without_deadline() -> None:
    clock, event = ManualClock(0), asyncio.Event()
    waiting = asyncio.create_task(clock.wait(event, None))
    await clock.until_sleepers()
    await clock.advance(10_000_000)
    assert not waiting.done()
    event.set()
    assert await waiting
    assert clock.sleepers == 0


async def test_sleepers_wake_in_the_order_of_their_deadlines_each_at_its_own_time() -> None:
    clock = ManualClock(0)
    woken: list[tuple[str, int]] = []

    async def sleep(name: str, *naps: int) -> None:
        for nap in naps:
            await clock.wait(asyncio.Event(), nap)
            woken.append((name, clock.now()))

    tasks = [asyncio.create_task(sleep("late", 300)), asyncio.create_task(sleep("early", 100, 100, 200))]
    await clock.until_sleepers(2)
    await clock.advance(350)
    assert woken == [("early", 100), ("early", 200), ("late", 300)]
    assert clock.now() == 350
    await clock.advance(50)
    assert woken[-1] == ("early", 400)
    await asyncio.gather(*tasks)


async def test_a_jump_of_the_wall_clock_neither_wakes_nor_delays_anybody() -> None:
    clock = ManualClock(0)
    tasks = [asyncio.create_task(clock.wait(asyncio.Event(), 1_000)) for _ in range(2)]
    await clock.until_sleepers(2)
    clock.jump(5_000)
    await clock.advance(999)
    assert not any(task.done() for task in tasks)
    clock.jump(-90_000)
    await clock.advance(1)
    assert all(task.done() for task in tasks)
    assert (clock.now(), clock.monotonic(), clock.elsewhere().now()) == (-84_000, 1_000, 1_000)


async def test_time_that_is_set_forward_has_passed_and_never_runs_back() -> None:
    clock = ManualClock(1_000)
    clock.set(3_000)
    assert (clock.now(), clock.monotonic()) == (3_000, 3_000)
    clock.set(500)
    assert (clock.now(), clock.monotonic()) == (500, 3_000)


async def test_a_cancelled_wait_is_forgotten() -> None:
    clock = ManualClock(0)
    waiting = asyncio.create_task(clock.wait(asyncio.Event(), 1_000))
    await clock.until_sleepers()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert clock.sleepers == 0


async def test_waiting_for_sleepers_is_bounded() -> None:
    with pytest.raises(TimeoutError):
        await ManualClock(0).until_sleepers(1, timeout_s=0.01)
