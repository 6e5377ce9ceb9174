"""An SMS that a command writes: the same row as of a reply, its fate on the message it came from."""

from __future__ import annotations

from typing import Protocol

import structlog

from bridge.config import Settings
from bridge.frozen import frozen
from bridge.model import Conversation, Sms
from bridge.pipeline import compose
from bridge.pipeline.signals import Signals
from bridge.ports import Clock, DeskStore

log = structlog.get_logger()


class LetterStore(DeskStore, Protocol):
    """The parts of the store that an SMS touches."""


@frozen
class Letter:
    """What a person wants sent."""

    key: str
    """Of the message or the list it came from, so that it leaves once."""
    text: str
    conversation: Conversation
    message_chat: int
    message_id: int
    author: str


class Dispatch:
    def __init__(self, *, settings: Settings, store: LetterStore, signals: Signals, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._signals = signals
        self._clock = clock

    async def send(self, letter: Letter) -> Sms:
        """:raises KeyError: the conversation's account is not in the configuration any more."""
        now = self._clock.now()
        sms = compose.operator_sms(
            self._settings,
            letter.conversation,
            text=letter.text,
            key=letter.key,
            author=letter.author,
            now=now,
            chat_id=letter.message_chat,
            message_id=letter.message_id,
        )
        stored = await self._store.operator_reply(sms, now)
        if self._settings.guards.takeover is not None:
            await self._store.take_over(letter.conversation.subscriber, now + self._settings.guards.takeover, now)
        log.info("command_sms", sms_id=stored.id, conversation_id=letter.conversation.id, parts=stored.parts)
        self._signals.sms.set()
        self._signals.posts.set()
        return stored
