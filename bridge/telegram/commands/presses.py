"""Buttons of commands: canned replies, older lines of a history, close, open and claim.

A button names its conversation by the short id, which must be one of the chat's own: a client may send any data.
"""

from __future__ import annotations

from typing import Protocol

from telegram import Message

from bridge.config import Settings
from bridge.model.actions import ActionKind
from bridge.model.chat import Conversation
from bridge.ports.chats import ChatStore
from bridge.ports.clock import Clock
from bridge.telegram.buttons.dispatch import DECIDED, UNKNOWN, ButtonPress, PressResult
from bridge.telegram.chats import Chats
from bridge.telegram.client.message import one_line
from bridge.telegram.commands.calls import Word
from bridge.telegram.commands.canned import CannedReplies
from bridge.telegram.commands.changes import Changes
from bridge.telegram.commands.conversations import CLAIM, taken
from bridge.telegram.commands.finding import Position
from bridge.telegram.commands.lookup import LookupCommands
from bridge.telegram.commands.pages import until_when
from bridge.telegram.commands.spec import parse
from bridge.telegram.commands.transient_replies import TransientReplies
from bridge.telegram.commands.zones import zone_of
from bridge.telegram.replies.sendable import Words
from bridge.telegram.replies.writer import Reply, same_words


class CodeStore(ChatStore, Protocol):
    """The part of the store that knows conversations by their short ids."""


class TalkButtons:
    """What all of them have in common: the conversation."""

    def __init__(self, *, chats: Chats, store: CodeStore) -> None:
        self._chats = chats
        self._store = store

    async def meant(self, press: ButtonPress, code: str) -> Conversation | None:
        for name in self._chats.names(press.chat):
            if found := await self._store.conversation_of_code(name, code):
                return found
        return None


class TalkPresses(TalkButtons):
    """``talk:<close | open | claim>:<code>``"""

    def __init__(self, *, settings: Settings, chats: Chats, store: CodeStore, changes: Changes, clock: Clock) -> None:
        super().__init__(chats=chats, store=store)
        self._settings = settings
        self._changes = changes
        self._clock = clock

    async def pressed(self, press: ButtonPress) -> PressResult:
        word, _, code = press.data.partition(":")
        conversation = await self.meant(press, code)
        deed = {"close": ActionKind.CLOSE, "open": ActionKind.OPEN, "claim": ActionKind.CLAIM}.get(word)
        if conversation is None or deed is None:
            return UNKNOWN
        now = self._clock.now()
        until = now + CLAIM if deed is ActionKind.CLAIM else 0
        name = one_line(press.name, 64) if deed is ActionKind.CLAIM else ""
        if not await self._changes.pressed(conversation, deed, press, detail=name, until=until):
            return DECIDED
        zone = zone_of(self._settings, conversation)
        shown = {"until": until_when(until, now, zone, press.chat.language)} if until else {}
        return PressResult(answer=f"pressed.{word}", params=shown, word=word)


class PastPresses(TalkButtons):
    """``past:<code>:<before>``: the lines of a history before a moment, as another message."""

    def __init__(self, *, chats: Chats, store: CodeStore, reading: LookupCommands, speaker: TransientReplies) -> None:
        super().__init__(chats=chats, store=store)
        self._reading = reading
        self._speaker = speaker

    async def pressed(self, press: ButtonPress) -> PressResult:
        code, _, before = press.data.partition(":")
        conversation = await self.meant(press, code)
        if conversation is None or not (before.isascii() and before.isdecimal() and len(before) <= 16):
            return UNKNOWN
        messages = await self._reading.page(press.chat, conversation, before=int(before))
        thread = press.message.message_thread_id if isinstance(press.message, Message) else None
        self._speaker.say(press.chat, messages, thread=thread, reply_to=press.message.message_id)
        return PressResult(answer="pressed.past", stays=True)


class OlderPresses:
    """``older:<position>``: a search goes on where it stopped. What is looked for stands in the command it answers."""

    def __init__(self, *, reading: LookupCommands, speaker: TransientReplies) -> None:
        self._reading = reading
        self._speaker = speaker

    async def pressed(self, press: ButtonPress) -> PressResult:
        start = Position.parse(press.data)
        if start is None or not isinstance(press.message, Message):
            return UNKNOWN
        asked = press.message.reply_to_message
        written = parse(asked.text or "") if asked is not None else None
        if asked is None or written is None or written.command.name != "find" or not written.rest:
            return PressResult(answer="pressed.search_gone")
        chat, sought = press.chat, written.rest
        thread = press.message.message_thread_id if press.message.is_topic_message else None
        self._speaker.look(
            chat, lambda: self._reading.found(chat, sought, start), thread=thread, reply_to=asked.message_id
        )
        return PressResult(answer="pressed.past", stays=True)


class CannedPresses(TalkButtons):
    """``canned:<code>:<mark>``: one reply a list, whoever presses and how often."""

    def __init__(self, *, chats: Chats, store: CodeStore, canned: CannedReplies, bot_id: int, clock: Clock) -> None:
        super().__init__(chats=chats, store=store)
        self._canned = canned
        self._bot_id = bot_id
        self._clock = clock

    async def pressed(self, press: ButtonPress) -> PressResult:
        code, _, mark = press.data.partition(":")
        conversation, reply = await self.meant(press, code), self._canned.marked(mark)
        if conversation is None or reply is None:
            return UNKNOWN
        text = await self._canned.text(reply, conversation, operator=press.name, now=self._clock.now())
        if isinstance(text, Word):
            return _nothing(text)
        sent = await self._canned.send(self._chosen(press, conversation, text))
        if isinstance(sent, Word):
            return _nothing(sent)
        if sent.author != press.author or not same_words(sent, Words(text=text)):
            return DECIDED
        if taken(conversation, press.user_id, self._clock.now()):
            params = {"name": reply.name, "holder": one_line(conversation.claimed_name, 64)}
            return PressResult(answer="pressed.canned_claimed", params=params, word="canned")
        return PressResult(answer="pressed.canned", params={"name": reply.name}, word="canned")

    def _chosen(self, press: ButtonPress, conversation: Conversation, text: str) -> Reply:
        message = press.message
        # Its fate shows on the command that the list answers, as if the name had been written there.
        asked = message.reply_to_message if isinstance(message, Message) else None
        return Reply(
            key=f"tg:{self._bot_id}:{message.chat.id}:{message.message_id}:canned",
            words=Words(text=text, by_command=True),
            conversation=conversation,
            chat=press.chat,
            chat_id=message.chat.id,
            message_id=asked.message_id if asked is not None else message.message_id,
            author=press.author,
        )


def _nothing(why: Word) -> PressResult:
    """Nothing came of the press, and another may have better luck."""
    return PressResult(answer=why.text, params=why.params, stays=True)
