"""A message that is a command: who may give it, whom it is about, and to whom it is handed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import structlog
from telegram import Message

from bridge.config import Settings
from bridge.model.base import Ms
from bridge.model.chat import Conversation
from bridge.model.post import NewPost, NoticePayload, PostPriority
from bridge.pipeline.signals import Signals
from bridge.ports.chats import ChatStore, PostStore
from bridge.ports.clock import Clock
from bridge.ports.desk import DeskStore
from bridge.telegram.buttons.dispatch import millis
from bridge.telegram.chats import ANONYMOUS_ADMIN, Chat, Chats
from bridge.telegram.commands.calls import Answer, Call, Misused, Search, Word, word_post
from bridge.telegram.commands.conversations import claim_params, taken
from bridge.telegram.commands.me import BotName
from bridge.telegram.commands.spec import Command, addressee, parse
from bridge.telegram.commands.transient_replies import TransientReplies
from bridge.telegram.conversations import answered, place

log = structlog.get_logger()

Handler = Callable[[Call], Awaitable[Word | Answer | Search | None]]
"""None: the answer is written already, with the change it tells of. :raises Misused:"""


class CommandStore(ChatStore, DeskStore, PostStore, Protocol):
    """The parts of the store that tell whom a command is about."""


class CommandDispatcher:
    def __init__(
        self,
        *,
        settings: Settings,
        chats: Chats,
        store: CommandStore,
        handlers: Mapping[str, Handler],
        speaker: TransientReplies,
        me: BotName,
        signals: Signals,
        clock: Clock,
        bot_id: int,
        restored_at: Ms,
    ) -> None:
        """``handlers`` by the command's name. ``restored_at``: when the store was put back from a copy, else 0."""
        self._settings = settings
        self._chats = chats
        self._store = store
        self._handlers = handlers
        self._speaker = speaker
        self._me = me
        self._signals = signals
        self._clock = clock
        self._bot_id = bot_id
        self._restored_at = restored_at

    async def taken(self, message: Message, chat: Chat, author: str) -> bool:
        """Deal with it if it is a command; False where it is something else, which is not judged here.

        One for another bot of the group is none of our business, whatever it says, also under a picture.
        """
        stranger = await self._stranger(addressee(message.text or message.caption or ""))
        if stranger:
            return True
        written = parse(message.text or "")
        if written is None:
            return False
        call = await self._call(written.command, written.rest, message, chat, author)
        refusal = Word(text="told.not_sure") if stranger is None else self._refusal(call.command, message, chat)
        answer = refusal or await self._carried_out(call)
        if isinstance(answer, Answer):
            self._speaker.say(chat, answer.messages, thread=call.thread, reply_to=call.message_id)
        elif isinstance(answer, Search):
            self._speaker.look(chat, answer.found, thread=call.thread, reply_to=call.message_id)
        elif answer is not None:
            await self._store.add_post(word_post(call, answer), call.now)
        elif call.command.writes:
            await self._written(message, chat)
        log.info("command", name=call.command.name, chat=chat.name, refused=refusal.text if refusal else None)
        self._signals.posts.set()
        return True

    async def edited(self, message: Message) -> bool:
        """Does the message show a command of ours now? It is not carried out: what it said before may have been."""
        written = parse(message.text or "")
        return written is not None and await self._stranger(written.addressee) is False

    async def _stranger(self, addressee: str) -> bool | None:
        """Is it for another bot? None while this one does not know its own name: neither can be done safely."""
        if not addressee:
            return False
        name = await self._me.name()
        return addressee != name if name else None

    async def _carried_out(self, call: Call) -> Word | Answer | Search | None:
        usage = Word(text=f"usage.{call.command.name}")
        if call.command.about and call.conversation is None:
            return usage
        try:
            return await self._handlers[call.command.name](call)
        except Misused:
            return usage

    def _refusal(self, command: Command, message: Message, chat: Chat) -> Word | None:
        user = message.from_user
        user_id = user.id if user is not None else None
        on_behalf_of = message.sender_chat.id if message.sender_chat is not None else None
        if not chat.admits(user_id, on_behalf_of=on_behalf_of):
            return Word(text="told.anonymous" if user_id == ANONYMOUS_ADMIN else "told.not_operator")
        if message.forward_origin is not None:
            return Word(text="told.forwarded")
        if message.via_bot is not None:
            return Word(text="told.via_bot")
        if command.admin and (on_behalf_of is not None or user_id not in self._settings.telegram.admins):
            return Word(text="told.not_admin", params={"id": user_id if on_behalf_of is None else "—"})
        if millis(message.date) < self._restored_at:
            # What it ordered may have been done in the store that was lost.
            return Word(text="told.before_restore")
        return None

    async def _call(self, command: Command, rest: str, message: Message, chat: Chat, author: str) -> Call:
        user = message.from_user
        anonymous = message.sender_chat is not None
        replied = answered(message)
        return Call(
            command=command,
            rest=rest,
            chat=chat,
            message_chat=message.chat.id,
            message_id=message.message_id,
            thread=message.message_thread_id if message.is_topic_message else None,
            replied_to=replied.message_id if replied is not None else None,
            author=author,
            name=author if anonymous or user is None else user.full_name,
            user_id=None if anonymous or user is None else user.id,
            conversation=await self._meant(message, chat),
            key=f"tg:{self._bot_id}:{message.chat.id}:{message.message_id}:order",
            now=self._clock.now(),
        )

    async def _meant(self, message: Message, chat: Chat) -> Conversation | None:
        """That of the topic, whatever leaves from there; else that of the message replied to."""
        if chat.topics and message.is_topic_message and message.message_thread_id is not None:
            found = await self._store.conversation_of_topic(message.chat.id, message.message_thread_id)
            if found is not None:
                return found
        return (await place(message, chat, self._chats, self._bot_id, self._store)).conversation

    # ------------------------------------------------ a colleague's conversation

    async def _written(self, message: Message, chat: Chat) -> None:
        sms = await self._store.sms_of_message(message.chat.id, message.message_id)
        if sms is not None and sms.conversation_id is not None:
            conversation = await self._store.conversation(sms.conversation_id)
            if conversation is not None:
                await self.wrote(message, chat, conversation)

    async def wrote(self, message: Message, chat: Chat, conversation: Conversation) -> None:
        """A reply was written. Who wrote it into a colleague's conversation is told, once a claim."""
        now = self._clock.now()
        user_id = message.from_user.id if message.from_user is not None else None
        if not taken(conversation, user_id, now):
            return
        post = NewPost(
            chat=chat.name,
            priority=PostPriority.STATUS,
            key=f"claimed:{conversation.id}:{conversation.claimed_until}:{user_id}",
            payload=NoticePayload(
                text="told.claimed_by",
                params=claim_params(self._settings, conversation, chat, now),
                chat_id=message.chat.id,
                thread_id=message.message_thread_id if message.is_topic_message else None,
            ),
            conversation_id=conversation.id,
            reply_to=message.message_id,
            due_at=now,
        )
        await self._store.add_post(post, now)
        self._signals.posts.set()
