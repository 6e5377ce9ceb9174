"""What showing a crowd of posts takes: bursts, backlogs, and what stands around a talk."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.base import InboundId, Json, Ms
from bridge.model.chat import EarlierMessages, Post, PostedMessage
from bridge.model.post import NewPost, NoticePayload, PostKind, PostPriority
from bridge.store import rows, sql
from bridge.store.repository import Writing
from bridge.store.transaction import Params, Tx
from bridge.store.work_posts import add_post
from bridge.store.work_shown import joined, posts_done

_COUNTED = 100_000
"""SMS of a backlog that are counted."""


class PostVerbs(Writing):
    async def posts_behind(self, post: Post, *, limit: int) -> Sequence[Post]:
        if post.conversation is None:
            return ()
        wanted: Params = {"conversation_id": post.conversation.id, "id": post.id, "limit": limit}
        return await self._readers.run(lambda tx: [joined(tx, row) for row in tx.all(sql.POSTS_BEHIND, wanted)])

    async def posts_done(self, posts: Sequence[Post], posted: PostedMessage, now: Ms) -> None:
        await self._writer.run(lambda tx: posts_done(tx, posts, posted, now))

    async def posts_ahead(self, chats: Sequence[str], *, talks: int, posts: int) -> tuple[int, int]:
        def query(tx: Tx) -> tuple[int, int]:
            return (
                _count(tx, sql.POSTS_READY, chats, talks),
                _count(tx, sql.POSTS_TO_SHOW, chats, posts),
            )

        return await self._readers.run(query)

    async def open_backlog(self, key: str, chats: Sequence[str], chat: str, now: Ms) -> bool:
        return await self._writer.run(lambda tx: _open_backlog(tx, key, chats, chat, now))

    async def close_backlog(self, key: str, now: Ms) -> None:
        await self._writer.run(lambda tx: _close_backlog(tx, key, now))

    async def earlier(self, subscriber: str, before: InboundId, *, limit: int) -> EarlierMessages:
        wanted: Params = {"subscriber": subscriber, "before": before, "limit": limit}
        found = await self._readers.run(lambda tx: tx.all(sql.EARLIER_INBOUND, wanted))
        return EarlierMessages(count=len(found), last_at=found[0]["received_at"] if found else None)


def _count(tx: Tx, statement: str, chats: Sequence[str], limit: int) -> int:
    found = (tx.one(statement, {"chat": chat, "limit": limit}) for chat in dict.fromkeys(chats))
    return sum(row["number"] for row in found if row is not None)


def _open_backlog(tx: Tx, key: str, chats: Sequence[str], chat: str, now: Ms) -> bool:
    opened: Params = {"key": key, "text": "notice.digest", "params": "{}", "account": "", "now": now}
    if not tx.run(sql.OPEN_ALERT, opened):
        return False
    asked = (tx.one(sql.BACKLOG, {"chat": each, "limit": _COUNTED}) for each in dict.fromkeys(chats))
    counted = [row for row in asked if row is not None]
    # A subscriber whose SMS were forwarded to the same group under two names is counted twice.
    params: dict[str, Json] = {name: sum(row[name] for row in counted) for name in ("sms", "numbers")}
    alert = tx.one(sql.OPEN_ALERT_OF, {"key": key})
    assert alert is not None
    digest = NewPost(
        chat=chat,
        priority=PostPriority.AHEAD,
        key=_digest_key(key, alert["id"]),
        payload=NoticePayload(text="notice.digest", params=params),
        due_at=now,
    )
    return add_post(tx, digest, now)


def _close_backlog(tx: Tx, key: str, now: Ms) -> None:
    alert = tx.one(sql.CLEAR_ALERT, {"key": key, "now": now})
    digest = None if alert is None else tx.one(sql.DIGEST, {"key": _digest_key(key, alert["id"])})
    if alert is None or digest is None:
        return
    counted = rows.payload(PostKind.NOTICE, digest["payload"])
    assert isinstance(counted, NoticePayload)
    payload = NoticePayload(
        text="notice.digest_over", params=counted.params, edits=digest["message_id"], chat_id=digest["chat_id"]
    )
    over = NewPost(
        chat=digest["chat"],
        priority=PostPriority.STATUS,
        key=_digest_key(key, alert["id"]) + ":over",
        payload=payload,
        due_at=now,
    )
    add_post(tx, over, now)


def _digest_key(key: str, alert_id: int) -> str:
    """One for each time that a backlog is opened."""
    return f"digest:{key}:{alert_id}"
