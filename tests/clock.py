"""A clock that stands still until a test moves it: no test sleeps or depends on the machine's speed.

It must not move by itself, and must wake nobody before the clock has come to that waiter's deadline.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass

from bridge.model.base import Ms
from bridge.pipeline.clock import SystemClock
from bridge.ports.clock import Clock, Waiter

TUESDAY_NOON: Ms = 1_767_700_800_000
"""2026-01-06 12:00:00 UTC: a plain moment, no weekend, no change of summer time near it."""

_TICKS = 10
"""Turns of the loop given to what was just woken. Work that needs a thread or a socket takes longer: see
:meth:`ManualClock.until_sleepers`."""


@dataclass(frozen=True, slots=True)
class _Sleeper:
    deadline: Ms | None
    order: int
    over: asyncio.Future[None]


class ManualClock(Clock):
    def __init__(self, start: Ms = TUESDAY_NOON) -> None:
        self._passed = start
        """Monotonic time; begins where the wall clock does, so that without a jump both show the same."""
        self._ahead: Ms = 0
        """The wall clock, against it."""
        self._order = itertools.count()
        self._sleepers: list[_Sleeper] = []
        self._changed = asyncio.Event()

    def now(self) -> Ms:
        return self._passed + self._ahead

    def monotonic(self) -> Ms:
        return self._passed

    def set(self, now: Ms) -> None:
        """Let time pass at once, waking nobody. Time does not run backwards: then the wall clock alone is set."""
        if (ms := now - self.now()) > 0:
            self._passed += ms
        else:
            self._ahead += ms

    def jump(self, by: Ms) -> None:
        """Set the wall clock alone, as NTP or an operator does it; no time passes."""
        self._ahead += by

    def elsewhere(self) -> Elsewhere:
        """The clock of another machine, which nobody sets."""
        return Elsewhere(self)

    @property
    def sleepers(self) -> int:
        """How many are inside :meth:`wait` now, those without a deadline included."""
        return len(self._sleepers)

    @property
    def next_deadline(self) -> Ms | None:
        """When the first sleeper is due, in monotonic time; None if nobody waits for a time."""
        return min((s.deadline for s in self._sleepers if s.deadline is not None), default=None)

    async def wait(self, event: Waiter, timeout: Ms | None) -> bool:
        """True once ``event`` is set, False once the clock was moved ``timeout`` milliseconds on."""
        happened = asyncio.ensure_future(_wait(event))
        await asyncio.sleep(0)
        if happened.done():
            await happened
            return True
        sleeper = _Sleeper(
            deadline=None if timeout is None else self._passed + timeout,
            order=next(self._order),
            over=asyncio.get_running_loop().create_future(),
        )
        if timeout is not None and timeout <= 0:
            sleeper.over.set_result(None)
        else:
            self._sleepers.append(sleeper)
            self._changed.set()
        try:
            await asyncio.wait((happened, sleeper.over), return_when=asyncio.FIRST_COMPLETED)
            came = happened.done()
        finally:
            self._forget(sleeper)
            happened.cancel()
            # The library keeps quiet about a cancelled waiter only if somebody looks at its end.
            await asyncio.gather(happened, return_exceptions=True)
        if came:
            happened.result()
        return came

    async def advance(self, ms: Ms) -> None:
        """Move the clock on. Whoever is due wakes at its own deadline, in the order of deadlines.

        Each gets turns of the loop before the next one, so a wait it starts then is woken too if due in time.
        """
        if ms < 0:
            raise ValueError("time does not run backwards; use jump() for the wall clock")
        target = self._passed + ms
        await _turns()
        while (due := self._first_due(target)) is not None:
            assert due.deadline is not None
            self._passed = max(self._passed, due.deadline)
            self._forget(due)
            if not due.over.done():
                due.over.set_result(None)
            await _turns()
        self._passed = target
        await _turns()

    async def until_sleepers(self, count: int = 1, timeout_s: float = 10) -> None:
        """Return when at least ``count`` are waiting, however long their real work (a file, a socket) takes.

        :raises TimeoutError: after ``timeout_s`` real seconds.
        """
        async with asyncio.timeout(timeout_s):
            await _turns()
            while self.sleepers < count:
                self._changed.clear()
                await self._changed.wait()
                await _turns()

    def _first_due(self, target: Ms) -> _Sleeper | None:
        due = [(s.deadline, s.order, s) for s in self._sleepers if s.deadline is not None and s.deadline <= target]
        return min(due)[2] if due else None

    def _forget(self, sleeper: _Sleeper) -> None:
        if sleeper in self._sleepers:
            self._sleepers.remove(sleeper)


class Elsewhere(Clock):
    """Runs with a :class:`ManualClock` and shows what that would show without its jumps."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def now(self) -> Ms:
        return self._clock.monotonic()

    def monotonic(self) -> Ms:
        return self._clock.monotonic()

    async def wait(self, event: Waiter, timeout: Ms | None) -> bool:
        return await self._clock.wait(event, timeout)


class ShortWaits(SystemClock):
    """The machine's time for a simulated server. A wait takes a fiftieth of its time, and the rest is skipped."""

    def __init__(self) -> None:
        self._skipped: Ms = 0

    def now(self) -> Ms:
        return super().now() + self._skipped

    def monotonic(self) -> Ms:
        return super().monotonic() + self._skipped

    async def wait(self, event: Waiter, timeout: Ms | None) -> bool:
        if timeout is None:
            return await super().wait(event, None)
        came = await super().wait(event, timeout // 50)
        if not came:
            self._skipped += timeout - timeout // 50
        return came


async def _wait(event: Waiter) -> None:
    await event.wait()


async def _turns() -> None:
    for _ in range(_TICKS):
        await asyncio.sleep(0)
