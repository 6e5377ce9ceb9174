"""Buttons: under what became of an SMS ("send again", "leave it"), and under an SMS that rules left to people (no more
automatic texts, or again). The store decides whether it is still open.

What a press changes is committed before anybody is told; telling is best effort, since a press that was answered too
late has had its effect all the same, and a second one says "already decided".
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping
from dataclasses import field
from datetime import datetime
from typing import Literal, Protocol

import structlog
from telegram import CallbackQuery, MaybeInaccessibleMessage, Message

from bridge.frozen import frozen
from bridge.model import Change, Json, Move, Ms, PostPriority, Sms, SmsId
from bridge.pipeline.signals import Signals
from bridge.pipeline.worker import Never
from bridge.ports import ChatStore, Clock, DeskStore, OutboxStore
from bridge.telegram.api import Api
from bridge.telegram.chats import Chat, Chats
from bridge.telegram.pace import Pace
from bridge.telegram.render import decided
from bridge.telegram.texts import say
from bridge.telegram.trouble import ApiError, Trouble

log = structlog.get_logger()

CLOSING_TRIES = 3

_DATA = re.compile(r"(again|leave):([0-9]{1,18})")
_OPT = re.compile(r"opt:(out|in|keep)")


class ButtonStore(ChatStore, DeskStore, OutboxStore, Protocol):
    """The parts of the store that a button touches."""


@frozen
class Verdict:
    answer: str
    """Text id of what the person who pressed reads."""
    params: Mapping[str, Json] = field(default_factory=dict)
    word: Literal["again", "leave", "opt_out", "opt_in", "opt_keep", ""] = ""
    """What was decided by this press; empty if nothing was."""


class Buttons:
    def __init__(
        self,
        *,
        accounts: Collection[str],
        chats: Chats,
        store: ButtonStore,
        api: Api,
        pace: Pace,
        signals: Signals,
        clock: Clock,
        restored_at: Ms,
    ) -> None:
        """``restored_at``: when the store was put back from a copy, else 0."""
        self._accounts = accounts
        self._restored_at = restored_at
        self._chats = chats
        self._closing: set[asyncio.Task[None]] = set()
        self._store = store
        self._api = api
        self._pace = pace
        self._signals = signals
        self._clock = clock

    async def pressed(self, query: CallbackQuery) -> None:
        message = query.message
        chat = self._chats.by_id(message.chat.id) if message is not None else None
        if message is None or chat is None:
            return
        # A press always names its person, also where an anonymous administrator pressed.
        if not chat.admits(query.from_user.id, on_behalf_of=None):
            await self._tell(query, chat, "pressed.not_operator")
            return
        name = f"{query.from_user.full_name} ({query.from_user.id})"
        if shown_at(message) < self._restored_at:
            # Perhaps pressed and obeyed before; and its number may mean another SMS since the store was put back.
            verdict = Verdict(answer="pressed.before_restore")
        else:
            verdict = await self._decide(query.data or "", chat, message, name)
        await self._tell(query, chat, verdict.answer, verdict.params)
        if verdict.answer not in ("pressed.unknown", "pressed.no_account"):
            # Beside the updates that follow: the chat may have to be left alone for minutes first.
            task = asyncio.create_task(self._close(message, chat, verdict, query.from_user.full_name))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def stop(self) -> None:
        """Buttons that still stand are no harm: a press on one says "already decided"."""
        tasks = tuple(self._closing)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _decide(self, data: str, chat: Chat, message: MaybeInaccessibleMessage, name: str) -> Verdict:
        if (opt := _OPT.fullmatch(data)) is not None:
            return await self._opt(opt[1], chat, message)
        found = _DATA.fullmatch(data)
        sms = await self._store.get_sms(SmsId(int(found[2]))) if found is not None else None
        # A client may send any data with a press, so the SMS must be one that this chat may decide about.
        if found is None or sms is None or not await self._belongs(sms, chat):
            return Verdict(answer="pressed.unknown")
        if found[1] == "again":
            return await self._again(sms, name)
        return await self._leave(sms, name)

    async def _again(self, sms: Sms, name: str) -> Verdict:
        if sms.account not in self._accounts:
            return Verdict(answer="pressed.no_account", params={"account": sms.account})
        # One key an SMS, not a press: two people who press at once send it once.
        retry = await self._store.send_again(sms.id, key=f"again:{sms.id}", author=name, now=self._clock.now())
        if retry is None or retry.author != name:
            return Verdict(answer="pressed.decided")
        log.info("sms_sent_again", sms_id=retry.id, retry_of=sms.id)
        self._signals.sms.set()
        self._signals.posts.set()
        return Verdict(answer="pressed.again", word="again")

    async def _leave(self, sms: Sms, name: str) -> Verdict:
        if not await self._store.move(sms.id, Move.ABANDON, self._clock.now(), Change(author=name)):
            return Verdict(answer="pressed.decided")
        log.info("sms_abandoned", sms_id=sms.id)
        self._signals.posts.set()
        return Verdict(answer="pressed.leave", word="leave")

    async def _opt(self, choice: str, chat: Chat, message: MaybeInaccessibleMessage) -> Verdict:
        """About whoever the message is from: a press brings no number that could be another's."""
        conversation = await self._store.conversation_of(message.chat.id, message.message_id)
        if conversation is None or conversation.chat not in self._chats.names(chat):
            return Verdict(answer="pressed.unknown")
        if choice == "keep":
            return Verdict(answer="pressed.opt_keep", word="opt_keep")
        out = choice == "out"
        if not await self._store.set_opted_out(conversation.subscriber, out, self._clock.now()):
            return Verdict(answer="pressed.decided")
        log.info("opted_out" if out else "opted_in", conversation_id=conversation.id)
        return Verdict(answer=f"pressed.opt_{choice}", word="opt_out" if out else "opt_in")

    async def _belongs(self, sms: Sms, chat: Chat) -> bool:
        if chat.name == self._chats.admin_name:
            return True
        if sms.chat_id is not None and self._chats.current_id(sms.chat_id) == chat.id:
            return True
        if sms.conversation_id is None:
            return False
        conversation = await self._store.conversation(sms.conversation_id)
        return conversation is not None and conversation.chat in self._chats.names(chat)

    async def _tell(
        self, query: CallbackQuery, chat: Chat, text: str, params: Mapping[str, Json] | None = None
    ) -> None:
        try:
            await self._api.answer_button(query.id, say(chat.language, text, params))
        except ApiError as error:
            log.info("button_not_answered", chat=chat.name, trouble=error.trouble)

    async def _close(self, message: MaybeInaccessibleMessage, chat: Chat, verdict: Verdict, name: str) -> None:
        """Take the buttons away, and say who decided where this press did it."""
        for _ in range(CLOSING_TRIES):
            while wait := self._pace.wait(chat.id, PostPriority.STATUS, self._clock.monotonic()):
                await self._clock.wait(Never(), wait)
            self._pace.note(chat.id, self._clock.monotonic())
            try:
                await self._closed(message, chat, verdict, name)
            except ApiError as error:
                if error.trouble is Trouble.LATER:
                    self._pace.pause(chat.id, self._clock.monotonic(), error.retry_after)
                    continue
                log.info("buttons_stay", chat=chat.name, trouble=error.trouble)
            return

    async def _closed(self, message: MaybeInaccessibleMessage, chat: Chat, verdict: Verdict, name: str) -> None:
        """:raises ApiError:"""
        if verdict.word and isinstance(message, Message) and message.text:
            said = decided(message.text, verdict.word, name, chat.language)
            await self._api.edit(chat.id, message.message_id, said)
        else:
            await self._api.drop_buttons(chat.id, message.message_id)


def shown_at(message: MaybeInaccessibleMessage) -> Ms:
    """When the buttons came there; a message that Telegram does not show the bot any more is as old as can be."""
    edited = message.edit_date if isinstance(message, Message) else None
    return millis(edited or message.date)


def millis(moment: datetime) -> Ms:
    return int(moment.timestamp() * 1000)
