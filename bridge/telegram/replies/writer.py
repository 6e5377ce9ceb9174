"""An operator's words as an SMS: written at once or as a draft, and rewritten for as long as they have not left.

A draft is an SMS that waits for a person's decision; the row keeps the reasons (``ConfirmationReason``). The question
and its buttons show that state under the message (``posts.confirmation``). This module sends nothing to a chat.
"""

from __future__ import annotations

from typing import Protocol

import structlog

from bridge.config import Settings
from bridge.model.base import Ms
from bridge.model.chat import Conversation
from bridge.model.sms import CORRECTIONS, Change, ConfirmationReason, Move, NewSms, Rewrite, Sms
from bridge.pipeline import compose
from bridge.pipeline.signals import Signals
from bridge.ports.clock import Clock
from bridge.ports.desk import DeskStore, DraftStore
from bridge.ports.record import QueryStore
from bridge.ports.sending import OutboxStore
from bridge.telegram.chats import Chat
from bridge.telegram.client.notes import Notes
from bridge.telegram.replies.sendable import Outgoing, Words, judged
from bridge.text.gsm7_substitution import with_gsm7_characters
from bridge.value import value_object

log = structlog.get_logger()


class WordStore(DeskStore, DraftStore, OutboxStore, QueryStore, Protocol):
    """The parts of the store that an operator's words touch."""


@value_object
class Reply:
    """What an operator wrote in a conversation."""

    key: str
    """Of the message, for what comes of it: the same however often it is processed."""
    words: Words
    conversation: Conversation
    chat: Chat
    chat_id: int
    message_id: int
    author: str


class Replies:
    def __init__(self, *, settings: Settings, store: WordStore, signals: Signals, clock: Clock) -> None:
        self._settings = settings
        self._notes = Notes(settings.telegram.note_mark)
        self._store = store
        self._signals = signals
        self._clock = clock

    async def write(self, reply: Reply) -> Sms:
        """The SMS that comes of it: one, however often it is told. It is a draft where a person is to be asked first.

        :raises KeyError: the conversation's account is not in the configuration any more.
        """
        now = self._clock.now()
        outgoing = await self._judged(reply)
        stored = await self._store.operator_reply(self._composed(reply, outgoing, reply.key, now), now)
        if self._settings.guards.takeover is not None:
            await self._store.take_over(reply.conversation.subscriber, now + self._settings.guards.takeover, now)
        log.info(
            "operator_reply",
            sms_id=stored.id,
            conversation_id=reply.conversation.id,
            parts=stored.parts,
            confirmation_reasons=" ".join(stored.confirmation_reasons) or None,
        )
        self._changed()
        return stored

    async def edited(self, reply: Reply, latest: Sms) -> None:
        """The message shows other words now. What waits gets them; after that they are offered as a new SMS.

        :param latest: the SMS that came from the message last.
        :raises KeyError: as :meth:`write`.
        """
        shown = await self._store.shown_on_message(reply.chat_id, reply.message_id) or latest
        if same_words(latest, reply.words):
            # Telegram reports a new link preview as an edit too.
            return
        if shown.id != latest.id and same_words(shown, reply.words):
            # Edited back to what went out: there is nothing to correct any more.
            await self.withdraw(latest, reply.author)
            return
        if not latest.state.is_waiting or not await self._rewritten(reply, latest):
            await self._offer(reply, latest, await self._store.get_sms(shown.id) or shown)
        self._changed()

    async def withdraw(self, sms: Sms, author: str) -> bool:
        """Take back what waits. False: it does not wait any more."""
        done = await self._store.move(sms.id, Move.CANCEL, self._clock.now(), Change(author=author))
        if done:
            log.info("sms_withdrawn", sms_id=sms.id)
            self._changed()
        return done

    async def _rewritten(self, reply: Reply, latest: Sms) -> bool:
        """False: it left meanwhile."""
        now = self._clock.now()
        outgoing = await self._judged(reply, tuple(ask for ask in latest.confirmation_reasons if ask in CORRECTIONS))
        undo = self._undo
        held: tuple[ConfirmationReason, ...] = (ConfirmationReason.UNDO,) if undo else ()
        new = Rewrite(
            text=outgoing.text,
            parts=outgoing.parts,
            confirmation_reasons=outgoing.confirmation_reasons or held,
            draft=bool(outgoing.confirmation_reasons),
            # Of a draft it is the time since which it waits for a word.
            due_at=now if outgoing.confirmation_reasons or not undo else now + undo,
            author=reply.author,
        )
        done = await self._store.rewrite(latest.id, latest.text, new, now)
        if done:
            log.info(
                "sms_rewritten",
                sms_id=latest.id,
                parts=new.parts,
                confirmation_reasons=" ".join(outgoing.confirmation_reasons) or None,
            )
        return done

    async def _offer(self, reply: Reply, latest: Sms, shown: Sms) -> None:
        """One offer for each SMS that came of the message, however often the edit is told."""
        why = ConfirmationReason.CORRECTS_SENT
        if shown.state.never_left:
            why = ConfirmationReason.CORRECTS_UNSENT
        elif shown.state.may_have_left:
            why = ConfirmationReason.CORRECTS_UNCLEAR
        now = self._clock.now()
        outgoing = await self._judged(reply, (why,))
        key = f"{reply.key}:after:{latest.id}"
        stored = await self._store.operator_reply(self._composed(reply, outgoing, key, now), now)
        log.info("correction_offered", sms_id=stored.id, corrects=shown.id)

    async def _judged(self, reply: Reply, first: tuple[ConfirmationReason, ...] = ()) -> Outgoing:
        return judged(
            reply.words,
            contact=await self._store.contact(reply.conversation.subscriber),
            notes=self._notes,
            confirm_parts=self._settings.telegram.confirm_parts,
            replace=reply.chat.settings.replace,
            first=first,
        )

    def _composed(self, reply: Reply, outgoing: Outgoing, key: str, now: Ms) -> NewSms:
        return compose.operator_sms(
            self._settings,
            reply.conversation,
            text=outgoing.text,
            key=key,
            author=reply.author,
            now=now,
            chat_id=reply.chat_id,
            message_id=reply.message_id,
            confirmation_reasons=outgoing.confirmation_reasons,
            undo=self._undo,
        )

    @property
    def _undo(self) -> Ms:
        return self._settings.telegram.undo or 0

    def _changed(self) -> None:
        self._signals.sms.set()
        self._signals.posts.set()


def same_words(sms: Sms, words: Words) -> bool:
    """Does the SMS say that already, with plain characters perhaps?"""
    return sms.text in (words.text, with_gsm7_characters(words.text))
