"""The topic of each conversation: made once, and kept as the store says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from weakref import WeakValueDictionary

import structlog

from bridge.model.base import ConversationId
from bridge.model.chat import Conversation
from bridge.model.contact import Contact
from bridge.model.post import PostPriority
from bridge.ports.chats import ChatStore
from bridge.telegram.chats import Chat
from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import PASSING, ApiError, FailureKind
from bridge.telegram.client.rate_limit import RateLimiter
from bridge.telegram.posts.render import topic_name

log = structlog.get_logger()


class Topics:
    def __init__(self, api: Api, store: ChatStore, limiter: RateLimiter) -> None:
        self._api = api
        self._store = store
        self._limiter = limiter
        self._locks: WeakValueDictionary[ConversationId, asyncio.Lock] = WeakValueDictionary()

    async def thread(
        self, conversation: Conversation, chat: Chat, contact: Contact | None, priority: PostPriority
    ) -> tuple[int, bool]:
        """The topic's thread id, and whether it was made now. It is stored before anything is posted into it.

        The caller's ``conversation`` may be older than its topic (two posts claimed together), so the store is asked
        under the lock.

        :raises ApiError: Telegram did not make it.
        """
        lock = self._locks.setdefault(conversation.id, asyncio.Lock())
        async with lock:
            current = await self._store.conversation(conversation.id)
            if current is not None and current.thread_id is not None:
                return current.thread_id, False
            await self._limiter.take(chat.id, priority)
            thread_id = await self._api.create_topic(chat.id, topic_name(conversation, contact))
            await self._store.set_topic(conversation.id, chat.id, thread_id)
            log.info("topic_made", conversation_id=conversation.id, chat=chat.name, thread_id=thread_id)
            return thread_id, True

    async def refresh(
        self,
        conversation: Conversation,
        chat: Chat,
        contact: Contact | None,
        priority: PostPriority,
        *,
        renamed: bool,
    ) -> None:
        """Opens or closes the topic as the store says. A deleted one is left to the next post, which makes it anew.

        :param renamed: also give it the name that the contact has now.
        :raises ApiError: the chat takes no calls now.
        """
        thread_id = conversation.thread_id
        if thread_id is None:
            return
        if renamed:
            await self._limiter.take(chat.id, priority)
            await _tolerated(self._api.rename_topic(chat.id, thread_id, topic_name(conversation, contact)))
        await self._limiter.take(chat.id, priority)
        if conversation.closed_at is not None:
            await _tolerated(self._api.close_topic(chat.id, thread_id))
        else:
            await _tolerated(self._api.reopen_topic(chat.id, thread_id))

    async def forget(self, conversation: Conversation, chat: Chat, thread_id: int) -> None:
        """The topic was deleted in Telegram. If another one was made since, that one is kept."""
        lock = self._locks.setdefault(conversation.id, asyncio.Lock())
        async with lock:
            current = await self._store.conversation(conversation.id)
            if current is not None and current.thread_id == thread_id:
                await self._store.set_topic(conversation.id, chat.id, None)
                log.info("topic_gone", conversation_id=conversation.id, chat=chat.name, thread_id=thread_id)


async def _tolerated(call: Awaitable[None]) -> None:
    """Ignores refusals of this topic: how a topic looks is worth no retry. :raises ApiError: other failures."""
    try:
        await call
    except ApiError as error:
        if error.kind in PASSING or error.kind is FailureKind.MIGRATED:
            raise
        if error.kind is not FailureKind.NOT_MODIFIED:
            log.info("topic_not_changed", failure=error.kind, detail=error.detail)
