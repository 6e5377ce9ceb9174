"""The topic of each conversation in a group with topics: made once, then named, opened and closed as the store says."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

import structlog

from bridge.model.alert import Alert
from bridge.model.base import ConversationId
from bridge.model.chat import Conversation, Post
from bridge.model.contact import Contact
from bridge.model.post import PostPriority
from bridge.ports.clock import Clock
from bridge.ports.store import Store
from bridge.telegram.chats import Chat
from bridge.telegram.client.errors import ApiError, FailureKind
from bridge.telegram.client.sender import ChatSender
from bridge.telegram.texts.labels import topic_name
from bridge.value import value_object

log = structlog.get_logger()

_GROUP_WITHOUT_TOPICS = frozenset({FailureKind.NO_TOPICS, FailureKind.CHAT_GONE, FailureKind.REFUSED})
"""Failures after which a message goes to the group instead of a new topic."""


@value_object
class Topic:
    thread_id: int | None
    """None: Telegram refused to make one (``refusal``)."""
    is_new: bool = False
    refusal: ApiError | None = None


class Topics:
    def __init__(self, sender: ChatSender, store: Store, clock: Clock) -> None:
        self._sender = sender
        self._store = store
        self._clock = clock
        self._locks: WeakValueDictionary[ConversationId, asyncio.Lock] = WeakValueDictionary()

    async def of(self, conversation: Conversation, chat: Chat, post: Post) -> Topic:
        """The conversation's topic. If there is none, it is made, and stored before any post goes into it.

        If two posts were claimed together, ``conversation`` may be older than its topic, so the store is asked again.
        :raises ApiError: the chat takes nothing now.
        """
        async with self._lock(conversation):
            current = await self._store.conversation(conversation.id)
            if current is not None and current.thread_id is not None:
                return Topic(thread_id=current.thread_id)
            try:
                name = topic_name(conversation, post.contact)
                thread_id = await self._sender.create_topic(chat, name, post.priority)
            except ApiError as error:
                if error.kind not in _GROUP_WITHOUT_TOPICS:
                    raise
                return Topic(thread_id=None, refusal=error)
            await self._store.set_topic(conversation.id, chat.id, thread_id)
        log.info("topic_created", conversation_id=conversation.id, chat=chat.name, thread_id=thread_id)
        now = self._clock.now()
        await self._store.clear_alert(_alert_key(chat), "alert.telegram_topics_ok", {"chat": chat.name}, now)
        return Topic(thread_id=thread_id, is_new=True)

    async def report_refusal(self, chat: Chat, error: ApiError) -> None:
        """Tells the admin chat, once, that the bot cannot make topics in the group."""
        log.warning("topics_refused", chat=chat.name, detail=error.detail)
        params = {"chat": chat.name, "detail": error.detail}
        alert = Alert(key=_alert_key(chat), text="alert.telegram_topics", params=params)
        await self._store.raise_alert(alert, self._clock.now())

    async def rename(
        self, conversation: Conversation, chat: Chat, contact: Contact | None, priority: PostPriority
    ) -> None:
        """Gives the topic the name that the contact has now."""
        if (thread_id := conversation.thread_id) is not None:
            await self._sender.rename_topic(chat, thread_id, topic_name(conversation, contact), priority)

    async def open_or_close(self, conversation: Conversation, chat: Chat, priority: PostPriority) -> None:
        """Opens the topic of an open conversation, and closes that of a closed one."""
        if (thread_id := conversation.thread_id) is None:
            return
        if conversation.closed_at is not None:
            await self._sender.close_topic(chat, thread_id, priority)
        else:
            await self._sender.open_topic(chat, thread_id, priority)

    async def forget(self, conversation: Conversation, chat: Chat, thread_id: int) -> None:
        """Forgets a topic that was deleted in Telegram. If the conversation has a new topic by now, that one stays."""
        async with self._lock(conversation):
            current = await self._store.conversation(conversation.id)
            if current is not None and current.thread_id == thread_id:
                await self._store.set_topic(conversation.id, chat.id, None)
                log.info("topic_forgotten", conversation_id=conversation.id, chat=chat.name, thread_id=thread_id)

    def _lock(self, conversation: Conversation) -> asyncio.Lock:
        return self._locks.setdefault(conversation.id, asyncio.Lock())


def _alert_key(chat: Chat) -> str:
    return f"telegram:topics:{chat.name}"
