"""Whose turn it is: waits for room in Telegram's budgets, and takes it. Await one before each call of a chat."""

from __future__ import annotations

from bridge.model.post import PostPriority
from bridge.pipeline.worker import Never
from bridge.ports.clock import Clock
from bridge.telegram.client.rate_limit import RateBudget


class RateLimiter:
    def __init__(self, pace: RateBudget, clock: Clock) -> None:
        self._pace = pace
        self._clock = clock

    async def message(self, chat_id: int, priority: PostPriority) -> None:
        """For a message, an edit or a topic."""
        while wait := self._pace.wait(chat_id, priority, self._clock.monotonic()):
            await self._clock.wait(Never(), wait)
        self._pace.note(chat_id, self._clock.monotonic())

    async def reaction(self, chat_id: int) -> None:
        while wait := self._pace.wait_reaction(chat_id, self._clock.monotonic()):
            await self._clock.wait(Never(), wait)
        self._pace.note_reaction(self._clock.monotonic())
