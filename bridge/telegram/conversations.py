"""Which conversation an operator's message belongs to, and the topic a conversation has.

In a chat with topics the topic decides. Elsewhere a reply decides: by the stored mapping of the message replied to, or,
where a crash or the group's move cut the mapping off, by the short id that every post of the bot carries.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Protocol
from weakref import WeakValueDictionary

import structlog
from telegram import Message, MessageOriginUser

from bridge.model.base import ConversationId
from bridge.model.chat import Conversation
from bridge.model.contact import Contact
from bridge.ports.chats import ChatStore, PostStore
from bridge.ports.desk import DeskStore
from bridge.telegram.chats import Chat, Chats
from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import ApiError, FailureKind
from bridge.telegram.posts.render import topic_name
from bridge.value import value_object

log = structlog.get_logger()

_CHAT_WIDE = frozenset(
    {
        FailureKind.LATER,
        FailureKind.UNREACHABLE,
        FailureKind.AMBIGUOUS,
        FailureKind.MIGRATED,
        FailureKind.UNAUTHORISED,
        FailureKind.CONFLICT,
    }
)
"""What a call that was refused so says of the chat or of Telegram, not of the topic."""
_CODE = re.compile(r"^#([0-9a-z]{3,12})$", re.MULTILINE)
"""A line of its own: the renderer lets no line from outside look like that without one of its own behind it."""


class PlaceStore(ChatStore, PostStore, DeskStore, Protocol):
    """The parts of the store that know messages."""


class Place(StrEnum):
    FOUND = "found"
    TALK = "talk"
    """Colleagues among themselves: nothing leaves, nothing is said."""
    LOST = "lost"
    """Meant for somebody, and nobody knows for whom: the author must be told."""


@value_object
class Placed:
    place: Place
    conversation: Conversation | None = None
    meant: Conversation | None = None
    """Of a lost message: whose number its topic bears. For telling the author where to write, never for sending."""


TALK = Placed(place=Place.TALK)
LOST = Placed(place=Place.LOST)


async def place(message: Message, chat: Chat, chats: Chats, bot_id: int, store: PlaceStore) -> Placed:
    if answers_elsewhere(message, bot_id):
        return LOST
    replied = answered(message)
    names = chats.names(chat)
    if chat.topics and message.is_topic_message and message.message_thread_id is not None:
        found = await store.conversation_of_topic(message.chat.id, message.message_thread_id)
        if found is not None:
            about = None if replied is None else await _replied_to(replied, chat, names, bot_id, store)
            if about is not None and about.id != found.id:
                # A word about somebody else that stands here, such as what became of a `/sms`: who is meant?
                return LOST
            if chat.settings.send == "all":
                return Placed(place=Place.FOUND, conversation=found)
            # Where only replies leave, a reply to a colleague's word is talk like everything else.
            if replied is None or (not from_bot(replied, bot_id) and about is None):
                return TALK
            return Placed(place=Place.FOUND, conversation=found)
        if replied is None and made_by_bot(message, bot_id):
            # A crash came between making this topic and storing it: it bears a number and leads nowhere.
            return Placed(place=Place.LOST, meant=await _named(message, names, store))
    if replied is None:
        return TALK
    found = await _replied_to(replied, chat, names, bot_id, store)
    if found is not None:
        return Placed(place=Place.FOUND, conversation=found)
    return LOST if from_bot(replied, bot_id) else TALK


async def _named(message: Message, names: Sequence[str], store: PlaceStore) -> Conversation | None:
    """By the name that the bot gave the topic: it ends in the number."""
    created = message.reply_to_message.forum_topic_created if message.reply_to_message is not None else None
    if created is None or not created.name.strip():
        return None
    number = created.name.split()[-1].removeprefix("+")
    for name in names:
        if found := await store.conversation_with(name, number):
            return found
    return None


def topic_link(chat_id: int, thread_id: int) -> str:
    """Opens the topic for members of the group."""
    return f"https://t.me/c/{str(chat_id).removeprefix('-100')}/{thread_id}"


async def _replied_to(
    replied: Message, chat: Chat, names: Sequence[str], bot_id: int, store: PlaceStore
) -> Conversation | None:
    """Whose words are these? Message numbers start anew when a group moves, and the stored mapping follows the move,
    so a number alone may point at a message of the old group: what the message itself shows must agree with it."""
    if replied.from_user is None or not replied.from_user.is_bot:
        sms = await store.sms_of_message(replied.chat.id, replied.message_id)
        if sms is None or sms.chat_id != replied.chat.id or sms.conversation_id is None:
            return None
        return await store.conversation(sms.conversation_id)
    codes = _CODE.findall(replied.text or replied.caption or "")
    mapped = await store.conversation_of(replied.chat.id, replied.message_id)
    # The last code counts: the bot writes it at the end, an SMS's text may hold another.
    if mapped is not None and (mapped.code == codes[-1] if codes else not chat.moved):
        return mapped
    if not codes or not from_bot(replied, bot_id):
        # Of the bot that this team had before, only what is on record counts: any bot can copy a code.
        return None
    for name in names:
        if found := await store.conversation_of_code(name, codes[-1]):
            return found
    return None


def answered(message: Message) -> Message | None:
    """The message this one replies to. Everything in a topic formally replies to the topic's creation: no reply."""
    replied = message.reply_to_message
    if replied is None or replied.forum_topic_created is not None:
        return None
    if message.is_topic_message and replied.message_id == message.message_thread_id:
        return None
    return replied


def answers_elsewhere(message: Message, bot_id: int) -> bool:
    """A reply to a post of the bot in another topic or chat: the post it shows and the place it stands in mean
    different conversations."""
    origin = message.external_reply.origin if message.external_reply is not None else None
    return isinstance(origin, MessageOriginUser) and origin.sender_user.id == bot_id


def made_by_bot(message: Message, bot_id: int) -> bool:
    """Did the bot make the topic this message stands in? Only a message that answers nothing else shows it."""
    created = message.reply_to_message
    return created is not None and created.forum_topic_created is not None and from_bot(created, bot_id)


def from_bot(message: Message, bot_id: int) -> bool:
    return message.from_user is not None and message.from_user.id == bot_id


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
        if error.kind in _CHAT_WIDE:
            raise
        if error.kind is not FailureKind.NOT_MODIFIED:
            log.info("topic_not_changed", failure=error.kind, detail=error.detail)
