"""The one way a loop runs: find work in the tables, do it, wait for a signal or a due time; survive everything.

A loop must not end while the service runs. What a step raises is told once when trouble begins and once when it ends,
the store's absence once for all loops; in between the step is tried again with growing waits, so neither the log nor
the disk is flooded.
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
from bridge.telemetry.lines import frames

log = structlog.get_logger()

IDLE: Ms = 5 * SECOND
"""The slow look under every signal: work that nobody signalled (another process, a lost signal) is found by it."""
LONGEST_PAUSE: Ms = 5 * SECOND

Step = Callable[[], Awaitable[Ms]]
"""Does what is due and returns in how many milliseconds it wants to be called again at the latest; 0: at once."""


class StoreOutage:
    """The store's absence as several loops meet it: told when the first does, and when the last is through it."""

    def __init__(self) -> None:
        self._met: set[str] = set()

    def meet(self, loop: str, error: StoreUnavailable) -> None:
        if not self._met:
            log.error("store_unavailable", loop=loop, error=str(error))
        self._met.add(loop)

    def leave(self, loop: str) -> bool:
        """False where this loop had not met it."""
        if loop not in self._met:
            return False
        self._met.discard(loop)
        if not self._met:
            log.info("store_available")
        return True


async def run_steps(name: str, step: Step, signal: Signal, clock: Clock, outage: StoreOutage | None = None) -> None:
    """Run ``step`` until cancelled. ``outage``: shared by loops that tell of the store's absence together."""
    outage = outage or StoreOutage()
    failures = 0
    while True:
        try:
            wait = await step()
        except Exception as error:  # the loop outlives any fault of one step; cancellation passes
            failures += 1
            if isinstance(error, StoreUnavailable):
                outage.meet(name, error)
            elif failures == 1:
                log.error("loop_failed", loop=name, error_class=type(error).__name__, trace=frames(error))
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
    """A look that is worth taking after ``every`` milliseconds only, however often the loop comes round."""

    def __init__(self, every: Ms, clock: Clock) -> None:
        self._every = every
        self._clock = clock
        self._look_at: Ms = 0
        """In monotonic time."""

    async def step(self, look: Callable[[], Awaitable[None]]) -> Ms:
        """:raises Exception: what ``look`` raises; it is tried again with the next step."""
        began = self._clock.monotonic()
        if began < self._look_at:
            return self._look_at - began
        await look()
        self._look_at = began + self._every
        return self._every


async def keep_alive(name: str, run: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Run a part that has loops of its own, and start it again should it ever end or fail; until cancelled."""
    failures = 0
    while True:
        failures += 1
        try:
            await run()
            log.error("part_ended", part=name)
        except Exception as error:  # a fault in one part must not take the others along
            log.error("part_failed", part=name, error_class=type(error).__name__, trace=frames(error))
        await clock.sleep(backoff(failures, random.random()))
