"""Under an SMS that a rule left to people: no more automatic texts, automatic texts again, or leave it as it is."""

from __future__ import annotations

from bridge.model.actions import ActionKind
from bridge.ports.chats import ChatStore
from bridge.telegram.buttons.dispatch import DECIDED, UNKNOWN, ButtonPress, PressResult
from bridge.telegram.chats import Chats
from bridge.telegram.commands.changes import Changes

_DEEDS = {"out": ActionKind.OPT_OUT, "in": ActionKind.OPT_IN}


class OptButtons:
    def __init__(self, *, chats: Chats, store: ChatStore, changes: Changes) -> None:
        self._chats = chats
        self._store = store
        self._changes = changes

    async def pressed(self, press: ButtonPress) -> PressResult:
        """About whoever the post is from: the press brings no number that could be another's."""
        conversation = await self._store.conversation_of(press.message.chat.id, press.message.message_id)
        if conversation is None or conversation.chat not in self._chats.names(press.chat):
            return UNKNOWN
        if press.data == "keep":
            return PressResult(answer="pressed.opt_keep", word="opt_keep")
        deed = _DEEDS.get(press.data)
        if deed is None:
            return UNKNOWN
        if not await self._changes.pressed(conversation, deed, press):
            return DECIDED
        return PressResult(answer=f"pressed.opt_{press.data}", word=f"opt_{press.data}")
