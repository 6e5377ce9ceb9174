"""One call of a command, and what may come of it: a word, a long answer, one that takes its time, or an order for the
store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field

from bridge.errors import BridgeError
from bridge.model.base import Json, Ms
from bridge.model.chat import Conversation
from bridge.model.post import NewPost, NoticePayload, PostPriority
from bridge.telegram.chats import Chat
from bridge.telegram.client.message import Message
from bridge.telegram.commands.spec import Command
from bridge.telegram.replies.sendable import Words
from bridge.telegram.replies.writer import Reply
from bridge.value import value_object


@value_object
class Call:
    """A command that its author may give, and whom it is about."""

    command: Command
    rest: str
    """What is written behind it, trimmed; line breaks are kept."""
    chat: Chat
    message_chat: int
    """The chat's id as it stands in the update."""
    message_id: int
    thread: int | None
    replied_to: int | None
    author: str
    name: str
    """The author's name alone."""
    user_id: int | None
    conversation: Conversation | None
    key: str
    """Of (bot, original chat, message): what the call does and says is keyed by it."""
    now: Ms


@value_object
class Word:
    """A short answer, by text id; it survives a kill and is said once."""

    text: str
    params: Mapping[str, Json] = field(default_factory=dict)
    offers: tuple[str, ...] = ()
    """Words of buttons about the conversation: ``open``, ``claim``."""


@value_object
class Answer:
    """What a person asked to see: said as soon as Telegram lets it, and not kept."""

    messages: Sequence[Message]


@value_object
class Search:
    """An answer that may take seconds to find: it is looked for beside the updates that follow, and not kept either."""

    found: Callable[[], Awaitable[Sequence[Message]]]


class Misused(BridgeError):
    """The call cannot be understood; its usage is the answer."""


def word_post(call: Call, word: Word) -> NewPost:
    """One a call, whatever is said: the answer to a command that is processed twice is one."""
    payload = NoticePayload(
        text=word.text,
        params=word.params,
        buttons=word.offers,
        chat_id=call.message_chat,
        thread_id=call.thread,
    )
    return NewPost(
        chat=call.chat.name,
        priority=PostPriority.FAILURE,
        key=f"{call.key}:word",
        payload=payload,
        conversation_id=call.conversation.id if call.conversation is not None else None,
        reply_to=call.message_id,
        due_at=call.now,
    )


def talk_of(call: Call) -> Conversation:
    """The conversation of a call that needs one. :raises Misused: it has none."""
    if call.conversation is None:
        raise Misused
    return call.conversation


def no_more_words(call: Call) -> None:
    """``/block +7900…`` looks as if it were about that number and would be about another. :raises Misused:"""
    if call.rest:
        raise Misused


def written_by(call: Call, text: str, conversation: Conversation) -> Reply:
    """What a command sends, as a reply of its author: one a call."""
    return Reply(
        key=f"{call.key}:sms",
        words=Words(text=text, by_command=True),
        conversation=conversation,
        chat=call.chat,
        chat_id=call.message_chat,
        message_id=call.message_id,
        author=call.author,
    )
