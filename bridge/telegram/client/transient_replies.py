"""Sends answers that are not stored (searches, lists), within the chat's rate limit.

A restart loses them, and the operator asks again. Stored posts would keep subscribers' texts a second time, and would
show yesterday's balance once Telegram is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from weakref import WeakValueDictionary

import structlog

from bridge.errors import StoreError
from bridge.model.base import MINUTE, SECOND, Ms
from bridge.model.post import PostPriority
from bridge.ports.clock import Clock
from bridge.telegram.chats import Chat
from bridge.telegram.client.errors import ApiError, FailureKind
from bridge.telegram.client.message import ChatMessage
from bridge.telegram.client.rate_limit import RateLimiter
from bridge.telegram.client.sender import ChatSender
from bridge.telemetry.lines import safe_traceback
from bridge.value import value_object

log = structlog.get_logger()

_MAX_TRIES = 4
_RETRY_AFTER: Ms = 5 * SECOND
_MAX_WAIT: Ms = 5 * MINUTE
"""An answer that could be sent only after this time is dropped: it is of no use by then."""
_RETRIED = frozenset({FailureKind.UNREACHABLE, FailureKind.AMBIGUOUS})
_PRIORITY = PostPriority.STATUS
"""Leaves room for new SMS."""


@value_object
class Search:
    """An answer that may take seconds to find."""

    find: Callable[[], Awaitable[Sequence[ChatMessage]]]


class TransientReplies:
    def __init__(self, sender: ChatSender, limiter: RateLimiter, clock: Clock) -> None:
        self._sender = sender
        self._limiter = limiter
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._chat_locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._searching = asyncio.Lock()
        """One search at a time, so that other readers of the store stay free."""

    def send(
        self, chat: Chat, answer: Sequence[ChatMessage] | Search, *, thread_id: int | None, reply_to: int | None
    ) -> None:
        """Begins to send the answer and returns at once. A later request may be answered before this one."""
        task = asyncio.create_task(self._send(chat, answer, thread_id, reply_to))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(
        self, chat: Chat, answer: Sequence[ChatMessage] | Search, thread_id: int | None, reply_to: int | None
    ) -> None:
        messages = await self._found(chat, answer) if isinstance(answer, Search) else answer
        began = self._clock.monotonic()
        # The messages of two answers must not mix.
        async with self._chat_locks.setdefault(chat.id, asyncio.Lock()):
            for message in messages:
                if not await self._sent(chat, message, thread_id, reply_to, began):
                    return

    async def _found(self, chat: Chat, search: Search) -> Sequence[ChatMessage]:
        for _ in range(_MAX_TRIES):
            try:
                async with self._searching:
                    return await search.find()
            except StoreError as error:
                log.warning("search_delayed", chat=chat.name, error=str(error))
                await self._clock.sleep(_RETRY_AFTER)
            except Exception as error:  # nothing awaits this task, and another try would fail in the same way
                log.error(
                    "search_failed",
                    chat=chat.name,
                    error_class=type(error).__name__,
                    trace=safe_traceback(error),
                )
                break
        log.warning("answer_abandoned", chat=chat.name)
        return ()

    async def _sent(
        self, chat: Chat, message: ChatMessage, thread_id: int | None, reply_to: int | None, began: Ms
    ) -> bool:
        for _ in range(_MAX_TRIES):
            while wait := self._limiter.wait(chat.id, _PRIORITY):
                await self._clock.sleep(wait)
            if self._clock.monotonic() - began > _MAX_WAIT:
                log.info("answer_expired", chat=chat.name)
                return False
            try:
                await self._sender.send(
                    chat, message, _PRIORITY, thread_id=thread_id, reply_to=reply_to, or_group=True, reopen=False
                )
                return True
            except ApiError as error:
                if error.kind in _RETRIED:
                    await self._clock.sleep(_RETRY_AFTER)
                elif error.kind is not FailureKind.LATER:
                    log.warning("answer_refused", chat=chat.name, failure=error.kind, detail=error.detail)
                    return False
        log.warning("answer_abandoned", chat=chat.name)
        return False
