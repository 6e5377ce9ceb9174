"""Buttons under posts of the bot: who may press, what is answered, and that a button disappears once it was obeyed.

What a press means is the business of its handler, the word before the first colon of the button's data: a module of
its own with a :class:`ButtonHandler`, named in ``service``. What a press changes is committed before anybody is told;
telling is best effort, since a press that was answered too late has had its effect all the same. A second press is
told that it is decided already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import Protocol

import structlog
from telegram import CallbackQuery, MaybeInaccessibleMessage, Message

from bridge.model.base import Json, Ms
from bridge.model.post import PostPriority
from bridge.telegram.chats import Chat, Chats
from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import ApiError, FailureKind
from bridge.telegram.client.message import LIMIT, Entity, units
from bridge.telegram.client.rate_limit import RateLimiter
from bridge.telegram.posts.render import decided
from bridge.telegram.texts import say
from bridge.value import value_object

log = structlog.get_logger()

CLOSING_TRIES = 3


@value_object
class ButtonPress:
    """A button that an operator of the chat pressed."""

    id: str
    """Telegram's, one for each press."""
    data: str
    """Behind the family's colon. A client may send any data with a press: nothing in it proves a right."""
    chat: Chat
    message: MaybeInaccessibleMessage
    user_id: int
    author: str
    """For people, in histories: name and id."""
    name: str
    """The name alone."""


@value_object
class PressResult:
    answer: str
    """Text id of what the person who pressed reads."""
    params: Mapping[str, Json] = field(default_factory=dict)
    word: str = ""
    """What was decided by this press, as in the text ``decided.<word>``; empty if nothing was."""
    stays: bool = False
    """The buttons may still be pressed: nothing came of this."""


UNKNOWN = PressResult(answer="pressed.unknown", stays=True)
DECIDED = PressResult(answer="pressed.decided")


class ButtonHandler(Protocol):
    """What the buttons of one kind do."""

    async def pressed(self, press: ButtonPress) -> PressResult: ...


class ButtonDispatcher:
    def __init__(
        self,
        *,
        families: Mapping[str, ButtonHandler],
        chats: Chats,
        api: Api,
        limiter: RateLimiter,
        restored_at: Ms,
    ) -> None:
        """``restored_at``: when the store was put back from a copy, else 0."""
        self._families = families
        self._restored_at = restored_at
        self._chats = chats
        self._closing: set[asyncio.Task[None]] = set()
        self._api = api
        self._limiter = limiter

    async def pressed(self, query: CallbackQuery) -> None:
        message = query.message
        chat = self._chats.by_id(message.chat.id) if message is not None else None
        if message is None or chat is None:
            return
        # A press always names its person, also where an anonymous administrator pressed.
        if not chat.admits(query.from_user.id, on_behalf_of=None):
            await self._tell(query, chat, "pressed.not_operator")
            return
        verdict = await self._verdict(query, chat, message)
        await self._tell(query, chat, verdict.answer, verdict.params)
        if not verdict.stays and not bare(message):
            # Beside the updates that follow: the chat may have to be left alone for minutes first.
            task = asyncio.create_task(self._close(message, chat, verdict, query.from_user.full_name))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _verdict(self, query: CallbackQuery, chat: Chat, message: MaybeInaccessibleMessage) -> PressResult:
        if shown_at(message) < self._restored_at:
            # Perhaps pressed and obeyed before; and its number may mean another SMS since the store was put back.
            return PressResult(answer="pressed.before_restore")
        name, _, data = (query.data or "").partition(":")
        family = self._families.get(name)
        if family is None:
            return UNKNOWN
        user = query.from_user
        return await family.pressed(
            ButtonPress(
                id=query.id,
                data=data,
                chat=chat,
                message=message,
                user_id=user.id,
                author=f"{user.full_name} ({user.id})",
                name=user.full_name,
            )
        )

    async def stop(self) -> None:
        """Buttons that still stand are no harm: a press on one says "already decided"."""
        tasks = tuple(self._closing)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _tell(
        self, query: CallbackQuery, chat: Chat, text: str, params: Mapping[str, Json] | None = None
    ) -> None:
        try:
            await self._api.answer_button(query.id, say(chat.language, text, params))
        except ApiError as error:
            log.info("button_not_answered", chat=chat.name, failure=error.kind)

    async def _close(self, message: MaybeInaccessibleMessage, chat: Chat, verdict: PressResult, name: str) -> None:
        """Take the buttons away, and say who decided where this press did it."""
        for _ in range(CLOSING_TRIES):
            await self._limiter.take(chat.id, PostPriority.STATUS)
            try:
                await self._closed(message, chat, verdict, name)
            except ApiError as error:
                if error.kind is FailureKind.LATER:
                    self._limiter.pause(chat.id, error.retry_after)
                    continue
                log.info("buttons_stay", chat=chat.name, failure=error.kind)
            return

    async def _closed(self, message: MaybeInaccessibleMessage, chat: Chat, verdict: PressResult, name: str) -> None:
        """:raises ApiError:"""
        if verdict.word and isinstance(message, Message) and message.text:
            said = decided(message.text, verdict.word, name, chat.language)
            if units(said.text) <= LIMIT:
                await self._api.edit(chat.id, message.message_id, replace(said, entities=bold(message)))
                return
        await self._api.drop_buttons(chat.id, message.message_id)


def bold(message: Message) -> tuple[Entity, ...]:
    """The formatting that is ours; numbers and links Telegram marks by itself."""
    ours = (each for each in message.entities if each.type == "bold")
    return tuple(Entity(kind="bold", offset=each.offset, length=each.length) for each in ours)


def bare(message: MaybeInaccessibleMessage) -> bool:
    """Its buttons are gone and it says who decided: only a screen that lags behind could still show one."""
    return isinstance(message, Message) and message.reply_markup is None


def shown_at(message: MaybeInaccessibleMessage) -> Ms:
    """When the buttons came there; a message that Telegram does not show the bot any more is as old as can be."""
    edited = message.edit_date if isinstance(message, Message) else None
    return millis(edited or message.date)


def millis(moment: datetime) -> Ms:
    return int(moment.timestamp() * 1000)
