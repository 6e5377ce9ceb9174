"""The first words of a conversation that a colleague began: the SMS of their command, and whether it has left.

The SMS may be asked about, stopped, refused and sent again after that, so the words are edited as its state changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from bridge.model.base import Ms
from bridge.model.chat import Post, PostedMessage
from bridge.model.post import OpeningPayload
from bridge.model.sms import Sms, SmsState
from bridge.ports.clock import Clock
from bridge.ports.desk import DraftStore
from bridge.telegram.chats import Chat, Language
from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import ApiError, FailureKind
from bridge.telegram.client.message import LIMIT, Entity, Message, clean, one_line, pieces, units
from bridge.telegram.client.rate_limit import RateLimiter
from bridge.telegram.posts.confirmation import question
from bridge.telegram.posts.render import code, piece, subscriber_line
from bridge.telegram.texts import say

Begin = Callable[[Sequence[Message]], Awaitable[PostedMessage]]
"""Posts them where the conversation stands, in a new topic if it has none; keeps the pace by itself."""


def opening(post: Post, sms: Sms, language: Language, now: Ms) -> Sequence[Message]:
    """An SMS by which a colleague began a conversation, as its first message there; it says where it has not left."""
    if post.conversation is None or not isinstance(post.payload, OpeningPayload):
        return ()
    who = subscriber_line(post.conversation.subscriber, post.contact, language)
    author = one_line(post.payload.author, 64)
    head = Message(
        text=f"{who} · {say(language, 'head.begun', {'author': author})}",
        entities=(Entity(kind="bold", offset=0, length=units(who)),),
    )
    first = head
    if state := _unsent(sms, language, now):
        first = replace(head, text=f"{head.text}\n{state}")
    tail = code(post.conversation)
    parts = list(pieces(clean(sms.text).strip("\n"), LIMIT - units(first.text) - units(tail) - 64))
    return tuple(piece(head if number else first, parts, number, tail, language, False) for number in range(len(parts)))


def _unsent(sms: Sms, language: Language, now: Ms) -> str:
    """Why nobody must take it for sent; empty where it may be on its way."""
    if sms.state is SmsState.DRAFT or sms.state.never_left:
        return say(language, f"fate.{sms.state}")
    asked = question(sms, language, now)
    return asked.text if asked is not None else ""


class OpeningMarker:
    """Of one chat."""

    def __init__(self, api: Api, store: DraftStore, limiter: RateLimiter, clock: Clock) -> None:
        self._api = api
        self._store = store
        self._limiter = limiter
        self._clock = clock

    async def show(self, post: Post, chat: Chat, begin: Begin) -> PostedMessage:
        """:raises ApiError: the chat takes nothing now."""
        sms = await self._latest(post)
        messages = opening(post, sms, chat.language, self._clock.now()) if sms is not None else ()
        if not messages:
            return PostedMessage(chat_id=chat.id, shown=post.shown)
        if not post.shown:
            posted = await begin(messages)
            return replace(posted, shown=_stands(chat.id, posted.message_id, messages[0]))
        chat_id, message_id, *_ = json.loads(post.shown)
        shown = _stands(chat_id, message_id, messages[0])
        if chat_id == chat.id and shown != post.shown:
            await self._limiter.take(chat.id, post.priority)
            try:
                # Of a text of several pieces the first tells the state.
                await self._api.edit(chat.id, message_id, messages[0])
            except ApiError as error:
                if error.kind not in (FailureKind.MESSAGE_GONE, FailureKind.NOT_MODIFIED):
                    raise
        return PostedMessage(chat_id=chat.id, shown=shown)

    async def _latest(self, post: Post) -> Sms | None:
        """What came of the command's message last: it may have been sent again."""
        sms = post.sms
        if sms is None or sms.chat_id is None or sms.message_id is None:
            return sms
        return await self._store.shown_on_message(sms.chat_id, sms.message_id) or sms


def _stands(chat_id: int, message_id: int | None, message: Message) -> str:
    """Where a message stands and a mark of its words; no text, which is kept in one place."""
    mark = hashlib.sha256(message.text.encode("utf-8", "replace")).hexdigest()[:16]
    return json.dumps([chat_id, message_id, mark])
