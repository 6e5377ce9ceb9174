"""Callers of the callback that never give up, and remember each answer they got.

They live outside of the service, so what they were answered outlives it, however it ends.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bridge.sandbox.platform import SimulatedPlatform
from bridge.sandbox.records import CallbackResult
from tests.service import LOOK_AGAIN, Service


@dataclass(frozen=True, slots=True)
class Answer:
    """To one call; times by the monotonic clock, in seconds."""

    began: float
    ended: float
    brought: CallbackResult


class Stubborn:
    """Every message has a subscriber of its own, so a reply sent twice shows in the platform's book."""

    def __init__(self, service: Service, platform: SimulatedPlatform, *, count: int, pause: float = 0) -> None:
        """``pause`` in seconds, after each acknowledgement."""
        self._pause = pause
        self._service = service
        self._platform = platform
        self._count = count
        self._numbers = itertools.count(1)
        self._stopping = asyncio.Event()
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.acknowledged: dict[str, str] = {}
        """smsid → subscriber."""
        self.answers: list[Answer] = []
        """Those with an HTTP answer, in the order in which they ended."""

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """They call while the block runs; a call under way is finished."""
        self._stopping.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(self._count):
                group.create_task(self._run())
            try:
                yield
            finally:
                self._stopping.set()

    async def _run(self) -> None:
        while not self._stopping.is_set():
            await self._bring_one()
            await asyncio.sleep(self._pause)

    async def _bring_one(self) -> None:
        """A new message, until it is acknowledged or nobody waits for that any more."""
        number = next(self._numbers)
        smsid, sender = str(1_000_000 + number), f"79{number:09d}"
        while not self._stopping.is_set():
            began = time.monotonic()
            brought = await self._platform.send_callback(
                self._service.callback_url, text=f"эхо {smsid}", sender=sender, smsid=smsid, date="2026-01-06 12:00:00"
            )
            if brought.status:
                self.answers.append(Answer(began, time.monotonic(), brought))
            if brought.acknowledged:
                self.acknowledged[smsid] = sender
            waiting, self._answered = self._answered, asyncio.get_running_loop().create_future()
            waiting.set_result(None)
            if brought.acknowledged:
                return
            await asyncio.sleep(LOOK_AGAIN)  # it is down or ill: no use in calling faster

    async def until(self, reached: Callable[[], bool], *, seconds: float = 60) -> None:
        """Wait until it is so; asked after every call. :raises TimeoutError: it did not come."""
        async with asyncio.timeout(seconds):
            while not reached():
                await asyncio.shield(self._answered)

    async def until_acknowledged(self, more: int, *, seconds: float = 60) -> None:
        """Wait for so many acknowledgements more than there are now."""
        wanted = len(self.acknowledged) + more
        await self.until(lambda: len(self.acknowledged) >= wanted, seconds=seconds)
