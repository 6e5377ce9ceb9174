"""Which conversation an operator's message belongs to, and the topic of each conversation.

In a chat with topics the topic decides. Elsewhere a reply decides: by the stored mapping of the message replied to, or,
where a crash or the group's move cut the mapping off, by the short id that every post of the bot carries.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from enum import StrEnum
from weakref import WeakValueDictionary

import structlog
from telegram import Message

from bridge.model.base import ConversationId
from bridge.model.chat import Conversation
from bridge.model.contact import Contact
from bridge.ports.chats import ChatStore
from bridge.telegram.chats import Chat
from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import PASSING, ApiError, FailureKind
from bridge.telegram.context import OperatorContext
from bridge.telegram.incoming import IncomingMessage, from_bot
from bridge.telegram.posts.render import topic_name
from bridge.value import value_object

log = structlog.get_logger()

_CODE = re.compile(r"^#([0-9a-z]{3,12})$", re.MULTILINE)
"""A line of its own: the renderer lets no line from outside look like that without one of its own behind it."""


class Match(StrEnum):
    """Whether an operator's message belongs to a conversation."""

    FOUND = "found"
    INTERNAL = "internal"
    """Colleagues among themselves: nothing leaves, and the bot says nothing."""
    UNKNOWN = "unknown"
    """Meant for a subscriber, and not known for which: the author must be told."""


@value_object
class Located:
    match: Match
    conversation: Conversation | None = None
    probable: Conversation | None = None
    """Of an unknown one: the conversation whose number its topic bears. For telling the author where to write, never
    for sending."""


_INTERNAL = Located(match=Match.INTERNAL)
_UNKNOWN = Located(match=Match.UNKNOWN)


async def locate(message: IncomingMessage, context: OperatorContext) -> Located:
    """The conversation that a message belongs to."""
    if message.replies_elsewhere:
        return _UNKNOWN
    replied = message.replied_to
    store, chat, bot_id = context.store, message.chat, message.bot_id
    if chat.topics and message.thread_id is not None:
        found = await store.conversation_of_topic(message.chat_id, message.thread_id)
        if found is not None:
            about = None if replied is None else await _replied_to(replied, chat, context)
            if about is not None and about.id != found.id:
                # A post about another conversation that stands here, such as the status of a `/sms`: who is meant?
                return _UNKNOWN
            if chat.settings.send == "all":
                return Located(match=Match.FOUND, conversation=found)
            # Where only replies leave, a reply to a colleague's word is internal like everything else.
            if replied is None or (not from_bot(replied, bot_id) and about is None):
                return _INTERNAL
            return Located(match=Match.FOUND, conversation=found)
        if replied is None and message.in_topic_of_bot:
            # A crash came between making this topic and storing it: it bears a number and leads nowhere.
            return Located(match=Match.UNKNOWN, probable=await _named(message, context))
    if replied is None:
        return _INTERNAL
    found = await _replied_to(replied, chat, context)
    if found is not None:
        return Located(match=Match.FOUND, conversation=found)
    return _UNKNOWN if from_bot(replied, bot_id) else _INTERNAL


async def _named(message: IncomingMessage, context: OperatorContext) -> Conversation | None:
    """By the name that the bot gave the topic: it ends in the number."""
    first = message.raw.reply_to_message
    created = first.forum_topic_created if first is not None else None
    if created is None or not created.name.strip():
        return None
    number = created.name.split()[-1].removeprefix("+")
    for name in context.chats.names(message.chat):
        if found := await context.store.conversation_with(name, number):
            return found
    return None


def topic_link(chat_id: int, thread_id: int) -> str:
    """Opens the topic for members of the group; only supergroups have topics."""
    return f"https://t.me/c/{str(chat_id).removeprefix('-100')}/{thread_id}"


