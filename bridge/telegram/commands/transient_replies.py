"""Looks for and says answers that are not kept: beside the updates that follow, at the chat's pace, a few times if
store or Telegram refuse.

A kill loses them and nothing else: they show the state of the moment, and whoever asked asks again. Kept posts would
hold texts of subscribers a second time, and show yesterday's balance once Telegram is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from weakref import WeakValueDictionary

import structlog

from bridge.errors import StoreError
from bridge.model.base import MINUTE, SECOND, Ms
from bridge.model.post import PostPriority
from bridge.ports.clock import Clock
from bridge.telegram.chats import Chat
from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import ApiError, FailureKind
from bridge.telegram.client.message import Message
from bridge.telegram.client.rate_limit import RateLimiter
from bridge.telemetry.lines import frames

log = structlog.get_logger()

_TRIES = 4
_PAUSE: Ms = 5 * SECOND
_WORTH_WAITING: Ms = 5 * MINUTE
"""An answer that is later than that answers nobody any more."""
_AGAIN = frozenset({FailureKind.LATER, FailureKind.UNREACHABLE, FailureKind.AMBIGUOUS})
_ELSEWHERE = frozenset({FailureKind.THREAD_GONE, FailureKind.TOPIC_CLOSED})


class TransientReplies:
    def __init__(self, *, api: Api, limiter: RateLimiter, clock: Clock) -> None:
        self._api = api
        self._limiter = limiter
        self._clock = clock
        self._saying: set[asyncio.Task[None]] = set()
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._looking = asyncio.Lock()
        """One search at a time: others of the store's readers stay free."""

    def say(self, chat: Chat, messages: Sequence[Message], *, thread: int | None, reply_to: int | None) -> None:
        self._beside(self._all(chat, messages, thread, reply_to))

    def look(
        self,
        chat: Chat,
        found: Callable[[], Awaitable[Sequence[Message]]],
        *,
        thread: int | None,
        reply_to: int | None,
    ) -> None:
        """``found`` may take seconds: nothing waits for it, and what is asked meanwhile is answered first."""
        self._beside(self._looked(chat, found, thread, reply_to))

    def _beside(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)

    async def stop(self) -> None:
        tasks = tuple(self._saying)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _looked(
        self,
        chat: Chat,
        found: Callable[[], Awaitable[Sequence[Message]]],
        thread: int | None,
        reply_to: int | None,
    ) -> None:
        for _ in range(_TRIES):
            try:
                async with self._looking:
                    messages = await found()
            except StoreError as error:
                log.warning("answer_not_found", chat=chat.name, error=str(error))
                await self._clock.sleep(_PAUSE)
            except Exception as error:  # nobody waits for this task, and another try would end the same way
                log.error("search_failed", chat=chat.name, error_class=type(error).__name__, trace=frames(error))
                break
            else:
                await self._all(chat, messages, thread, reply_to)
                return
        log.warning("answer_given_up", chat=chat.name)

    async def _all(self, chat: Chat, messages: Sequence[Message], thread: int | None, reply_to: int | None) -> None:
        began = self._clock.monotonic()
        # One answer after the other, each whole.
        async with self._turns.setdefault(chat.id, asyncio.Lock()):
            for message in messages:
                if not await self._one(chat, message, thread, reply_to, began):
                    return

    async def _one(self, chat: Chat, message: Message, thread: int | None, reply_to: int | None, began: Ms) -> bool:
        for _ in range(_TRIES):
            await self._limiter.take(chat.id, PostPriority.STATUS)
            if self._clock.monotonic() - began > _WORTH_WAITING:
                log.info("answer_too_late", chat=chat.name)
                return False
            try:
                await self._api.send(chat.id, message, thread_id=thread, reply_to=reply_to)
            except ApiError as error:
                if error.kind in _ELSEWHERE and thread is not None:
                    # Into the group then; the code in it tells what it is about.
                    thread = None
                elif error.kind is FailureKind.LATER:
                    self._limiter.pause(chat.id, error.retry_after)
                elif error.kind in _AGAIN:
                    await self._clock.sleep(_PAUSE)
                else:
                    log.warning("answer_refused", chat=chat.name, failure=error.kind, detail=error.detail)
                    return False
            else:
                return True
        log.warning("answer_given_up", chat=chat.name)
        return False
