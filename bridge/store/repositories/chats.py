"""Finds the conversation that a message, a topic or a code in a chat means. Records groups that became supergroups."""

from __future__ import annotations

from functools import partial

from bridge.model.actions import MessageSubject
from bridge.model.base import ConversationId, InboundId, Ms
from bridge.model.chat import Conversation, EarlierMessages
from bridge.store import locks
from bridge.store.repositories.conversations import (
    SET_THREAD,
    aliases,
    begun_conversation,
    find_conversation,
    get_conversation,
    remember_topic,
    renew_topic,
    same_chat,
)
from bridge.store.repository import Repository, read_one
from bridge.store.schema.tables import CHAT_ALIAS, CHAT_MESSAGE, CONVERSATION, INBOUND, TOPIC
from bridge.store.statement import Statement
from bridge.store.transaction import Params, Tx

CONVERSATION_OF_CODE = CONVERSATION.statement(
    f"SELECT {CONVERSATION} FROM conversation WHERE code = :code AND chat = :chat"
)
CONVERSATION_OF_TOPIC = TOPIC.statement(
    "SELECT conversation_id FROM topic WHERE chat_id = :chat_id AND thread_id = :thread_id"
)
CONVERSATION_OF_MESSAGE = CHAT_MESSAGE.statement("""
SELECT conversation_id FROM chat_message
WHERE chat_id = :chat_id AND message_id = :message_id AND conversation_id IS NOT NULL
""")
SUBJECT_OF_MESSAGE = CHAT_MESSAGE.statement("""
SELECT conversation_id, inbound_id, sms_id FROM chat_message WHERE chat_id = :chat_id AND message_id = :message_id
""")
OPEN_CONVERSATION = CONVERSATION.statement(
    "UPDATE conversation SET closed_at = NULL WHERE id = :id AND closed_at IS NOT NULL"
)

EARLIER_INBOUND = INBOUND.statement("""
SELECT received_at FROM inbound WHERE subscriber = :subscriber AND id < :before
ORDER BY received_at DESC LIMIT :limit
""")

ADD_ALIAS = CHAT_ALIAS.statement("""
INSERT INTO chat_alias (old_id, new_id, at) VALUES (:old_id, :new_id, :at)
ON CONFLICT (old_id) DO UPDATE SET new_id = excluded.new_id, at = excluded.at
""")

FORGET_TOPICS = TOPIC.statement("""
UPDATE conversation SET thread_id = NULL
WHERE id IN (SELECT t.conversation_id FROM topic AS t WHERE t.chat_id = :chat_id)
  AND thread_id IN (
    SELECT t.thread_id FROM topic AS t WHERE t.chat_id = :chat_id AND t.conversation_id = conversation.id)
""")


class ChatRepository(Repository):
    """Implements :class:`~bridge.ports.chats.ChatStore`."""

    async def conversation(self, conversation_id: ConversationId) -> Conversation | None:
        return await self._readers.run(lambda tx: get_conversation(tx, conversation_id))

    async def conversation_with(self, chat: str, subscriber: str) -> Conversation | None:
        return await self._readers.run(lambda tx: find_conversation(tx, chat, subscriber))

    async def conversation_of(self, chat_id: int, message_id: int) -> Conversation | None:
        lookup: Params = {"chat_id": chat_id, "message_id": message_id}
        return await self._readers.run(lambda tx: _found(tx, CONVERSATION_OF_MESSAGE, lookup))

    async def conversation_of_topic(self, chat_id: int, thread_id: int) -> Conversation | None:
        lookup: Params = {"chat_id": chat_id, "thread_id": thread_id}
        return await self._readers.run(lambda tx: _found(tx, CONVERSATION_OF_TOPIC, lookup))

    async def conversation_of_code(self, chat: str, code: str) -> Conversation | None:
        lookup = {"chat": chat, "code": code.lower()}
        return await self._readers.run(lambda tx: read_one(tx, CONVERSATION, CONVERSATION_OF_CODE, lookup))

    async def begin_conversation(self, chat: str, subscriber: str, *, account: str, now: Ms) -> Conversation:
        def unit(tx: Tx) -> Conversation:
            tx.lock([locks.subscriber(subscriber)])
            conversation = begun_conversation(tx, chat, subscriber, account, now)
            if tx.run(OPEN_CONVERSATION, {"id": conversation.id}):
                renew_topic(tx, conversation, f"begun:{now}", now)
            return conversation

        return await self._writer.run(unit)

    async def message_subject(self, chat_id: int, message_id: int) -> MessageSubject:
        lookup: Params = {"chat_id": chat_id, "message_id": message_id}
        row = await self._readers.run(lambda tx: tx.one(SUBJECT_OF_MESSAGE, lookup))
        if row is None:
            return MessageSubject()
        return MessageSubject(
            conversation_id=row["conversation_id"], inbound_id=row["inbound_id"], sms_id=row["sms_id"]
        )

    async def earlier_messages(self, subscriber: str, before: InboundId, *, limit: int) -> EarlierMessages:
        earlier: Params = {"subscriber": subscriber, "before": before, "limit": limit}
        found = await self._readers.run(lambda tx: tx.all(EARLIER_INBOUND, earlier))
        return EarlierMessages(count=len(found), last_at=found[0]["received_at"] if found else None)

    async def set_topic(self, conversation_id: ConversationId, chat_id: int, thread_id: int | None) -> None:
        def unit(tx: Tx) -> None:
            if thread_id is None:
                tx.run(SET_THREAD, {"id": conversation_id, "thread_id": None})
            else:
                remember_topic(tx, conversation_id, chat_id, thread_id)

        await self._writer.run(unit)

    async def chat_migrated(self, old_id: int, new_id: int, now: Ms) -> None:
        if old_id != new_id:
            await self._writer.run(partial(_migrate_chat, old_id, new_id, now))

    async def chat_aliases(self) -> dict[int, int]:
        return await self._readers.run(aliases)


def _found(tx: Tx, statement: Statement, lookup: Params) -> Conversation | None:
    row = tx.one(statement, lookup)
    return None if row is None else get_conversation(tx, row["conversation_id"])


def _migrate_chat(old_id: int, new_id: int, now: Ms, tx: Tx) -> None:
    if aliases(tx).get(old_id) == new_id:
        return  # Telegram reports a migration several times; topics made in the new chat since then must stay
    former = same_chat(tx, old_id)
    tx.run(ADD_ALIAS, {"old_id": old_id, "new_id": new_id, "at": now})
    for chat_id in former:
        if chat_id != new_id:
            tx.run(FORGET_TOPICS, {"chat_id": chat_id})
