"""Changes a chat: sends, edits and deletes messages, sets reactions, makes and changes topics, within the rate limit.

It finds a way where Telegram refuses a single message: formatting is left out, a closed topic is opened, a message for
a topic that is gone goes to the group. Failures of the whole chat are the caller's: it decides whether to try again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from bridge.model.post import PostPriority
from bridge.telegram.chats import Chat
from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import PASSING, ApiError, FailureKind
from bridge.telegram.client.message import Message
from bridge.telegram.client.rate_limit import RateLimiter
from bridge.value import value_object

log = structlog.get_logger()

_NOT_OF_THE_TOPIC = PASSING | {FailureKind.MIGRATED}
"""Failures of a topic call that concern the chat. Telegram answers "not enough rights" where only topics are meant."""


@value_object
class Sent:
    message_id: int
    reopened: bool
    """The topic was closed; it was opened for this message."""


class ChatSender:
    """Every method waits for the rate limit first. It raises :class:`ApiError` if the call failed."""

    def __init__(self, api: Api, limiter: RateLimiter) -> None:
        self._api = api
        self._limiter = limiter

    async def send(
        self,
        chat: Chat,
        message: Message,
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
                    raise

    async def edit(self, chat: Chat, message_id: int, message: Message, priority: PostPriority) -> bool:
        """False if the message is gone or may not be edited any more."""
        await self._limiter.take(chat.id, priority)
        try:
            await self._api.edit(chat.id, message_id, message)
        except ApiError as error:
            if error.kind in (FailureKind.MESSAGE_GONE, FailureKind.REFUSED):
                return False
            if error.kind is not FailureKind.NOT_MODIFIED:
                raise
        return True

    async def delete(self, chat: Chat, message_id: int, priority: PostPriority) -> bool:
        """False if the message is too old to be deleted."""
        await self._limiter.take(chat.id, priority)
        try:
            await self._api.delete(chat.id, message_id)
        except ApiError as error:
            if error.kind is FailureKind.REFUSED:
                return False
            if error.kind is not FailureKind.MESSAGE_GONE:
                raise
        return True

    async def react(self, chat: Chat, message_id: int, emoji: str) -> None:
        await self._limiter.take_reaction(chat.id)
        try:
            await self._api.react(chat.id, message_id, emoji)
        except ApiError as error:
            if error.kind not in (FailureKind.MESSAGE_GONE, FailureKind.NOT_MODIFIED):
                raise

    async def create_topic(self, chat: Chat, name: str, priority: PostPriority) -> int:
        """Returns the topic's thread id."""
        await self._limiter.take(chat.id, priority)
        return await self._api.create_topic(chat.id, name)

    async def rename_topic(self, chat: Chat, thread_id: int, name: str, priority: PostPriority) -> None:
        await self._change_topic(chat, priority, lambda: self._api.rename_topic(chat.id, thread_id, name))

    async def close_topic(self, chat: Chat, thread_id: int, priority: PostPriority) -> None:
        await self._change_topic(chat, priority, lambda: self._api.close_topic(chat.id, thread_id))

    async def open_topic(self, chat: Chat, thread_id: int, priority: PostPriority) -> bool:
        """False if Telegram refuses."""
        return await self._change_topic(chat, priority, lambda: self._api.reopen_topic(chat.id, thread_id))

    async def _change_topic(self, chat: Chat, priority: PostPriority, call: Callable[[], Awaitable[None]]) -> bool:
        """A refusal is no error: the next message for the topic tries again."""
        await self._limiter.take(chat.id, priority)
        try:
            await call()
        except ApiError as error:
            if error.kind in _NOT_OF_THE_TOPIC:
                raise
            if error.kind is not FailureKind.NOT_MODIFIED:
                log.info("topic_not_changed", chat=chat.name, failure=error.kind, detail=error.detail)
                return False
        return True
