"""Changes a chat: sends, edits and deletes messages, sets reactions, makes and changes topics, within the rate limit.

If Telegram refuses a single message, the sender tries another way: it leaves the formatting out, opens a closed topic,
or sends a message for a topic that is gone to the group. If the whole chat fails, the caller decides whether to try
again.
"""

from __future__ import annotations

from collections.abc import Awaitable

import structlog

from bridge.model.post import PostPriority
from bridge.telegram.chats import Chat
from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import PASSING, ApiError, FailureKind
from bridge.telegram.client.message import ChatMessage
from bridge.telegram.client.rate_limit import RateLimiter
from bridge.value import value_object

log = structlog.get_logger()

_LOST = (FailureKind.MESSAGE_GONE, FailureKind.REFUSED)
"""The message is gone, or Telegram does not let the bot change it any more."""
_TOPIC_FAILURES = tuple(set(FailureKind) - PASSING - {FailureKind.MIGRATED})
"""Failures of a topic call that say nothing about the chat. "Not enough rights" is one of them: sending messages needs
fewer rights."""


@value_object
class Sent:
    message_id: int
    reopened: bool
    """The topic was closed; it was opened for this message."""


class ChatSender:
    """Every method waits for the rate limit first. It raises :class:`ApiError` if the call failed, and pauses the chat
    if Telegram asks for that."""

    def __init__(self, api: Api, limiter: RateLimiter) -> None:
        self._api = api
        self._limiter = limiter

    async def send(
        self,
        chat: Chat,
        message: ChatMessage,
        priority: PostPriority,
        *,
        thread_id: int | None,
        reply_to: int | None,
        or_group: bool,
        reopen: bool,
    ) -> Sent:
        """Sends a message into a topic, or into the group if ``thread_id`` is None.

        ``or_group``: if the topic is gone, the message goes to the group.
        ``reopen``: if the topic is closed, it is opened; otherwise the message goes to the group.
        """
        plain = reopened = False
        while True:
            await self._limiter.take(chat.id, priority)
            try:
                sent = await self._api.send(chat.id, message, thread_id=thread_id, reply_to=reply_to, plain=plain)
                return Sent(message_id=sent, reopened=reopened)
            except ApiError as error:
                if error.kind is FailureKind.TOPIC_CLOSED and thread_id is not None:
                    reopened = reopen and not reopened and await self.open_topic(chat, thread_id, priority)
                    thread_id = thread_id if reopened else None
                elif error.kind is FailureKind.THREAD_GONE and thread_id is not None and or_group:
                    thread_id = None
                elif error.kind in (FailureKind.ENTITIES, FailureKind.REFUSED) and not plain:
                    plain = True
                else:
                    self._pause(chat, error)
                    raise

    async def edit(self, chat: Chat, message_id: int, message: ChatMessage, priority: PostPriority) -> bool:
        """False if the message is gone or may not be edited any more."""
        await self._limiter.take(chat.id, priority)
        call = self._api.edit(chat.id, message_id, message)
        return await self._tolerating(chat, call, *_LOST, FailureKind.NOT_MODIFIED) not in _LOST

    async def drop_buttons(self, chat: Chat, message_id: int, priority: PostPriority) -> None:
        await self._limiter.take(chat.id, priority)
        await self._tolerating(chat, self._api.drop_buttons(chat.id, message_id), *_LOST, FailureKind.NOT_MODIFIED)

    async def delete(self, chat: Chat, message_id: int, priority: PostPriority) -> bool:
        """False if the message is too old to be deleted."""
        await self._limiter.take(chat.id, priority)
        failure = await self._tolerating(chat, self._api.delete(chat.id, message_id), *_LOST)
        return failure is not FailureKind.REFUSED

    async def react(self, chat: Chat, message_id: int, emoji: str) -> None:
        await self._limiter.take_reaction(chat.id)
        call = self._api.react(chat.id, message_id, emoji)
        await self._tolerating(chat, call, FailureKind.MESSAGE_GONE, FailureKind.NOT_MODIFIED)

    async def create_topic(self, chat: Chat, name: str, priority: PostPriority) -> int:
        """Returns the topic's thread id."""
        await self._limiter.take(chat.id, priority)
        try:
            return await self._api.create_topic(chat.id, name)
        except ApiError as error:
            self._pause(chat, error)
            raise

    async def rename_topic(self, chat: Chat, thread_id: int, name: str, priority: PostPriority) -> bool:
        """False if Telegram refuses; the next post for the topic tries again. The same holds for the changes below."""
        await self._limiter.take(chat.id, priority)
        return await self._topic_changed(chat, self._api.rename_topic(chat.id, thread_id, name))

    async def close_topic(self, chat: Chat, thread_id: int, priority: PostPriority) -> bool:
        await self._limiter.take(chat.id, priority)
        return await self._topic_changed(chat, self._api.close_topic(chat.id, thread_id))

    async def open_topic(self, chat: Chat, thread_id: int, priority: PostPriority) -> bool:
        await self._limiter.take(chat.id, priority)
        return await self._topic_changed(chat, self._api.reopen_topic(chat.id, thread_id))

    async def _topic_changed(self, chat: Chat, call: Awaitable[None]) -> bool:
        failure = await self._tolerating(chat, call, *_TOPIC_FAILURES)
        if failure is None or failure is FailureKind.NOT_MODIFIED:
            return True
        log.info("topic_change_refused", chat=chat.name, failure=failure)
        return False

    async def _tolerating(self, chat: Chat, call: Awaitable[None], *tolerated: FailureKind) -> FailureKind | None:
        """The tolerated failure of the call; None if it succeeded."""
        try:
            await call
        except ApiError as error:
            if error.kind in tolerated:
                return error.kind
            self._pause(chat, error)
            raise
        return None

    def _pause(self, chat: Chat, error: ApiError) -> None:
        if error.kind is FailureKind.LATER:
            log.warning("flood_limit_reached", chat=chat.name, wait=error.retry_after)
            self._limiter.pause(chat.id, error.retry_after)
