"""What operators write and press in the chats, turned into rows of the store. Each once, however often it arrives.

Nothing is sent from here but the short answer to a pressed button: replies become outbox rows, words to the author
become posts. Every effect is keyed by the chat and message it came from, so an update that is handled twice (a crash
between the effect and its mark) does nothing new.
"""

from __future__ import annotations

from typing import Protocol

import structlog
from telegram import Message, Update
from telegram.ext import CallbackQueryHandler, ChatMemberHandler, MessageHandler, filters

from bridge.config import Settings
from bridge.model.base import SECOND, Json, Ms
from bridge.model.chat import Conversation
from bridge.model.post import NewPost, NoticePayload, PostPriority
from bridge.model.sms import Sms
from bridge.pipeline.signals import Signals
from bridge.ports.chats import ChatStore, PostStore
from bridge.ports.clock import Clock
from bridge.ports.desk import DraftStore
from bridge.telegram.buttons.dispatch import ButtonDispatcher, millis
from bridge.telegram.chats import ANONYMOUS_ADMIN, Chat, Chats
from bridge.telegram.client.api import App, Context
from bridge.telegram.client.authors import author, from_machine
from bridge.telegram.client.message import trimmed
from bridge.telegram.client.notes import NotedAlbums, Notes
from bridge.telegram.client.rate_limit import RateLimiter
from bridge.telegram.commands.dispatch import CommandDispatcher
from bridge.telegram.conversations import Place, place, topic_link
from bridge.telegram.replies.sendable import Words, words
from bridge.telegram.replies.writer import Replies, Reply, WordStore
from bridge.text.gsm7_substitution import with_gsm7_characters

log = structlog.get_logger()

_WHO = ("notice.not_operator", "notice.anonymous")
"""Refusals of an author: the same words as a note were refused to nobody."""
_WORDLESS = frozenset({"notice.text_only", "notice.empty"})
"""Refusals of a message that shows nothing an SMS could carry."""
ALBUM: Ms = 3 * SECOND
"""An album comes as a message for each picture; so long its caption may be on its way behind those that have none."""


class ReplyStore(WordStore, ChatStore, PostStore, DraftStore, Protocol):
    """The parts of the store that an operator's message touches."""


