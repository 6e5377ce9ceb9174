"""Which conversation an operator's message belongs to.

In a chat with topics the topic decides. Elsewhere a reply decides: by the stored mapping of the message replied to, or,
where a crash or the group's move cut the mapping off, by the short id that every post of the bot carries.
"""

from __future__ import annotations

import re
from enum import StrEnum

from telegram import Message

from bridge.model.chat import Conversation
from bridge.telegram.chats import Chat
from bridge.telegram.context import OperatorContext
from bridge.telegram.incoming import IncomingMessage, from_bot
from bridge.value import value_object

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
