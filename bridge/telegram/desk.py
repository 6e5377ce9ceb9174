"""What operators write and press in the chats, turned into rows of the store. Each once, however often it arrives.

Nothing is sent from here but the short answer to a pressed button: replies become outbox rows, words to the author
become posts. Every effect is keyed by the chat and message it came from, so an update that is handled twice (a crash
between the effect and its mark) does nothing new.
"""

from __future__ import annotations

from typing import Protocol

import structlog
from telegram import Message, Update, User
from telegram.ext import CallbackQueryHandler, ChatMemberHandler, MessageHandler, filters

from bridge.config import Settings
from bridge.model import Conversation, Json, Ms, NewPost, PostKind, PostPriority, SmsState
from bridge.pipeline import compose
from bridge.pipeline.signals import Signals
from bridge.ports import ChatStore, Clock, DeskStore
from bridge.telegram.api import App, Context
from bridge.telegram.buttons import Buttons, millis
from bridge.telegram.chats import ANONYMOUS_ADMIN, Chat, Chats
from bridge.telegram.commands.orders import Orders
from bridge.telegram.conversations import Place, place
from bridge.telegram.message import trimmed

log = structlog.get_logger()

_EDITED = {
    **dict.fromkeys((SmsState.DRAFT, SmsState.QUEUED), "notice.edit_waiting"),
    **dict.fromkeys((SmsState.FAILED, SmsState.CANCELLED, SmsState.STALE), "notice.edit_unsent"),
}
"""What whoever edits a reply is told, by its state; in every other state it left or may have left."""


class ReplyStore(ChatStore, DeskStore, Protocol):
    """The parts of the store that an operator's message touches."""


