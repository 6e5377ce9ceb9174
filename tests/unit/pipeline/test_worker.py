"""Loops outlive what they run: a failing step is tried again, told once, and its end is told."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from bridge.errors import StoreUnavailable
from bridge.pipeline.signals import Signal
from bridge.pipeline.worker import StoreOutage, keep_alive, run_steps
from tests.clock import ManualClock


async def test_a_failing_step_is_tried_again_and_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    calls = 0

    async def step() -> int:
        nonlocal calls
        calls += 1
        if calls <= 5:
            raise StoreUnavailable("the disk is full")
        return 1_000

    task = asyncio.create_task(run_steps("router", step, Signal(), clock))
    for _ in range(6):
        await clock.until_sleepers(1)
        await clock.advance(10_000)
    assert calls >= 6
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    printed = capsys.readouterr().out
    assert printed.count("store_unavailable") == 1
    assert printed.count("store_available") == 1


async def test_the_stores_absence_is_told_once_for_all_loops(capsys: pytest.CaptureFixture[str]) -> None:
    clock, outage, away = ManualClock(), StoreOutage(), True

    async def step() -> int:
        if away:
            raise StoreUnavailable("the server is away")
        return 1_000

    loops = [asyncio.create_task(run_steps(name, step, Signal(), clock, outage)) for name in ("router", "outbox")]
    for _ in range(4):
        await clock.until_sleepers(2)
        await clock.advance(10_000)
    printed = capsys.readouterr().out
    assert printed.count("store_unavailable") == 1
    assert "store_available" not in printed
    away = False
    await clock.until_sleepers(2)
    await clock.advance(10_000)
    await clock.until_sleepers(2)
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    printed = capsys.readouterr().out
    assert printed.count("store_available") == 1
    assert "store_unavailable" not in printed


async def test_waits_between_failures_grow_and_stay_short_enough_to_recover_within_five_seconds() -> None:
    clock = ManualClock()
    tried: list[int] = []

    async def step() -> int:
        tried.append(clock.now())
        raise StoreUnavailable("away")

    task = asyncio.create_task(run_steps("router", step, Signal(), clock))
    for _ in range(15):
        await clock.until_sleepers(1)
        deadline = clock.next_deadline
        assert deadline is not None
        await clock.advance(deadline - clock.now())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    gaps = [later - earlier for earlier, later in pairwise(tried)]
    assert gaps[0] <= 200
    assert max(gaps) <= 5_000


async def test_a_signal_wakes_a_waiting_loop() -> None:
    clock = ManualClock()
    signal = Signal()
    woken = asyncio.Event()
    calls = 0

    async def step() -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            woken.set()
        return 5_000

    task = asyncio.create_task(run_steps("router", step, signal, clock))
    await clock.until_sleepers(1)
    signal.set()
    await asyncio.wait_for(woken.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_part_that_dies_is_started_again() -> None:
    clock = ManualClock()
    started = 0

    async def part() -> None:
        nonlocal started
        started += 1
        raise RuntimeError("a fault of ours")

    task = asyncio.create_task(keep_alive("telegram", part, clock))
    for _ in range(3):
        await clock.until_sleepers(1)
        await clock.advance(60_000)
    assert started >= 3
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
