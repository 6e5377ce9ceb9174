"""Takes presses on buttons: checks who may press, calls the handler, answers the operator and removes the buttons.

A press has its effect before the operator is answered. The answer is best effort: Telegram takes none to an old press,
and a second press is answered with "already decided".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field

import structlog
from telegram import CallbackQuery, MaybeInaccessibleMessage, Message

from bridge.model.base import Json, Ms
from bridge.model.post import PostPriority
from bridge.telegram.chats import Chat
from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import ApiError, FailureKind
from bridge.telegram.client.message import MAX_UNITS, ChatMessage, Entity, one_line, units
from bridge.telegram.client.sender import ChatSender
from bridge.telegram.context import ActionSource, OperatorContext
from bridge.telegram.incoming import author, millis
from bridge.telegram.texts import say
from bridge.value import value_object

log = structlog.get_logger()

MAX_TRIES = 3


@value_object
class ButtonPress:
    """A button that an operator of the chat pressed."""

    data: str
    """The part of the button's data that follows the kind."""
    chat: Chat
    message: MaybeInaccessibleMessage
    source: ActionSource
    name: str
    """The operator's name alone."""

    @property
    def thread_id(self) -> int | None:
        """The topic it was pressed in; None outside topics."""
        message = self.message
        return message.message_thread_id if isinstance(message, Message) and message.is_topic_message else None


@value_object
class PressResult:
    """The result of a press: the answer to the person who pressed, and the change of the message."""

    answer: str
    """Id of the text that the person who pressed reads."""
    params: Mapping[str, Json] = field(default_factory=dict)
    decision: str = ""
    """Id of the text that is added to the message: what was decided, and by whom. Empty: nothing was decided."""
    keeps_buttons: bool = False
    """The buttons stay and may be pressed again."""


UNKNOWN = PressResult(answer="pressed.unknown", keeps_buttons=True)
DECIDED = PressResult(answer="pressed.decided")

ButtonHandler = Callable[[OperatorContext, ButtonPress], Awaitable[PressResult]]
"""Carries out the presses of one kind of button."""


class ButtonDispatcher:
    def __init__(
        self, context: OperatorContext, api: Api, sender: ChatSender, handlers: Mapping[str, ButtonHandler]
    ) -> None:
        self._context = context
        self._api = api
        self._sender = sender
        self._handlers = handlers
        self._removals: set[asyncio.Task[None]] = set()

    async def handle(self, query: CallbackQuery) -> None:
        message = query.message
        chat = self._context.chats.by_id(message.chat.id) if message is not None else None
        if message is None or chat is None:
            return
        # A press always names the person, even an anonymous administrator.
        if not chat.admits(query.from_user.id, on_behalf_of=None):
            await self._answer(query, chat, PressResult(answer="pressed.not_operator"))
            return
        result = await self._result(query, chat, message)
        await self._answer(query, chat, result)
        if not result.keeps_buttons and not buttons_gone(message):
            # In a task of its own: the chat may take no call for minutes, and the next update must not wait.
            task = asyncio.create_task(self._remove_buttons(message, chat, result, query.from_user.full_name))
            self._removals.add(task)
            task.add_done_callback(self._removals.discard)

    async def stop(self) -> None:
        """Stops removing buttons. A button that stays does no harm: a press on it is answered "already decided"."""
        tasks = tuple(self._removals)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _result(self, query: CallbackQuery, chat: Chat, message: MaybeInaccessibleMessage) -> PressResult:
        if buttons_shown_at(message) < self._context.restored_at:
            # The button may have been pressed before the restoration, and its id may mean another SMS since then.
            return PressResult(answer="pressed.before_restore")
        kind, _, data = (query.data or "").partition(":")
        handler = self._handlers.get(kind)
        if handler is None:
            return UNKNOWN
        user = query.from_user
        source = ActionSource(key=f"press:{query.id}", author=author(user), user_id=user.id)
        press = ButtonPress(data=data, chat=chat, message=message, source=source, name=user.full_name)
        return await handler(self._context, press)

    async def _answer(self, query: CallbackQuery, chat: Chat, result: PressResult) -> None:
        try:
            await self._api.answer_button(query.id, say(chat.language, result.answer, result.params))
        except ApiError as error:
            log.info("press_not_answered", chat=chat.name, failure=error.kind)

    async def _remove_buttons(
        self, message: MaybeInaccessibleMessage, chat: Chat, result: PressResult, name: str
    ) -> None:
        """Removes the buttons. If this press decided, the message says who pressed. Tries a few times."""
        for _ in range(MAX_TRIES):
            try:
                await self._try_to_remove(message, chat, result, name)
            except ApiError as error:
                if error.kind is FailureKind.LATER:
                    continue
                log.info("buttons_not_removed", chat=chat.name, failure=error.kind)
            return

    async def _try_to_remove(
        self, message: MaybeInaccessibleMessage, chat: Chat, result: PressResult, name: str
    ) -> None:
        """Makes the call of :meth:`_remove_buttons`. :raises ApiError: the call failed."""
        if result.decision and isinstance(message, Message) and message.text:
            decision = say(chat.language, result.decision, {"author": one_line(name, 64)})
            text = f"{message.text}\n\n{decision}"
            if units(text) <= MAX_UNITS:
                edited = ChatMessage(text=text, entities=bold_entities(message))
                await self._sender.edit(chat, message.message_id, edited, PostPriority.STATUS)
                return
        await self._sender.drop_buttons(chat, message.message_id, PostPriority.STATUS)


def bold_entities(message: Message) -> tuple[Entity, ...]:
    """The formatting that the bot made. Telegram marks numbers and links by itself."""
    ours = (each for each in message.entities if each.type == "bold")
    return tuple(Entity(kind="bold", offset=each.offset, length=each.length) for each in ours)


def buttons_gone(message: MaybeInaccessibleMessage) -> bool:
    """Whether the buttons are gone already: only a screen that is not up to date can still show one."""
    return isinstance(message, Message) and message.reply_markup is None


def buttons_shown_at(message: MaybeInaccessibleMessage) -> Ms:
    """When the buttons were shown. A message that Telegram no longer shows to the bot counts as the oldest."""
    edited = message.edit_date if isinstance(message, Message) else None
    return millis(edited or message.date)