async def _replied_to(replied: Message, chat: Chat, context: OperatorContext) -> Conversation | None:
    """The conversation of the message replied to.

    Message ids start anew when a group moves, and the stored mapping follows the move, so an id alone may point at a
    message of the old group: what the message itself shows must agree with it.
    """
    store = context.store
    if replied.from_user is None or not replied.from_user.is_bot:
        sms = await store.sms_of_message(replied.chat.id, replied.message_id)
        if sms is None or sms.chat_id != replied.chat.id or sms.conversation_id is None:
            return None
        return await store.conversation(sms.conversation_id)
    codes = _CODE.findall(replied.text or replied.caption or "")
    mapped = await store.conversation_of(replied.chat.id, replied.message_id)
    # The last code counts: the bot writes it at the end, an SMS's text may contain another.
    if mapped is not None and (mapped.code == codes[-1] if codes else not chat.moved):
        return mapped
    if not codes or not from_bot(replied, context.bot_id):
        # Of the bot that this team had before, only what is on record counts: any bot can copy a code.
        return None
    return await context.conversation_by_code(chat, codes[-1])


class Topics:
    """Makes each conversation's topic once."""

    def __init__(self, api: Api, store: ChatStore) -> None:
        self._api = api
        self._store = store
        self._locks: WeakValueDictionary[ConversationId, asyncio.Lock] = WeakValueDictionary()

    async def of(
        self, conversation: Conversation, chat: Chat, contact: Contact | None, turn: Callable[[], Awaitable[None]]
    ) -> tuple[int, bool]:
        """The topic's thread id, and whether it was made now. It is stored before anything is posted into it.

        ``turn`` is awaited before the call that makes one.

        What the caller holds may be older than the topic (two messages claimed together), so the store is asked under
        the lock. :raises ApiError: Telegram would not make it.
        """
        lock = self._locks.setdefault(conversation.id, asyncio.Lock())
        async with lock:
            current = await self._store.conversation(conversation.id)
            if current is not None and current.thread_id is not None:
                return current.thread_id, False
            await turn()
            thread_id = await self._api.create_topic(chat.id, topic_name(conversation, contact))
            await self._store.set_topic(conversation.id, chat.id, thread_id)
            log.info("topic_made", conversation_id=conversation.id, chat=chat.name, thread_id=thread_id)
            return thread_id, True

    async def shown(
        self,
        conversation: Conversation,
        chat: Chat,
        contact: Contact | None,
        turn: Callable[[], Awaitable[None]],
        *,
        renamed: bool,
    ) -> None:
        """Open or close the topic as the store says; ``renamed``: give it the name that the contact has now.

        What holds there already is no call's failure, and a topic that is gone is made anew by what is said next.
        :raises ApiError: the chat takes nothing now.
        """
        thread_id = conversation.thread_id
        if thread_id is None:
            return
        if renamed:
            await turn()
            await _tolerated(self._api.rename_topic(chat.id, thread_id, topic_name(conversation, contact)))
        await turn()
        if conversation.closed_at is not None:
            await _tolerated(self._api.close_topic(chat.id, thread_id))
        else:
            await _tolerated(self._api.reopen_topic(chat.id, thread_id))

    async def forget(self, conversation: Conversation, chat: Chat, thread_id: int) -> None:
        """The topic was deleted in Telegram. A newer one made meanwhile is kept."""
        lock = self._locks.setdefault(conversation.id, asyncio.Lock())
        async with lock:
            current = await self._store.conversation(conversation.id)
            if current is not None and current.thread_id == thread_id:
                await self._store.set_topic(conversation.id, chat.id, None)
                log.info("topic_gone", conversation_id=conversation.id, chat=chat.name, thread_id=thread_id)


async def _tolerated(call: Awaitable[None]) -> None:
    """How a topic looks is worth no retry that the next message would not make anyway."""
    try:
        await call
    except ApiError as error:
        if error.kind in PASSING or error.kind is FailureKind.MIGRATED:
            raise
        if error.kind is not FailureKind.NOT_MODIFIED:
            log.info("topic_not_changed", failure=error.kind, detail=error.detail)
