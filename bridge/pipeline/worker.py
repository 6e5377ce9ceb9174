"""Runs loops: a step finds work in the tables and does it, then the loop waits for a signal or a due time.

A loop does not end while the service runs. When a step fails, the loop logs that once, tries again with growing waits,
and logs once that it has recovered. If the store is away, all loops together log that once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import structlog

from bridge.errors import StoreUnavailable
from bridge.model.base import SECOND, Ms
from bridge.pipeline.retry import backoff
from bridge.pipeline.signals import Signal
from bridge.ports.clock import Clock
from bridge.telemetry.lines import safe_traceback

log = structlog.get_logger()

T = TypeVar("T")

IDLE: Ms = 5 * SECOND
"""The longest wait of a loop. So it also finds work that comes without a signal: from another process, or after a lost
signal."""
MAX_PAUSE: Ms = 5 * SECOND

Step = Callable[[], Awaitable[Ms]]
"""A function that does the work that is due. It returns the milliseconds after which it must be called again at the
latest; 0: at once."""


class StoreOutage:
    """Logs the absence of the store: when the first loop meets it, and when the last loop has recovered from it."""

    def __init__(self) -> None:
        self._met: set[str] = set()

    def meet(self, loop: str, error: StoreUnavailable) -> None:
        """Note that this loop failed because the store is away."""
        if not self._met:
            log.error("store_unavailable", loop=loop, error=str(error))
        self._met.add(loop)

    def leave(self, loop: str) -> bool:
        """Note that this loop has recovered. False if it had not met the outage."""
        if loop not in self._met:
            return False
        self._met.discard(loop)
        if not self._met:
            log.info("store_available")
        return True


async def run_steps(name: str, step: Step, signal: Signal, clock: Clock, outage: StoreOutage | None = None) -> None:
    """Run ``step`` until cancelled. ``outage``: shared by all loops that log the absence of the store together."""
    outage = outage or StoreOutage()
    failures = 0
    while True:
        try:
            wait = await step()
        except Exception as error:  # no fault of a step ends the loop; cancellation passes
            failures += 1
            if isinstance(error, StoreUnavailable):
                outage.meet(name, error)
            elif failures == 1:
                log.error("loop_failed", loop=name, error_class=type(error).__name__, trace=safe_traceback(error))
            wait = backoff(failures, random.random(), first=200, longest=MAX_PAUSE)
            await clock.sleep(wait)
            continue
        if failures:
            if not outage.leave(name):
                log.info("loop_recovered", loop=name, failures=failures)
            failures = 0
        if wait > 0:
            await signal.take(clock, min(wait, IDLE))


async def together(work: Iterable[Awaitable[T]]) -> list[T]:
    """Do all of the work at the same time. Returns the results in its order.

    The first error is raised only after all of it has ended, so that none runs beside the next step.
    """
    results = await asyncio.gather(*work, return_exceptions=True)
    done: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done


class Throttle:
    """Runs work at most once in ``every`` milliseconds, however often its step is called."""

    def __init__(self, every: Ms, clock: Clock) -> None:
        self._every = every
        self._clock = clock
        self._next_at: Ms = 0
        """In monotonic time."""

    async def step(self, work: Callable[[], Awaitable[None]]) -> Ms:
        """Run the work if it is time. :raises Exception: any error of ``work``; the next step runs the work again."""
        began = self._clock.monotonic()
        if began < self._next_at:
            return self._next_at - began
        await work()
        self._next_at = began + self._every
        return self._every


async def keep_alive(name: str, run: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Run a part that has its own loops, until cancelled. If the part ends or fails, start it again."""
    failures = 0
    while True:
        failures += 1
        try:
            await run()
            log.error("part_ended", part=name)
        except Exception as error:  # a fault in one part must not end the others
            log.error("part_failed", part=name, error_class=type(error).__name__, trace=safe_traceback(error))
        await clock.sleep(backoff(failures, random.random()))
