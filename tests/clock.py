"""A clock that stands still until a test moves it: no test sleeps or depends on the machine's speed.

It must not move by itself, and must wake nobody before the clock has come to that waiter's deadline.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass

from bridge.model import Ms
from bridge.ports import Waiter

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


class ManualClock:
    """Implements :class:`bridge.ports.Clock`."""

    def __init__(self, start: Ms = TUESDAY_NOON) -> None:
        self._now = start
        self._order = itertools.count()
        self._sleepers: list[_Sleeper] = []
        self._changed = asyncio.Event()

    def now(self) -> Ms:
        return self._now

    def set(self, now: Ms) -> None:
        """Let the wall clock jump, as NTP or an operator does it; wakes nobody."""
        self._now = now

    @property
    def sleepers(self) -> int:
        """How many are inside :meth:`wait` now, those without a deadline included."""
        return len(self._sleepers)

    @property
    def next_deadline(self) -> Ms | None:
        """When the first sleeper is due; None if nobody waits for a time."""
        return min((s.deadline for s in self._sleepers if s.deadline is not None), default=None)

    async def wait(self, event: Waiter, timeout: Ms | None) -> bool:
        """True once ``event`` is set, False once the clock was moved ``timeout`` milliseconds on."""
        happened = asyncio.ensure_future(_wait(event))
        await asyncio.sleep(0)
        if happened.done():
            await happened
            return True
        sleeper = _Sleeper(
            deadline=None if timeout is None else self._now + timeout,
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
            raise ValueError("time does not run backwards; use set() for a jump of the wall clock")
        target = self._now + ms
        await _turns()
        while (due := self._first_due(target)) is not None:
            assert due.deadline is not None
            self._now = max(self._now, due.deadline)
            self._forget(due)
            if not due.over.done():
                due.over.set_result(None)
            await _turns()
        self._now = target
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


async def _wait(event: Waiter) -> None:
    await event.wait()


async def _turns() -> None:
    for _ in range(_TICKS):
        await asyncio.sleep(0)
