"""The queue of posts of each chat: claims the next posts, records what became of them, and counts those that wait."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.base import Json, Ms, PostId
from bridge.model.chat import Post, PostedMessage
from bridge.model.post import NewPost, NoticePayload, Payload, PostKind, PostPriority, payload_from_json
from bridge.store.repositories.alerts import CLEAR_ALERT, OPEN_ALERT, OPEN_ALERT_OF
from bridge.store.repositories.contacts import get_contact
from bridge.store.repositories.conversations import get_conversation, remember_message, remember_topic
from bridge.store.repositories.inbox import get_inbound
from bridge.store.repositories.posting import add_post, free_next
from bridge.store.repositories.sms import get_sms
from bridge.store.repository import Repository, read_number
from bridge.store.schema.mapping import read_mapping
from bridge.store.schema.tables import CHAT_POST
from bridge.store.schema.types import INTEGER
from bridge.store.statement import Statement
from bridge.store.transaction import Params, Row, Tx

_POST = f"{CHAT_POST}, kind, payload, conversation_id, inbound_id, sms_id"
"""The columns of a post, of its payload, and the ids of the rows that it is about."""

CLAIM_POSTS = CHAT_POST.statement(
    f"""
SELECT {_POST} FROM chat_post
WHERE chat = :chat AND state = 'waiting' AND behind = 0 AND priority >= :least AND due_at <= :now
ORDER BY priority, id LIMIT :limit
""",
    least=INTEGER,
)

# The posts of a conversation that wait after one of its posts, in their order.
POSTS_BEHIND = CHAT_POST.statement(f"""
SELECT {_POST} FROM chat_post
WHERE conversation_id = :conversation_id AND state = 'waiting' AND kind IN ('inbound', 'notice') AND id > :id
ORDER BY id LIMIT :limit
""")

POST_DONE = CHAT_POST.statement("""
UPDATE chat_post SET
    state = CASE WHEN revision = :revision THEN 'posted' ELSE state END,
    finished_at = CASE WHEN revision = :revision THEN :now ELSE finished_at END,
    shown = :shown, error = '', chat_id = :chat_id, message_id = COALESCE(:message_id, message_id)
WHERE id = :id
""")

POST_RETRY = CHAT_POST.statement("""
UPDATE chat_post SET due_at = :due_at, error = :error, attempts = attempts + 1 WHERE id = :id AND state = 'waiting'
""")

POST_DROPPED = CHAT_POST.statement("""
UPDATE chat_post SET state = 'dropped', error = :error, attempts = attempts + 1, finished_at = :now
WHERE id = :id AND state = 'waiting'
RETURNING conversation_id
""")

# These stop counting at their limits, so they cost the same however many posts wait.
COUNT_READY_POSTS = CHAT_POST.statement("""
SELECT count(*) AS number FROM (
    SELECT 1 FROM chat_post
    WHERE chat = :chat AND state = 'waiting' AND behind = 0 AND kind = 'inbound' LIMIT :limit) AS p
""")
COUNT_WAITING_POSTS = CHAT_POST.statement("""
SELECT count(*) AS number FROM (
    SELECT 1 FROM chat_post WHERE chat = :chat AND state = 'waiting' AND kind = 'inbound' LIMIT :limit) AS p
""")
COUNT_SMS_TO_POST = Statement("""
SELECT count(*) AS number FROM
    (SELECT 1 FROM chat_post WHERE state = 'waiting' AND kind = 'inbound' LIMIT :limit) AS p
""")

# Runs once for each backlog, and stops counting at its limit.
COUNT_BACKLOG = CHAT_POST.statement("""
SELECT count(*) AS sms, count(DISTINCT w.subscriber) AS numbers FROM (
    SELECT i.subscriber FROM chat_post AS p JOIN inbound AS i ON i.id = p.inbound_id
    WHERE p.chat = :chat AND p.state = 'waiting' AND p.kind = 'inbound' LIMIT :limit) AS w
