"""The queue of chat posts, and what a message or a topic in a chat is about."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bridge.model.base import ConversationId, Ms, PostId
from bridge.model.chat import Conversation, Post
from bridge.model.post import NewPost, PostPriority
from bridge.store import rows, sql
from bridge.store.repository import Writing
from bridge.store.transaction import Params, Row, Tx
from bridge.store.work_posts import add_post, aliases, remember_topic, same_chat
from bridge.store.work_shown import conversation_of_id, free_next, joined


class ChatVerbs(Writing):
    async def claim_posts(
        self, chats: Sequence[str], *, now: Ms, limit: int, least: PostPriority = PostPriority.AHEAD
    ) -> Sequence[Post]:
        return await self._readers.run(lambda tx: _due_posts(tx, chats, now, limit, least))

    async def post_retry(self, post_id: PostId, due_at: Ms, error: str) -> None:
        later: Params = {"id": post_id, "due_at": due_at, "error": error}
        await self._writer.run(lambda tx: tx.run(sql.POST_RETRY, later))

    async def post_dropped(self, post_id: PostId, error: str, now: Ms) -> None:
        dropped: Params = {"id": post_id, "error": error, "now": now}

        def unit(tx: Tx) -> None:
            row = tx.one(sql.POST_DROPPED, dropped)
            if row is not None:
                free_next(tx, row["conversation_id"])

        await self._writer.run(unit)

    async def sms_to_come(self, *, limit: int) -> int:
        row = await self._readers.run(lambda tx: tx.one(sql.SMS_TO_COME, {"limit": limit}))
        return 0 if row is None else int(row["number"])

    async def add_post(self, post: NewPost, now: Ms) -> bool:
        return await self._writer.run(lambda tx: add_post(tx, post, now))

    async def conversation_of(self, chat_id: int, message_id: int) -> Conversation | None:
        lookup = {"message_id": message_id}
        return await self._readers.run(lambda tx: _found_in_chat(tx, sql.CONVERSATION_OF_MESSAGE, chat_id, lookup))

    async def conversation_of_topic(self, chat_id: int, thread_id: int) -> Conversation | None:
        lookup = {"thread_id": thread_id}
        return await self._readers.run(lambda tx: _found_in_chat(tx, sql.CONVERSATION_OF_TOPIC, chat_id, lookup))

    async def conversation_of_code(self, chat: str, code: str) -> Conversation | None:
        lookup = {"chat": chat, "code": code.lower()}
        row = await self._readers.run(lambda tx: tx.one(sql.CONVERSATION_OF_CODE, lookup))
        return None if row is None else rows.conversation(row)

    async def conversation(self, conversation_id: ConversationId) -> Conversation | None:
        return await self._readers.run(lambda tx: conversation_of_id(tx, conversation_id))

    async def set_topic(self, conversation_id: ConversationId, chat_id: int, thread_id: int | None) -> None:
        def unit(tx: Tx) -> None:
            if thread_id is None:
                tx.run(sql.SET_THREAD, {"id": conversation_id, "thread_id": None})
            else:
                remember_topic(tx, conversation_id, chat_id, thread_id)

        await self._writer.run(unit)

    async def chat_migrated(self, old_id: int, new_id: int, now: Ms) -> None:
        if old_id != new_id:
            await self._writer.run(partial(_migrate_chat, old_id, new_id, now))

    async def chat_aliases(self) -> dict[int, int]:
        return await self._readers.run(aliases)


def _due_posts(tx: Tx, chats: Sequence[str], now: Ms, limit: int, least: PostPriority) -> list[Post]:
    found: list[Row] = []
    for chat in dict.fromkeys(chats):
        found += tx.all(sql.CLAIM_POSTS, {"chat": chat, "now": now, "limit": limit, "least": int(least)})
    found.sort(key=lambda row: (row["priority"], row["id"]))
    return [joined(tx, row) for row in found[:limit]]


def _migrate_chat(old_id: int, new_id: int, now: Ms, tx: Tx) -> None:
    if aliases(tx).get(old_id) == new_id:
        return  # Telegram tells it several times; topics made in the new chat since then must stay
    former = same_chat(tx, old_id)
    tx.run(sql.ADD_ALIAS, {"old_id": old_id, "new_id": new_id, "now": now})
    for chat_id in former:
        if chat_id != new_id:
            tx.run(sql.FORGET_TOPICS, {"chat_id": chat_id})


def _found_in_chat(tx: Tx, statement: str, chat_id: int, lookup: dict[str, int]) -> Conversation | None:
    row = tx.one(statement, {**lookup, "chat_id": chat_id})
    return None if row is None else conversation_of_id(tx, row["conversation_id"])
