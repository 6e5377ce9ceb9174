"""Chat posts, alerts and conversations within one transaction: functions on a :class:`Tx` that several verbs share."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bridge.model.alert import CROWD, Alert, alert_post
from bridge.model.base import ConversationId, InboundId, Json, Ms, SmsId
from bridge.model.chat import Conversation
from bridge.model.post import NewPost, PostPriority, TopicPayload, payload_to_json
from bridge.store import locks, rows, sql
from bridge.store.batch import conflict_free_batches
from bridge.store.transaction import Line, Params, Tx, storable

_SHORTEST_CODE = 4


class Posting(NamedTuple):
    """A post, and when it was written."""

    post: NewPost
    now: Ms


def add_posts(tx: Tx, postings: Sequence[Posting]) -> int:
    """How many were written; those whose keys exist are not."""
    written = 0
    tx.lock(locks.conversation(post.conversation_id) for post, _ in postings if post.conversation_id is not None)
    for wave in conflict_free_batches(
        range(len(postings)), lambda at: postings[at].post.conversation_id or ("alone", at)
    ):
        written += len(tx.batch(sql.INSERT_POST, [_posting(*postings[at]) for at in wave]))
    return written


def add_post(tx: Tx, post: NewPost, now: Ms) -> bool:
    """False, and nothing written, where a post with this key exists."""
    return add_posts(tx, [Posting(post, now)]) > 0


def _posting(post: NewPost, now: Ms) -> Line:
    return (
        post.key,
        post.chat,
        post.kind.value,
        int(post.priority),
        rows.to_json(payload_to_json(post.payload)),
        post.conversation_id,
        post.inbound_id,
        post.sms_id,
        post.reply_to,
        now,
        post.due_at,
    )


def open_alert(tx: Tx, alert: Alert, now: Ms) -> bool:
    """Open it, or the one for its crowd, and write its post; False where it is open already."""
    if alert.crowd is not None and _crowded(tx, alert.key, alert.crowd.key):
        alert = alert.crowd
    opened: Params = {"key": alert.key, "text": alert.text, "account": alert.account, "now": now}
    if not tx.run(sql.OPEN_ALERT, {**opened, "params": rows.to_json(alert.params)}):
        return False
    add_post(tx, alert_post(alert.text, alert.params, due_at=now), now)
    return True


def _crowded(tx: Tx, key: str, beginning: str) -> bool:
    like: Params = {"key": key, "beginning": beginning, "end": beginning + "\U0010ffff", "limit": CROWD}
    return len(tx.all(sql.OPEN_ALERTS_LIKE, like)) == CROWD


def close_alert(tx: Tx, key: str, text: str, params: dict[str, Json], now: Ms) -> bool:
    """Close it and write the all-clear; False where it is not open."""
    if tx.one(sql.CLEAR_ALERT, {"key": key, "now": now}) is None:
        return False
    add_post(tx, alert_post(text, params, priority=PostPriority.STATUS, due_at=now), now)
    return True


class Heard(NamedTuple):
    """What a conversation keeps of its latest inbound message."""

    id: InboundId
    account: str
    subscriber: str
    receiver: str
    received_at: Ms


def conversation_for(tx: Tx, chat: str, inbound: Heard, now: Ms) -> Conversation:
    """The conversation of (chat, subscriber), made or brought up to date with ``inbound``."""
    latest: Params = {
        "account": inbound.account,
        "receiver": inbound.receiver,
        "inbound_id": inbound.id,
        "received_at": inbound.received_at,
    }
    found = tx.one(sql.FIND_CONVERSATION, {"chat": chat, "subscriber": inbound.subscriber})
    if found is not None:
        row = tx.one(sql.TOUCH_CONVERSATION, {"id": found["id"], **latest})
        if found["closed_at"] is not None:
            renew_topic(tx, rows.conversation(found), f"reopened:{inbound.id}", now)
    else:
        new: Params = {"chat": chat, "subscriber": inbound.subscriber, "code": _free_code(tx, chat, inbound.subscriber)}
        row = tx.one(sql.INSERT_CONVERSATION, {**new, **latest, "now": now})
    assert row is not None
    return rows.conversation(row)


def begun_conversation(tx: Tx, chat: str, subscriber: str, account: str, now: Ms) -> Conversation:
    """The conversation of (chat, subscriber), made by ``account`` where nobody of them has spoken before."""
    found = tx.one(sql.FIND_CONVERSATION, {"chat": chat, "subscriber": subscriber})
    if found is None:
        code = _free_code(tx, chat, subscriber)
        new: Params = {"chat": chat, "subscriber": subscriber, "code": code, "account": account, "now": now}
        found = tx.one(sql.BEGIN_CONVERSATION, new)
    assert found is not None
    return rows.conversation(found)


def renew_topic(tx: Tx, conversation: Conversation, key: str, now: Ms, *, renamed: bool = False) -> None:
    """Its topic, if it has one, is to be open or closed as the store says, and to have the contact's name if that is
    another one now: a name that somebody gave the topic by hand stays else."""
    if conversation.thread_id is not None:
        post = NewPost(
            chat=conversation.chat,
            priority=PostPriority.STATUS,
            key=f"{key}:topic:{conversation.id}",
            payload=TopicPayload(renamed=renamed),
            conversation_id=conversation.id,
            due_at=now,
        )
        add_post(tx, post, now)


def codes(chat: str, subscriber: str) -> Iterator[str]:
    """Codes for a conversation, shortest first: the same pair always asks for the same ones.

    The first character is a letter, since Telegram makes no hashtag of digits alone; 0, 1, l and o do not occur.
    """
    digest = hashlib.sha256(storable(f"{chat}\n{subscriber}").encode()).digest()
    text = base64.b32encode(digest).decode().rstrip("=").lower().replace("l", "8").replace("o", "9")
    text = "abcdefghijkmnpqrstuvwxyz"[digest[-1] % 24] + text[1:]
    for length in range(_SHORTEST_CODE, len(text) + 1):
        yield text[:length]


def _free_code(tx: Tx, chat: str, subscriber: str) -> str:
    for code in codes(chat, subscriber):
        if tx.one(sql.CODE_TAKEN, {"code": code}) is None:
            return code
    raise AssertionError("two conversations with one SHA-256")  # pragma: no cover


def remember_message(
    tx: Tx,
    chat_id: int,
    message_id: int,
    *,
    now: Ms,
    conversation_id: ConversationId | None = None,
    inbound_id: InboundId | None = None,
    sms_id: SmsId | None = None,
) -> None:
    """From now on the message leads to these; what is None leaves what was known."""
    tx.run(
        sql.REMEMBER_MESSAGE,
        {
            "chat_id": chat_id,
            "message_id": message_id,
            "conversation_id": conversation_id,
            "inbound_id": inbound_id,
            "sms_id": sms_id,
            "at": now,
        },
    )


def remember_topic(tx: Tx, conversation_id: ConversationId, chat_id: int, thread_id: int) -> None:
    tx.run(sql.REMEMBER_TOPIC, {"chat_id": chat_id, "thread_id": thread_id, "conversation_id": conversation_id})
    tx.run(sql.SET_THREAD, {"id": conversation_id, "thread_id": thread_id})


def aliases(tx: Tx) -> dict[int, int]:
    """Old chat id → the newest id, chains resolved; a ring (migrated back and forth) ends where it would repeat."""
    step: dict[int, int] = {row["old_id"]: row["new_id"] for row in tx.all(sql.ALIASES)}
    resolved: dict[int, int] = {}
    for old in step:
        newest, seen = step[old], {old}
        while newest in step and newest not in seen:
            seen.add(newest)
            newest = step[newest]
        resolved[old] = newest
    return resolved


def same_chat(tx: Tx, chat_id: int) -> tuple[int, ...]:
    """Every id this chat has had, ``chat_id`` itself first: message numbers restart in a migrated group."""
    known = aliases(tx)
    newest = known.get(chat_id, chat_id)
    others = sorted({newest, *(old for old, new in known.items() if new == newest)} - {chat_id})
    return (chat_id, *others)
