"""The part of the store that knows conversations, their topics, and what messages in chats are about."""

from __future__ import annotations

from typing import Protocol

from bridge.model.actions import MessageSubject
from bridge.model.base import ConversationId, InboundId, Ms
from bridge.model.chat import Conversation, EarlierMessages


class ChatStore(Protocol):
    async def conversation(self, conversation_id: ConversationId) -> Conversation | None:
        """The conversation with this id, or None."""

    async def conversation_with(self, chat: str, subscriber: str) -> Conversation | None:
        """The conversation with the subscriber in this chat, or None."""

    async def conversation_of(self, chat_id: int, message_id: int) -> Conversation | None:
        """The conversation of a message of ours, or of an operator's message that was stored for it.

        By exactly this chat id: message numbers restart in a migrated group, and an unrelated message there must not
        lead to an old conversation. What was posted before the migration is found by its code.
        """

    async def conversation_of_topic(self, chat_id: int, thread_id: int) -> Conversation | None:
        """The conversation of a topic, also of one that was deleted."""

    async def conversation_of_code(self, chat: str, code: str) -> Conversation | None:
        """The conversation with this code, if it belongs to this chat."""

    async def begin_conversation(self, chat: str, subscriber: str, *, account: str, now: Ms) -> Conversation:
        """The conversation of (chat, subscriber) for an operator who writes first; made if missing, opened if
        closed."""

    async def message_subject(self, chat_id: int, message_id: int) -> MessageSubject:
        """What the message is about, by exactly this chat id, as :meth:`conversation_of`."""

    async def earlier_messages(self, subscriber: str, before: InboundId, *, limit: int) -> EarlierMessages:
        """What this number wrote before that message, counted up to ``limit``."""

    async def set_topic(self, conversation_id: ConversationId, chat_id: int, thread_id: int | None) -> None:
        """Store the conversation's topic, or forget a deleted one (None). :meth:`conversation_of_topic` still finds the
        conversation of a forgotten topic."""

    async def chat_migrated(self, old_id: int, new_id: int, now: Ms) -> None:
        """The group became a supergroup. Rows keep the old id and are found by it; topics are forgotten."""

    async def chat_aliases(self) -> dict[int, int]:
        """Old chat id → the newest id, chains resolved."""
