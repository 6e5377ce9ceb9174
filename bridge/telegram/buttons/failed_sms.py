"""Under what became of an SMS: "send again" and "leave it". The store decides whether it is still open."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Protocol

import structlog

from bridge.model.base import SmsId
from bridge.model.sms import Change, Move, Sms
from bridge.pipeline.signals import Signals
from bridge.ports.chats import ChatStore
from bridge.ports.clock import Clock
from bridge.ports.desk import DeskStore
from bridge.ports.sending import OutboxStore
from bridge.telegram.buttons.dispatch import DECIDED, UNKNOWN, ButtonPress, PressResult
from bridge.telegram.chats import Chat, Chats

log = structlog.get_logger()

_NUMBER = re.compile(r"[0-9]{1,18}")


class SmsButtonStore(ChatStore, DeskStore, OutboxStore, Protocol):
    """The parts of the store that decide about an SMS."""


class SmsButton:
    """What both have in common: which SMS is meant, and whether this chat may decide about it."""

    def __init__(self, *, chats: Chats, store: SmsButtonStore, signals: Signals, clock: Clock) -> None:
        self._chats = chats
        self._store = store
        self._signals = signals
        self._clock = clock

    async def meant(self, press: ButtonPress) -> Sms | None:
        if not _NUMBER.fullmatch(press.data):
            return None
        sms = await self._store.get_sms(SmsId(int(press.data)))
        return sms if sms is not None and await self._belongs(sms, press.chat) else None

    async def _belongs(self, sms: Sms, chat: Chat) -> bool:
        if chat.name == self._chats.admin_name:
            return True
        if sms.chat_id is not None and self._chats.current_id(sms.chat_id) == chat.id:
            return True
        if sms.conversation_id is None:
            return False
        conversation = await self._store.conversation(sms.conversation_id)
        return conversation is not None and conversation.chat in self._chats.names(chat)


class SendAgain(SmsButton):
    def __init__(
        self, *, accounts: Collection[str], chats: Chats, store: SmsButtonStore, signals: Signals, clock: Clock
    ) -> None:
        super().__init__(chats=chats, store=store, signals=signals, clock=clock)
        self._accounts = accounts

    async def pressed(self, press: ButtonPress) -> PressResult:
        sms = await self.meant(press)
        if sms is None:
            return UNKNOWN
        if sms.account not in self._accounts:
            return PressResult(answer="pressed.no_account", params={"account": sms.account}, stays=True)
        # One key an SMS, not a press: two people who press at once send it once.
        key = f"again:{sms.id}"
        retry = await self._store.send_again(sms.id, key=key, author=press.author, now=self._clock.now())
        if retry is None or retry.author != press.author or not retry.state.is_under_way:
            # Of what an earlier press has sent long since nothing is sent again.
            return DECIDED
        log.info("sms_sent_again", sms_id=retry.id, retry_of=sms.id)
        self._signals.sms.set()
        self._signals.posts.set()
        return PressResult(answer="pressed.again", word="again")


class Leave(SmsButton):
    async def pressed(self, press: ButtonPress) -> PressResult:
        sms = await self.meant(press)
        if sms is None:
            return UNKNOWN
        if not await self._store.move(sms.id, Move.ABANDON, self._clock.now(), Change(author=press.author)):
            return DECIDED
        log.info("sms_abandoned", sms_id=sms.id)
        self._signals.posts.set()
        return PressResult(answer="pressed.leave", word="leave")
