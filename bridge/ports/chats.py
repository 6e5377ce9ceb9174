"""The part of the store that knows conversations, their topics, and the rows that messages in chats belong to."""

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
        """The conversation of a message of the bot, or of an operator's message that was stored for a conversation.

        The chat id must be exactly this one. Message numbers restart in a migrated group, and an unrelated message
        there must not lead to an old conversation. A post from before the migration is found by its code.
        """

    async def conversation_of_topic(self, chat_id: int, thread_id: int) -> Conversation | None:
        """The conversation of a topic. Deleted topics are found, too."""

    async def conversation_of_code(self, chat: str, code: str) -> Conversation | None:
        """The conversation with this code, if it belongs to this chat."""

    async def begin_conversation(self, chat: str, subscriber: str, *, account: str, now: Ms) -> Conversation:
        """Return the conversation of (chat, subscriber) for an operator who writes first.

        It is made if it is missing, and opened if it is closed.
        """

    async def message_subject(self, chat_id: int, message_id: int) -> MessageSubject:
        """The rows that the message belongs to.

        The chat id must be exactly this one, as for :meth:`conversation_of`.
        """

    async def earlier_messages(self, subscriber: str, before: InboundId, *, limit: int) -> EarlierMessages:
        """The number of messages from this subscriber before that one, up to ``limit``, and when the last came."""

    async def set_topic(self, conversation_id: ConversationId, chat_id: int, thread_id: int | None) -> None:
        """Store the topic of the conversation; None: it was deleted, and the conversation has no topic.

        :meth:`conversation_of_topic` still finds the conversation of a deleted topic.
        """

    async def chat_migrated(self, old_id: int, new_id: int, now: Ms) -> None:
        """Record that the group became a supergroup. Rows keep the old id and are found by it. Topics are forgotten."""

    async def chat_aliases(self) -> dict[int, int]:
        """For each old chat id the newest id, also where a group migrated several times."""
