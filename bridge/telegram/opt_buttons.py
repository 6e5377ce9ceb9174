"""Under an SMS that a rule left to people: no more automatic texts, automatic texts again, or leave it as it is."""

from __future__ import annotations

from typing import Protocol

import structlog

from bridge.ports import ChatStore, Clock, DeskStore
from bridge.telegram.buttons import DECIDED, UNKNOWN, Press, Verdict
from bridge.telegram.chats import Chats

log = structlog.get_logger()


class OptStore(ChatStore, DeskStore, Protocol):
    """The parts of the store that know whose SMS a post shows, and what that person wants."""


class OptButtons:
    def __init__(self, *, chats: Chats, store: OptStore, clock: Clock) -> None:
        self._chats = chats
        self._store = store
        self._clock = clock

    async def pressed(self, press: Press) -> Verdict:
        """About whoever the post is from: the press brings no number that could be another's."""
        conversation = await self._store.conversation_of(press.message.chat.id, press.message.message_id)
        if conversation is None or conversation.chat not in self._chats.names(press.chat):
            return UNKNOWN
        if press.data == "keep":
            return Verdict(answer="pressed.opt_keep", word="opt_keep")
        if press.data not in ("out", "in"):
            return UNKNOWN
        out = press.data == "out"
        if not await self._store.set_opted_out(conversation.subscriber, out, self._clock.now()):
            return DECIDED
        log.info("opted_out" if out else "opted_in", conversation_id=conversation.id)
        return Verdict(answer=f"pressed.opt_{press.data}", word=f"opt_{press.data}")