""")

# Finds a digest only if the chat has its message, since only then it can be edited.
DIGEST = CHAT_POST.statement(
    "SELECT chat, kind, payload, chat_id, message_id FROM chat_post WHERE key = :key AND message_id IS NOT NULL"
)

_MAX_COUNTED = 100_000
"""Most SMS of a backlog that are counted."""


class PostRepository(Repository):
    """Implements :class:`~bridge.ports.posts.PostStore`."""

    async def claim_posts(
        self, chats: Sequence[str], *, now: Ms, limit: int, least: PostPriority = PostPriority.AHEAD
    ) -> Sequence[Post]:
        return await self._readers.run(lambda tx: _due_posts(tx, chats, now, limit, least))

    async def posts_behind(self, post: Post, *, limit: int) -> Sequence[Post]:
        if post.conversation is None:
            return ()
        behind: Params = {"conversation_id": post.conversation.id, "id": post.id, "limit": limit}
        return await self._readers.run(lambda tx: [_joined(tx, row) for row in tx.all(POSTS_BEHIND, behind)])

    async def add_post(self, post: NewPost, now: Ms) -> bool:
        return await self._writer.run(lambda tx: add_post(tx, post, now))

    async def posts_done(self, posts: Sequence[Post], posted: PostedMessage, now: Ms) -> None:
        await self._writer.run(lambda tx: _posts_done(tx, posts, posted, now))

    async def post_retry(self, post_id: PostId, due_at: Ms, error: str) -> None:
        later: Params = {"id": post_id, "due_at": due_at, "error": error}
        await self._writer.run(lambda tx: tx.run(POST_RETRY, later))

    async def post_dropped(self, post_id: PostId, error: str, now: Ms) -> None:
        dropped: Params = {"id": post_id, "error": error, "now": now}

        def unit(tx: Tx) -> None:
            row = tx.one(POST_DROPPED, dropped)
            if row is not None:
                free_next(tx, row["conversation_id"])

        await self._writer.run(unit)

    async def count_sms_to_post(self, *, limit: int) -> int:
        return await self._readers.run(lambda tx: read_number(tx, COUNT_SMS_TO_POST, {"limit": limit}))

    async def count_waiting_posts(self, chats: Sequence[str], *, conversations: int, posts: int) -> tuple[int, int]:
        def query(tx: Tx) -> tuple[int, int]:
            return _count(tx, COUNT_READY_POSTS, chats, conversations), _count(tx, COUNT_WAITING_POSTS, chats, posts)

        return await self._readers.run(query)

    async def open_backlog(self, key: str, chats: Sequence[str], chat: str, now: Ms) -> bool:
        return await self._writer.run(lambda tx: _open_backlog(tx, key, chats, chat, now))

    async def close_backlog(self, key: str, now: Ms) -> None:
        await self._writer.run(lambda tx: _close_backlog(tx, key, now))


# ---------------------------------------------------------------- the next posts


def _due_posts(tx: Tx, chats: Sequence[str], now: Ms, limit: int, least: PostPriority) -> list[Post]:
    found: list[Row] = []
    for chat in dict.fromkeys(chats):
        found += tx.all(CLAIM_POSTS, {"chat": chat, "now": now, "limit": limit, "least": int(least)})
    found.sort(key=lambda row: (row["priority"], row["id"]))
    return [_joined(tx, row) for row in found[:limit]]


def _joined(tx: Tx, row: Row) -> Post:
    """The post with its conversation, inbound SMS, outbound SMS and contact, all read from one snapshot."""
    *columns, kind, payload, conversation_id, inbound_id, sms_id = row
    conversation = get_conversation(tx, conversation_id)
    inbound = get_inbound(tx, inbound_id)
    sms = get_sms(tx, sms_id)
    subscriber = (
        (conversation.subscriber if conversation else None)
        or (inbound.subscriber if inbound else None)
        or (sms.recipient if sms else None)
    )
    contact = get_contact(tx, subscriber) if subscriber else None
    return CHAT_POST.read(
        columns,
        payload=_payload(kind, payload),
        conversation=conversation,
        inbound=inbound,
        sms=sms,
        contact=contact,
    )


def _payload(kind: str, payload: str) -> Payload:
    return payload_from_json(PostKind(kind), read_mapping(payload))


# ---------------------------------------------------------------- what became of posts


def _posts_done(tx: Tx, posts: Sequence[Post], posted: PostedMessage, now: Ms) -> None:
    """Record that one message shows all these posts. The message leads to what the last of them is about."""
    for post in posts:
        done: Params = {"id": post.id, "revision": post.revision, "shown": posted.shown, "now": now}
        tx.run(POST_DONE, {**done, "chat_id": posted.chat_id, "message_id": posted.message_id})
    last = posts[-1]
    conversation_id = last.conversation.id if last.conversation else None
    if last.kind is not PostKind.STATUS:
        free_next(tx, conversation_id)
    if posted.message_id is not None:
        remember_message(
            tx,
            posted.chat_id,
            posted.message_id,
            now=now,
            conversation_id=conversation_id,
            inbound_id=last.inbound.id if last.inbound else None,
            sms_id=last.sms.id if last.sms else None,
        )
    if posted.thread_id is not None and conversation_id is not None:
        remember_topic(tx, conversation_id, posted.chat_id, posted.thread_id)


# ---------------------------------------------------------------- backlogs


def _count(tx: Tx, statement: Statement, chats: Sequence[str], limit: int) -> int:
    found = (tx.one(statement, {"chat": chat, "limit": limit}) for chat in dict.fromkeys(chats))
    return sum(row["number"] for row in found if row is not None)


def _open_backlog(tx: Tx, key: str, chats: Sequence[str], chat: str, now: Ms) -> bool:
    opened: Params = {"key": key, "text": "notice.digest", "params": "{}", "account": "", "now": now}
    if not tx.run(OPEN_ALERT, opened):
        return False
    counts = (tx.one(COUNT_BACKLOG, {"chat": each, "limit": _MAX_COUNTED}) for each in dict.fromkeys(chats))
    counted = [row for row in counts if row is not None]
    # A subscriber whose SMS were forwarded to the same group under two names is counted twice.
    params: dict[str, Json] = {name: sum(row[name] for row in counted) for name in ("sms", "numbers")}
    alert = tx.one(OPEN_ALERT_OF, {"key": key})
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
    alert = tx.one(CLEAR_ALERT, {"key": key, "now": now})
    digest = None if alert is None else tx.one(DIGEST, {"key": _digest_key(key, alert["id"])})
    if alert is None or digest is None:
        return
    counted = _payload(digest["kind"], digest["payload"])
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
    """The key of the digest post. Each time a backlog opens, it has a new alert, so the digest has a new key."""
    return f"digest:{key}:{alert_id}"
