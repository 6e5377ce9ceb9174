"""Topics that people close and open in Telegram itself: the store follows, as if they had written /close or /open.

Telegram decides who may manage topics, and has shown what was done. Nothing is said about it, and the lines that the
bot's own changes leave are passed over. A topic that was renamed by hand keeps its name until somebody writes /name:
what colleagues write over a topic must not get into texts for the subscriber.
"""

from __future__ import annotations

from telegram import Update
from telegram.ext import MessageHandler, filters

from bridge.model.actions import ActionKind
from bridge.model.base import Ms
from bridge.telegram.buttons.dispatch import millis
from bridge.telegram.chats import Chats
from bridge.telegram.client.api import App, Context
from bridge.telegram.client.authors import author
from bridge.telegram.commands.changes import Changes

_LINES = filters.StatusUpdate.FORUM_TOPIC_CLOSED | filters.StatusUpdate.FORUM_TOPIC_REOPENED


class ManualTopicChanges:
    def __init__(self, *, chats: Chats, changes: Changes, bot_id: int, restored_at: Ms) -> None:
        """``restored_at``: when the store was put back from a copy, else 0."""
        self._chats = chats
        self._changes = changes
        self._bot_id = bot_id
        self._restored_at = restored_at

    def register(self, application: App) -> None:
        application.add_handler(MessageHandler(filters.UpdateType.MESSAGE & _LINES, self.on_line))

    async def on_line(self, update: Update, context: Context) -> None:
        message = update.message
        chat = self._chats.by_id(message.chat.id) if message is not None else None
        if message is None or chat is None or not chat.topics or message.message_thread_id is None:
            return
        ours = message.from_user is not None and message.from_user.id == self._bot_id
        if ours or millis(message.date) < self._restored_at:
            # Before the store was put back: an SMS may have opened it since.
            return
        conversation = await self._changes.store.conversation_of_topic(message.chat.id, message.message_thread_id)
        if conversation is None or conversation.thread_id != message.message_thread_id:
            # Nobody's, or one that the conversation had before.
            return
        await self._changes.by_hand(
            conversation,
            ActionKind.CLOSE if message.forum_topic_closed is not None else ActionKind.OPEN,
            key=f"tg:{self._bot_id}:{message.chat.id}:{message.message_id}:line",
            author=author(message.from_user, message.author_signature),
            line=(message.chat.id, message.message_id),
        )