class OperatorMessageHandler:
    def __init__(
        self,
        *,
        settings: Settings,
        chats: Chats,
        store: ReplyStore,
        buttons: ButtonDispatcher,
        orders: CommandDispatcher,
        limiter: RateLimiter,
        noted: NotedAlbums,
        signals: Signals,
        clock: Clock,
        bot_id: int,
        restored_at: Ms,
    ) -> None:
        """``restored_at``: when the store was put back from a copy, else 0."""
        self._restored_at = restored_at
        self._notes = Notes(settings.telegram.note_mark)
        self._chats = chats
        self._store = store
        self._buttons = buttons
        self._orders = orders
        self._limiter = limiter
        self._replies = Replies(settings=settings, store=store, signals=signals, clock=clock)
        self._signals = signals
        self._clock = clock
        self._bot_id = bot_id
        self._noted = noted

    def register(self, application: App) -> None:
        """Handlers run one after the other and in the order of arrival; none runs beside another."""
        moved = filters.UpdateType.MESSAGE & filters.StatusUpdate.MIGRATE
        written = filters.UpdateType.MESSAGE & ~filters.StatusUpdate.ALL
        application.add_handler(MessageHandler(moved, self.on_moved))
        application.add_handler(MessageHandler(written, self.on_message))
        application.add_handler(MessageHandler(filters.UpdateType.EDITED_MESSAGE, self.on_edited))
        application.add_handler(CallbackQueryHandler(self.on_button))
        application.add_handler(ChatMemberHandler(self.on_membership, ChatMemberHandler.MY_CHAT_MEMBER))

    # ------------------------------------------------ updates

    async def on_moved(self, update: Update, context: Context) -> None:
        """The group became a supergroup: told once in the old chat, once in the new one."""
        message = update.message
        if message is None:
            return
        old = message.migrate_from_chat_id or message.chat.id
        new = message.migrate_to_chat_id or message.chat.id
        chat = self._chats.by_id(old)
        if chat is None or old == new or chat.id == new:
            return
        await self._store.chat_migrated(old, new, self._clock.now())
        self._chats.learn(await self._store.chat_aliases())
        log.info("chat_migrated", chat=chat.name, chat_id=new)
        self._signals.posts.set()

    async def on_message(self, update: Update, context: Context) -> None:
        message = update.message
        if message is None:
            return
        chat = self._chats.by_id(message.chat.id)
        if chat is None or from_machine(message):
            return
        if self._notes.is_note(written(message)):
            if message.media_group_id is not None:
                self._noted.add(self._key(message, "caption"))
            return
        if await self._orders.taken(message, chat, author(message.from_user, message.author_signature)):
            return
        placed = await place(message, chat, self._chats, self._bot_id, self._store)
        if placed.place is Place.TALK:
            return
        refusal = self._refusal(message, chat)
        if placed.conversation is None:
            if refusal != "notice.unknown_command":
                await self._not_placed(message, chat, placed.meant)
        elif refusal is not None:
            await self._refused(message, chat, refusal, placed.conversation)
        elif wanted := words(message):
            await self._reply(message, chat, placed.conversation, wanted)

    async def on_edited(self, update: Update, context: Context) -> None:
        """What has not left yet gets the new words. An edit alone never makes anything leave that had not been sent or
        asked about before: what was a note stays one."""
        message = update.edited_message
        chat = self._chats.by_id(message.chat.id) if message is not None else None
        if message is None or chat is None or from_machine(message) or message.location is not None:
            # Only a place that is followed live reports its moves as edits.
            return
        sms = await self._store.sms_of_message(message.chat.id, message.message_id)
        if sms is None or sms.conversation_id is None:
            await self._edited_inside(message, chat)
        elif (conversation := await self._store.conversation(sms.conversation_id)) is not None:
            await self._edited_reply(message, chat, conversation, sms)

    async def on_button(self, update: Update, context: Context) -> None:
        if update.callback_query is not None:
            await self._buttons.pressed(update.callback_query)

    async def on_membership(self, update: Update, context: Context) -> None:
        """For the log, where whoever sets the bot up finds the chat's id; and what waits for a chat that shut the bot
        out is tried at once, since the bot may be back. It says nothing."""
        change = update.my_chat_member
        if change is None:
            return
        chat = self._chats.by_id(change.chat.id)
        name = chat.name if chat is not None else None
        log.info("bot_membership", chat_id=change.chat.id, chat=name, status=change.new_chat_member.status)
        if chat is not None:
            self._limiter.reached(chat.id)
            self._signals.posts.set()

    # ------------------------------------------------ an operator's reply

    async def _reply(self, message: Message, chat: Chat, conversation: Conversation, wanted: Words) -> None:
        key = self._key(message, "sms")
        if message.media_group_id is not None:
            album = self._key(message, "caption")
            known = await self._store.sms_of_key(album)
            # The first caption of an album speaks for the pictures that have none.
            key = album if known is None or known.message_id == message.message_id else key
        try:
            await self._replies.write(self._said(message, chat, conversation, wanted, key))
        except KeyError:
            await self._no_account(message, chat, conversation)
        else:
            await self._orders.wrote(message, chat, conversation)

    async def _refused(self, message: Message, chat: Chat, refusal: str, conversation: Conversation) -> None:
        album = self._key(message, "caption") if message.media_group_id is not None else ""
        if album and (album in self._noted or await self._store.sms_of_key(album)):
            # Its caption is a note, or was asked about: that nothing but text goes out was said there.
            return
        await self._notice(message, chat, refusal, conversation=conversation, unless=album)

    async def _edited_reply(self, message: Message, chat: Chat, conversation: Conversation, sms: Sms) -> None:
        said = written(message)
        if self._notes.is_note(said):
            await self._edited_into_note(message, chat, conversation, sms)
            return
        if is_command(said) or await self._ordered(message):
            # A command that wrote an SMS ends in its text, and is reported edited when a link preview comes.
            if not any(ends.endswith(sms.text) for ends in (said, with_gsm7_characters(said) or said)):
                await self._notice(message, chat, "notice.edit_command", "edited", conversation=conversation)
            return
        refusal, wanted = self._refusal(message, chat), words(message)
        if refusal in _WORDLESS and await self._withdrawn(message, sms):
            # Nobody sees any more what would leave.
            return
        if refusal is not None or wanted is None:
            await self._notice(message, chat, refusal or "notice.text_only", "edited", conversation=conversation)
            return
        try:
            key = self._key(message, "edit")
            await self._replies.edited(self._said(message, chat, conversation, wanted, key), sms)
        except KeyError:
            await self._no_account(message, chat, conversation)

    async def _ordered(self, message: Message) -> bool:
        """Was it a command that wrote the SMS of this message, whatever the message shows now?"""
        keys = (self._key(message, purpose) for purpose in ("sms", "caption"))
        return all([await self._store.sms_of_key(key) is None for key in keys])

    async def _edited_into_note(self, message: Message, chat: Chat, conversation: Conversation, sms: Sms) -> None:
        if await self._withdrawn(message, sms):
            return
        if not sms.state.never_left:
            await self._notice(message, chat, "notice.edit_note_late", "edited", conversation=conversation)

    async def _withdrawn(self, message: Message, sms: Sms) -> bool:
        by = author(message.from_user, message.author_signature)
        return sms.state.is_waiting and await self._replies.withdraw(sms, by)

    async def _edited_inside(self, message: Message, chat: Chat) -> None:
        """No SMS ever came of this message: a note, a command, or words that were refused. They stay what they were."""
        if self._notes.is_note(written(message)) or millis(message.date) < self._restored_at:
            # Perhaps sent by the store that was lost.
            return
        placed = await place(message, chat, self._chats, self._bot_id, self._store)
        if await self._orders.edited(message):
            await self._notice(message, chat, "notice.edit_command", "edited", conversation=placed.conversation)
            return
        refusal = self._refusal(message, chat)
        if placed.conversation is not None and refusal in (None, *_WHO):
            await self._notice(
                message, chat, refusal or "notice.edit_stays", "edited", conversation=placed.conversation
            )

    def _said(self, message: Message, chat: Chat, conversation: Conversation, wanted: Words, key: str) -> Reply:
        return Reply(
            key=key,
            words=wanted,
            conversation=conversation,
            chat=chat,
            chat_id=message.chat.id,
            message_id=message.message_id,
            author=author(message.from_user, message.author_signature),
        )

    async def _no_account(self, message: Message, chat: Chat, conversation: Conversation) -> None:
        params: dict[str, Json] = {"account": conversation.account}
        await self._notice(message, chat, "notice.no_account", params=params, conversation=conversation)

    def _refusal(self, message: Message, chat: Chat) -> str | None:
        """Why this message, or this edit of it, must not leave, as a text id; None if it may."""
        if is_command(written(message)):
            return "notice.unknown_command"
        user = message.from_user
        on_behalf_of = message.sender_chat.id if message.sender_chat is not None else None
        if not chat.admits(user.id if user is not None else None, on_behalf_of=on_behalf_of):
            anonymous = user is not None and user.id == ANONYMOUS_ADMIN
            return "notice.anonymous" if anonymous else "notice.not_operator"
        if message.forward_origin is not None:
            # Perhaps another subscriber's words, or a colleague's: not what this author wrote to this subscriber.
            return "notice.forwarded"
        if message.via_bot is not None:
            # Another bot made the text, and its author may not have read it.
            return "notice.via_bot"
        wanted = words(message)
        if wanted is None:
            return "notice.text_only"
        if not wanted.text:
            return "notice.empty"
        if millis(message.edit_date or message.date) < self._restored_at:
            # The store that was lost may have sent it: the copy put in its place does not know.
            return "notice.before_restore"
        return None

    async def _not_placed(self, message: Message, chat: Chat, meant: Conversation | None) -> None:
        if meant is None or meant.thread_id is None:
            await self._notice(message, chat, "notice.not_placed")
        else:
            link: dict[str, Json] = {"link": topic_link(chat.id, meant.thread_id)}
            await self._notice(message, chat, "notice.orphan", params=link)

    async def _notice(
        self,
        message: Message,
        chat: Chat,
        text: str,
        purpose: str = "",
        *,
        params: dict[str, Json] | None = None,
        conversation: Conversation | None = None,
        unless: str = "",
    ) -> None:
        """A word under the author's message; one of each kind for a message, or for an album as a whole.

        Addressed by the chat's name: the words stand ahead of the conversation's later posts, and must not wait for
        a group that the name does not mean any more. The numbers in them mean the group of ``at`` alone.

        ``unless``: it is not said where an SMS of this key comes soon, or a note in its place.
        """
        payload = NoticePayload(
            text=text,
            params=params or {},
            chat_id=message.chat.id,
            thread_id=message.message_thread_id if message.is_topic_message else None,
            unless_album=unless,
        )
        now = self._clock.now()
        post = NewPost(
            chat=chat.name,
            priority=PostPriority.FAILURE,
            key=self._key(message, purpose or text),
            payload=payload,
            conversation_id=conversation.id if conversation is not None else None,
            reply_to=message.message_id,
            due_at=now + ALBUM if unless else now,
        )
        if await self._store.add_post(post, now):
            log.info("operator_told", notice=text, chat_id=message.chat.id)
        self._signals.posts.set()

    def _key(self, message: Message, purpose: str) -> str:
        """With the chat's id as it stands in the update: a group's move must not make an old update look new."""
        album = message.media_group_id if purpose != "sms" else None
        which = f"album {album}" if album is not None else message.message_id
        return f"tg:{self._bot_id}:{message.chat.id}:{which}:{purpose}"


def written(message: Message) -> str:
    """The words of its author, under a picture too."""
    return trimmed(message.text or message.caption or "")


def is_command(text: str) -> bool:
    return text.startswith("/")
