"""Finds the conversation that an operator's message belongs to.

In a chat with topics the topic decides. Elsewhere the message replied to decides: the store maps it to a conversation.
If a crash or a move of the group broke the mapping, the conversation's code decides. Every post of the bot carries it.
"""

from __future__ import annotations

import re

from telegram import Message

from bridge.model.chat import Conversation
from bridge.telegram.chats import Chat
from bridge.telegram.context import OperatorContext
from bridge.telegram.incoming import IncomingMessage, from_bot
from bridge.value import value_object

_CODE = re.compile(r"^#([0-9a-z]{3,12})$", re.MULTILINE)
"""A conversation's code stands on a line of its own. If a text from outside contains such a line, the bot's own code
still follows it."""


@value_object
class Located:
    """The conversation of an operator's message. If there is none and the message is not internal, it is meant for a
    subscriber who is not known, and its author must be told."""

    conversation: Conversation | None = None
    internal: bool = False
    """The message is meant for colleagues: nothing leaves, and the bot says nothing."""
    probable: Conversation | None = None
    """The conversation whose number is in the name of the message's topic. It serves to tell the author where to write,
    never to send."""


_INTERNAL = Located(internal=True)
_UNKNOWN = Located()


async def locate(message: IncomingMessage, context: OperatorContext) -> Located:
    """Finds the conversation that a message belongs to."""
    if message.replies_elsewhere:
        return _UNKNOWN
    replied = message.replied_to
    store, chat, bot_id = context.store, message.chat, message.bot_id
    if chat.topics and message.thread_id is not None:
        found = await store.conversation_of_topic(message.chat_id, message.thread_id)
        if found is not None:
            about = None if replied is None else await _replied_to(replied, chat, context)
            if about is not None and about.id != found.id:
                # A post about another conversation stands in this topic, such as the status of a `/sms`.
                return _UNKNOWN
            if chat.settings.send == "all":
                return Located(conversation=found)
            # `send: replies`: only a reply to the bot, or to a colleague's message that became an SMS, leaves.
            if replied is None or (not from_bot(replied, bot_id) and about is None):
                return _INTERNAL
            return Located(conversation=found)
        if replied is None and message.in_topic_of_bot:
            # The bridge made this topic and crashed before it stored it.
            return Located(probable=await _by_topic_name(message, context))
    if replied is None:
        return _INTERNAL
    found = await _replied_to(replied, chat, context)
    if found is not None:
        return Located(conversation=found)
    return _UNKNOWN if from_bot(replied, bot_id) else _INTERNAL


async def _by_topic_name(message: IncomingMessage, context: OperatorContext) -> Conversation | None:
    """The conversation of the number in the topic's name, which the bot gave it."""
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
    """The link that opens the topic for members of the group. Only supergroups have topics."""
    return f"https://t.me/c/{str(chat_id).removeprefix('-100')}/{thread_id}"


async def _replied_to(replied: Message, chat: Chat, context: OperatorContext) -> Conversation | None:
    """The conversation of the message replied to.

    Message ids begin again at 1 when a group moves, and the stored mapping follows the group. So the mapping of an id
    may be that of a message in the old group, and the code in the message must agree with it.
    """
    store = context.store
    if replied.from_user is None or not replied.from_user.is_bot:
        sms = await store.sms_of_message(replied.chat.id, replied.message_id)
        if sms is None or sms.chat_id != replied.chat.id or sms.conversation_id is None:
            return None
        return await store.conversation(sms.conversation_id)
    codes = _CODE.findall(replied.text or replied.caption or "")
    mapped = await store.conversation_of(replied.chat.id, replied.message_id)
    # The last code counts: the bot writes its own at the end, and the text of an SMS may contain another.
    if mapped is not None and (mapped.code == codes[-1] if codes else not chat.moved):
        return mapped
    if not codes or not from_bot(replied, context.bot_id):
        # A post of another bot, such as the one that the team had before, counts only if the mapping has it: any bot
        # can copy a code.
        return None
    return await context.conversation_by_code(chat, codes[-1])
