"""Every change that a command or a button makes, on its one way into the store: with its author and its answer."""

from __future__ import annotations

from typing import Protocol

import structlog

from bridge.model.actions import Action, ActionKind
from bridge.model.base import Ms
from bridge.model.chat import Conversation
from bridge.pipeline.signals import Signals
from bridge.ports.chats import ChatStore
from bridge.ports.clock import Clock
from bridge.ports.desk import OrderStore
from bridge.ports.record import QueryStore
from bridge.telegram.buttons.dispatch import ButtonPress
from bridge.telegram.commands.calls import Call, Word, talk_of, word_post

log = structlog.get_logger()


class ChangeStore(OrderStore, ChatStore, QueryStore, Protocol):
    """The parts of the store that orders change, and look at before."""


class Changes:
    def __init__(self, *, store: ChangeStore, signals: Signals, clock: Clock) -> None:
        self.store = store
        self._signals = signals
        self._clock = clock

    async def made(
        self, call: Call, deed: ActionKind, *, done: Word, already: Word, detail: str = "", until: Ms = 0
    ) -> None:
        """:raises Misused: the call is about nobody."""
        conversation = talk_of(call)
        order = Action(
            key=f"{call.key}:{deed}",
            deed=deed,
            author=call.author,
            subscriber=conversation.subscriber,
            conversation_id=conversation.id,
            detail=detail,
            user_id=call.user_id,
            until=until,
        )
        changed = await self.store.carry_out(
            order, done=word_post(call, done), already=word_post(call, already), now=call.now
        )
        self._noted(order, changed)

    async def pressed(
        self, conversation: Conversation, deed: ActionKind, press: ButtonPress, *, detail: str = "", until: Ms = 0
    ) -> bool:
        """The same for a button; whoever pressed it is told by the button itself. False where it was so already."""
        order = Action(
            key=f"press:{press.id}:{deed}",
            deed=deed,
            author=press.author,
            subscriber=conversation.subscriber,
            conversation_id=conversation.id,
            detail=detail,
            user_id=press.user_id,
            until=until,
        )
        changed = await self.store.carry_out(order, done=None, already=None, now=self._clock.now())
        self._noted(order, changed)
        return changed

    async def by_hand(
        self, conversation: Conversation, deed: ActionKind, *, key: str, author: str, line: tuple[int, int]
    ) -> None:
        """The same for what somebody did in Telegram itself, which told of it in ``line`` (chat and message id)."""
        order = Action(
            key=f"{key}:{deed}",
            deed=deed,
            author=author,
            subscriber=conversation.subscriber,
            conversation_id=conversation.id,
            by_hand=line,
        )
        changed = await self.store.carry_out(order, done=None, already=None, now=self._clock.now())
        self._noted(order, changed)

    def _noted(self, order: Action, changed: bool) -> None:
        if changed:
            log.info("ordered", deed=order.deed, conversation_id=order.conversation_id)
        self._signals.posts.set()
