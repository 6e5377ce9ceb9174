"""Runs loops: a step finds work in the tables and does it, then the loop waits for a signal or a due time.

A loop does not end while the service runs. When a step fails, the loop logs it once, tries again with growing waits,
and logs once that it has recovered. All loops log the store's absence together, once.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import structlog

from bridge.errors import StoreUnavailable
from bridge.model.base import SECOND, Ms
from bridge.pipeline.retry import backoff
from bridge.pipeline.signals import Signal
from bridge.ports.clock import Clock
from bridge.telemetry.lines import safe_traceback

log = structlog.get_logger()

IDLE: Ms = 5 * SECOND
"""Longest wait of a loop. It finds work without a signal: from another process, or after a lost signal."""
LONGEST_PAUSE: Ms = 5 * SECOND

Step = Callable[[], Awaitable[Ms]]
"""Does what is due. Returns after how many milliseconds at the latest it wants to be called again; 0: at once."""


class StoreOutage:
    """The store's absence: logged when the first loop meets it, and when the last loop has recovered from it."""

    def __init__(self) -> None:
        self._met: set[str] = set()

    def meet(self, loop: str, error: StoreUnavailable) -> None:
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
    """Run ``step`` until cancelled. ``outage``: shared by the loops that log the store's absence together."""
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
            wait = backoff(failures, random.random(), first=200, longest=LONGEST_PAUSE)
            await clock.sleep(wait)
            continue
        if failures:
            if not outage.leave(name):
                log.info("loop_recovered", loop=name, failures=failures)
            failures = 0
        if wait > 0:
            await signal.take(clock, min(wait, IDLE))


class Throttle:
    """Runs work at most every ``every`` milliseconds, however often its step is called."""

    def __init__(self, every: Ms, clock: Clock) -> None:
        self._every = every
        self._clock = clock
        self._next_at: Ms = 0
        """In monotonic time."""

    async def step(self, work: Callable[[], Awaitable[None]]) -> Ms:
        """Run the work if it is time. :raises Exception: what ``work`` raises; the next step tries it again."""
        began = self._clock.monotonic()
        if began < self._next_at:
            return self._next_at - began
        await work()
        self._next_at = began + self._every
        return self._every


async def keep_alive(name: str, run: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Run a part that has loops of its own until cancelled. If it ends or fails, start it again."""
    failures = 0
    while True:
        failures += 1
        try:
            await run()
            log.error("part_ended", part=name)
        except Exception as error:  # a fault in one part must not end the others
            log.error("part_failed", part=name, error_class=type(error).__name__, trace=safe_traceback(error))
        await clock.sleep(backoff(failures, random.random()))
