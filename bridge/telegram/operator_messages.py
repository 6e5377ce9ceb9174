"""Turns operators' messages, edits and presses into rows of the store, each once, however often it arrives.

Only the short answer to a press is sent from here. Replies become rows of the outbox, and notices to the author become
posts. Every effect is keyed by the chat and message it came from, so an update that is handled twice (a crash between
the effect and its mark) has no second effect.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from telegram import Message, Update
from telegram.ext import CallbackQueryHandler, ChatMemberHandler, MessageHandler, filters

from bridge.model.base import SECOND, Json, Ms
from bridge.model.chat import Conversation
from bridge.model.sms import Sms
from bridge.telegram import replies
from bridge.telegram.buttons import sms as sms_buttons
from bridge.telegram.buttons.dispatch import ButtonDispatcher, ButtonHandler
from bridge.telegram.buttons.kinds import ButtonKind
from bridge.telegram.client.api import App, Context
from bridge.telegram.client.rate_limit import RateLimiter
from bridge.telegram.commands import canned, contacts, conversations, lookup, search
from bridge.telegram.commands.dispatch import CommandDispatcher
from bridge.telegram.context import OperatorContext
from bridge.telegram.conversations import locate, topic_link
from bridge.telegram.incoming import IncomingMessage, Notice, Refusal
from bridge.telegram.notes import AlbumCaptions, Notes
from bridge.telegram.replies import SendableText, reply_of, sendable_text
from bridge.text.gsm7_substitution import with_gsm7_characters

log = structlog.get_logger()

BUTTONS: Mapping[str, ButtonHandler] = {
    ButtonKind.SEND_AGAIN: sms_buttons.send_again,
    ButtonKind.LEAVE: sms_buttons.leave,
    ButtonKind.RELEASE: sms_buttons.release,
    ButtonKind.RELEASE_PLAIN: sms_buttons.release_plain,
    ButtonKind.STOP: sms_buttons.stop,
    ButtonKind.OPT_OUT: contacts.opt_pressed,
    ButtonKind.CONVERSATION: conversations.conversation_pressed,
    ButtonKind.HISTORY: lookup.history_pressed,
    ButtonKind.SEARCH: search.search_pressed,
    ButtonKind.CANNED: canned.canned_pressed,
}
_TOPIC_LINES = filters.StatusUpdate.FORUM_TOPIC_CLOSED | filters.StatusUpdate.FORUM_TOPIC_REOPENED
_ABOUT_AUTHOR = frozenset({Refusal.NOT_OPERATOR, Refusal.ANONYMOUS})
"""Refusals that concern the author, not the text."""
_WITHOUT_TEXT = frozenset({Refusal.TEXT_ONLY, Refusal.EMPTY})
"""Refusals of a message without any text that an SMS can carry."""
ALBUM_WAIT: Ms = 3 * SECOND
"""Telegram brings an album as one message for each picture. The caption may still come this long after a picture."""


class OperatorMessageHandler:
    def __init__(
        self,
        context: OperatorContext,
        *,
        commands: CommandDispatcher,
        buttons: ButtonDispatcher,
        albums: AlbumCaptions,
        limiter: RateLimiter,
    ) -> None:
        self._context = context
        self._commands = commands
        self._buttons = buttons
        self._albums = albums
        self._limiter = limiter
        self._notes = Notes(context.settings.telegram.note_mark)

    def register(self, application: App) -> None:
        """Adds the handlers to the application, which handles updates one by one, in the order of arrival."""
        moved = filters.UpdateType.MESSAGE & filters.StatusUpdate.MIGRATE
        topics = filters.UpdateType.MESSAGE & _TOPIC_LINES
        written = filters.UpdateType.MESSAGE & ~filters.StatusUpdate.ALL
        application.add_handler(MessageHandler(moved, self.on_moved))
        application.add_handler(MessageHandler(topics, self.on_topic_changed))
        application.add_handler(MessageHandler(written, self.on_message))
        application.add_handler(MessageHandler(filters.UpdateType.EDITED_MESSAGE, self.on_edited))
        application.add_handler(CallbackQueryHandler(self.on_button))
        application.add_handler(ChatMemberHandler(self.on_membership, ChatMemberHandler.MY_CHAT_MEMBER))

    # ------------------------------------------------ updates

    async def on_moved(self, update: Update, context: Context) -> None:
        """Follows a group that became a supergroup. Telegram reports it in the old chat and again in the new one."""
        message = update.message
        if message is None:
            return
        old = message.migrate_from_chat_id or message.chat.id
        new = message.migrate_to_chat_id or message.chat.id
        chats, store = self._context.chats, self._context.store
        chat = chats.by_id(old)
        if chat is None or old == new or chat.id == new:
            return
        await store.chat_migrated(old, new, self._context.clock.now())
        chats.set_aliases(await store.chat_aliases())
        log.info("chat_migrated", chat=chat.name, chat_id=new)
        self._context.signals.posts.set()

    async def on_topic_changed(self, update: Update, context: Context) -> None:
        if (message := self._incoming(update.message)) is not None:
            await conversations.topic_changed(self._context, message)

    async def on_message(self, update: Update, context: Context) -> None:
        message = self._incoming(update.message)
        if message is None or message.from_machine:
            return
        if self._notes.is_note(message.text):
            if message.raw.media_group_id is not None:
                self._albums.add_note(message.key("caption"))
            return
        if await self._commands.handle(message):
            return
        located = await locate(message, self._context)
        if located.internal:
            return
        refusal = self._refusal(message)
        if located.conversation is None:
            if refusal is not Refusal.UNKNOWN_COMMAND:
                await self._tell_unknown(message, located.probable)
        elif refusal is not None:
            await self._refuse(message, refusal, located.conversation)
        elif sendable := sendable_text(message.raw):
            await self._reply(message, located.conversation, sendable)

    async def on_edited(self, update: Update, context: Context) -> None:
        """Gives the new text to an SMS that has not left yet. An edit never sends a message that was neither sent nor
        asked about before: a note stays a note."""
        message = self._incoming(update.edited_message)
        if message is None or message.from_machine or message.raw.location is not None:
            # A location is edited only if it is a live one: Telegram reports each of its moves as an edit.
            return
        sms = await self._context.store.sms_of_message(message.chat_id, message.id)
        if sms is None or sms.conversation_id is None:
            await self._edited_without_sms(message)
        elif (conversation := await self._context.store.conversation(sms.conversation_id)) is not None:
            await self._edited_reply(message, conversation, sms)

    async def on_button(self, update: Update, context: Context) -> None:
        if update.callback_query is not None:
            await self._buttons.handle(update.callback_query)

    async def on_membership(self, update: Update, context: Context) -> None:
        """Logs the chat's id for the person who sets the bot up. Posts that wait for a chat that shut the bot out are
        tried at once, because the bot may be back."""
        change = update.my_chat_member
        if change is None:
            return
        chat = self._context.chats.by_id(change.chat.id)
        name = chat.name if chat is not None else None
        log.info("bot_membership", chat_id=change.chat.id, chat=name, status=change.new_chat_member.status)
        if chat is not None:
            self._limiter.reached(chat.id)
            self._context.signals.posts.set()

    def _incoming(self, message: Message | None) -> IncomingMessage | None:
        """None for a chat that is not in the configuration: the bot stays mute there."""
        chat = self._context.chats.by_id(message.chat.id) if message is not None else None
        if message is None or chat is None:
            return None
        return IncomingMessage(raw=message, chat=chat, bot_id=self._context.bot_id)

    # ------------------------------------------------ new messages

    async def _reply(self, message: IncomingMessage, conversation: Conversation, sendable: SendableText) -> None:
        key = message.key("sms")
        if message.raw.media_group_id is not None:
            album = message.key("caption")
            known = await self._context.store.sms_of_key(album)
            # The album's first caption gets the album's key: it counts as the caption of the pictures that have none.
            key = album if known is None or known.message_id == message.id else key
        try:
            await replies.write(self._context, reply_of(message, conversation, sendable, key))
        except KeyError:
            await self._tell_no_account(message, conversation)
        else:
            await conversations.tell_claimed(self._context, message, conversation)

    async def _refuse(self, message: IncomingMessage, refusal: Refusal, conversation: Conversation) -> None:
        album = message.key("caption") if message.raw.media_group_id is not None else ""
        if not album or not await self._albums.handled(album):
            await self._tell(message, f"notice.{refusal}", conversation=conversation, unless_album=album)

    def _refusal(self, message: IncomingMessage) -> Refusal | None:
        """Why this message, or this edit of it, must not leave; None if it may."""
        if message.is_command:
            return Refusal.UNKNOWN_COMMAND
        if message.refusal is not None:
            return message.refusal
        sendable = sendable_text(message.raw)
        if sendable is None:
            return Refusal.TEXT_ONLY
        if not sendable.text:
            return Refusal.EMPTY
        return Refusal.BEFORE_RESTORE if message.changed_at < self._context.restored_at else None

    async def _tell_unknown(self, message: IncomingMessage, probable: Conversation | None) -> None:
        if probable is None or probable.thread_id is None:
            await self._tell(message, "notice.not_placed")
        else:
            link: dict[str, Json] = {"link": topic_link(message.chat.id, probable.thread_id)}
            await self._tell(message, "notice.orphan", params=link)

    # ------------------------------------------------ edits

    async def _edited_reply(self, message: IncomingMessage, conversation: Conversation, sms: Sms) -> None:
        if self._notes.is_note(message.text):
            if not await self._withdrawn(message, sms) and not sms.state.never_left:
                await self._tell(message, "notice.edit_note_late", "edited", conversation=conversation)
            return
        if message.is_command or await self._by_command(message):
            # Telegram reports a command as edited when its link preview comes. It still ends with the text of its SMS.
            texts = (message.text, with_gsm7_characters(message.text) or message.text)
            if not any(text.endswith(sms.text) for text in texts):
                await self._tell(message, "notice.edit_command", "edited", conversation=conversation)
            return
        refusal, sendable = self._refusal(message), sendable_text(message.raw)
        if refusal in _WITHOUT_TEXT and await self._withdrawn(message, sms):
            # The message no longer shows the text that would have left.
            return
        if refusal is not None or sendable is None:
            text_id = f"notice.{refusal or Refusal.TEXT_ONLY}"
            await self._tell(message, text_id, "edited", conversation=conversation)
            return
        try:
            reply = reply_of(message, conversation, sendable, message.key("edit"))
            await replies.apply_edit(self._context, reply, sms)
        except KeyError:
            await self._tell_no_account(message, conversation)

    async def _by_command(self, message: IncomingMessage) -> bool:
        """Whether a command wrote the SMS of this message, whatever the message shows now."""
        store = self._context.store
        return all([await store.sms_of_key(message.key(purpose)) is None for purpose in ("sms", "caption")])

    async def _withdrawn(self, message: IncomingMessage, sms: Sms) -> bool:
        return sms.state.is_waiting and await replies.withdraw(self._context, sms, message.author)

    async def _edited_without_sms(self, message: IncomingMessage) -> None:
        """Handles an edit of a note, a command or a refused text: it changes nothing, and its author may be told so."""
        if self._notes.is_note(message.text) or message.sent_at < self._context.restored_at:
            # A message from before the restoration may have been sent then.
            return
        conversation = (await locate(message, self._context)).conversation
        if await self._commands.shows_command(message):
            await self._tell(message, "notice.edit_command", "edited", conversation=conversation)
            return
        refusal = self._refusal(message)
        if conversation is not None and (refusal is None or refusal in _ABOUT_AUTHOR):
            text_id = "notice.edit_stays" if refusal is None else f"notice.{refusal}"
            await self._tell(message, text_id, "edited", conversation=conversation)

    # ------------------------------------------------ notices to the author

    async def _tell_no_account(self, message: IncomingMessage, conversation: Conversation) -> None:
        params: dict[str, Json] = {"account": conversation.account}
        await self._tell(message, "notice.no_account", params=params, conversation=conversation)

    async def _tell(
        self,
        message: IncomingMessage,
        text_id: str,
        purpose: str = "",
        *,
        params: Mapping[str, Json] | None = None,
        conversation: Conversation | None = None,
        unless_album: str = "",
    ) -> None:
        """Posts a notice under the author's message: one for each text and message, or one for a whole album.

        :param purpose: notices with the same purpose count as the same text.
        :param unless_album: as in :meth:`Notice.post_under`.
        """
        notice = Notice(text=text_id, params=params or {})
        now = self._context.clock.now()
        post = notice.post_under(
            message,
            key=message.key(purpose or notice.text),
            conversation=conversation,
            due_at=now + ALBUM_WAIT if unless_album else now,
            unless_album=unless_album,
        )
        if await self._context.store.add_post(post, now):
            log.info("operator_notified", notice=notice.text, chat_id=message.chat_id)