class Desk:
    def __init__(
        self,
        *,
        settings: Settings,
        chats: Chats,
        store: ReplyStore,
        buttons: Buttons,
        orders: Orders,
        signals: Signals,
        clock: Clock,
        bot_id: int,
        restored_at: Ms,
    ) -> None:
        """``restored_at``: when the store was put back from a copy, else 0."""
        self._restored_at = restored_at
        self._settings = settings
        self._mark = settings.telegram.note_mark
        self._chats = chats
        self._store = store
        self._buttons = buttons
        self._orders = orders
        self._signals = signals
        self._clock = clock
        self._bot_id = bot_id

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
        by = author(message.from_user, message.author_signature)
        if not self._is_note(message) and await self._orders.taken(message, chat, by):
            return
        placed = await place(message, chat, self._chats, self._bot_id, self._store)
        if placed.place is Place.TALK or self._is_note(message):
            return
        refusal = self._refusal(message, chat)
        if placed.conversation is None:
            if refusal != "notice.unknown_command":
                await self._notice(message, chat, "notice.not_placed")
        elif refusal is not None:
            await self._notice(message, chat, refusal, conversation=placed.conversation)
        else:
            await self._reply(message, chat, placed.conversation)
            await self._orders.wrote(message, chat, placed.conversation)

    async def on_edited(self, update: Update, context: Context) -> None:
        """An edit never sends anything; who edits a reply is told what became of its first text."""
        message = update.edited_message
        chat = self._chats.by_id(message.chat.id) if message is not None else None
        if message is None or chat is None:
            return
        sms = await self._store.sms_of_message(message.chat.id, message.message_id)
        if sms is None or sms.chat_id != message.chat.id or sms.text == sms_text(message):
            # Telegram reports a new link preview as an edit too, and a moved group numbers its messages anew.
            return
        conversation = await self._store.conversation(sms.conversation_id) if sms.conversation_id is not None else None
        await self._notice(
            message, chat, _EDITED.get(sms.state, "notice.already_sent"), "edited", conversation=conversation
        )

    async def on_button(self, update: Update, context: Context) -> None:
        if update.callback_query is not None:
            await self._buttons.pressed(update.callback_query)

    async def on_membership(self, update: Update, context: Context) -> None:
        """Only for the log: whoever sets the bot up finds the chat's id there. The bot says nothing."""
        change = update.my_chat_member
        if change is None:
            return
        chat = self._chats.by_id(change.chat.id)
        name = chat.name if chat is not None else None
        log.info("bot_membership", chat_id=change.chat.id, chat=name, status=change.new_chat_member.status)

    # ------------------------------------------------ an operator's reply

    async def _reply(self, message: Message, chat: Chat, conversation: Conversation) -> None:
        now = self._clock.now()
        try:
            sms = compose.operator_sms(
                self._settings,
                conversation,
                text=sms_text(message),
                key=self._key(message, "sms"),
                author=author(message.from_user, message.author_signature),
                now=now,
                chat_id=message.chat.id,
                message_id=message.message_id,
            )
        except KeyError:
            params: dict[str, Json] = {"account": conversation.account}
            await self._notice(message, chat, "notice.no_account", params=params, conversation=conversation)
            return
        stored = await self._store.operator_reply(sms, now)
        if self._settings.guards.takeover is not None:
            await self._store.take_over(conversation.subscriber, now + self._settings.guards.takeover, now)
        log.info("operator_reply", sms_id=stored.id, conversation_id=conversation.id, parts=stored.parts)
        self._signals.sms.set()
        self._signals.posts.set()

    def _is_note(self, message: Message) -> bool:
        text = message.text or message.caption or ""
        return bool(self._mark) and trimmed(text).startswith(self._mark)

    def _refusal(self, message: Message, chat: Chat) -> str | None:
        """Why this message must not leave, as a text id; None if it may."""
        text = message.text
        if text is not None and trimmed(text).startswith("/"):
            return "notice.unknown_command"
        user = message.from_user
        on_behalf_of = message.sender_chat.id if message.sender_chat is not None else None
        if not chat.admits(user.id if user is not None else None, on_behalf_of=on_behalf_of):
            anonymous = user is not None and user.id == ANONYMOUS_ADMIN
            return "notice.anonymous" if anonymous else "notice.not_operator"
        if message.forward_origin is not None:
            # Perhaps another subscriber's words, or a colleague's: not what this author wrote to this subscriber.
            return "notice.forwarded"
        if text is None:
            return "notice.text_only"
        if not sms_text(message):
            return "notice.empty"
        if self._mark and any(trimmed(line).startswith(self._mark) for line in text.splitlines()[1:]):
            return "notice.note_inside"
        if millis(message.date) < self._restored_at:
            # The store that was lost may have sent it: the copy put in its place does not know.
            return "notice.before_restore"
        return None

    async def _notice(
        self,
        message: Message,
        chat: Chat,
        text: str,
        purpose: str = "",
        *,
        params: dict[str, Json] | None = None,
        conversation: Conversation | None = None,
    ) -> None:
        """A word under the author's message; one of each kind for a message, or for an album as a whole.

        Addressed by the chat's name: the words stand ahead of the conversation's later posts, and must not wait for
        a group that the name does not mean any more. The numbers in them mean the group of ``at`` alone.
        """
        payload: dict[str, Json] = {
            "text": text,
            "params": {"mark": self._mark, **(params or {})},
            "at": message.chat.id,
        }
        if message.is_topic_message:
            payload["thread"] = message.message_thread_id
        now = self._clock.now()
        post = NewPost(
            chat=chat.name,
            kind=PostKind.NOTICE,
            priority=PostPriority.FAILURE,
            key=self._key(message, purpose or text),
            payload=payload,
            conversation_id=conversation.id if conversation is not None else None,
            reply_to=message.message_id,
            due_at=now,
        )
        if await self._store.add_post(post, now):
            log.info("operator_told", notice=text, chat_id=message.chat.id)
        self._signals.posts.set()

    def _key(self, message: Message, purpose: str) -> str:
        """With the chat's id as it stands in the update: a group's move must not make an old update look new."""
        album = message.media_group_id if purpose != "sms" else None
        which = f"album {album}" if album is not None else message.message_id
        return f"tg:{self._bot_id}:{message.chat.id}:{which}:{purpose}"


def from_machine(message: Message) -> bool:
    """Another bot, or a post that Telegram copied here from a linked channel: nobody at this desk wrote it."""
    if message.is_automatic_forward:
        return True
    user = message.from_user
    return user is not None and user.is_bot and message.sender_chat is None


def sms_text(message: Message) -> str:
    return trimmed(message.text or "")


def author(user: User | None, title: str | None = None) -> str:
    """For people, in histories and logs."""
    if user is None:
        return "?"
    if user.id == ANONYMOUS_ADMIN:
        return f"{title or user.full_name} (anonymous)"
    return f"{user.full_name} ({user.id})"
