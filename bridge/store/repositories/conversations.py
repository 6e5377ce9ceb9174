"""Conversations, their topics, and the messages of a chat that belong to them. Functions on a transaction."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from bridge.model.base import ConversationId, InboundId, Ms, SmsId
from bridge.model.chat import Conversation
from bridge.model.post import NewPost, PostPriority, TopicPayload
from bridge.store.repositories.posting import add_post
from bridge.store.repository import read_all, read_one
from bridge.store.schema.tables import CHAT_ALIAS, CHAT_MESSAGE, CONVERSATION, TOPIC
from bridge.store.schema.types import INTEGER
from bridge.store.transaction import Params, Tx, storable

_SHORTEST_CODE = 4

GET_CONVERSATION = CONVERSATION.statement(f"SELECT {CONVERSATION} FROM conversation WHERE id = :id")
FIND_CONVERSATION = CONVERSATION.statement(
    f"SELECT {CONVERSATION} FROM conversation WHERE chat = :chat AND subscriber = :subscriber"
)
CONVERSATIONS_WITH = CONVERSATION.statement(
    f"SELECT {CONVERSATION} FROM conversation WHERE subscriber = :subscriber ORDER BY id"
)
CODE_TAKEN = CONVERSATION.statement("SELECT 1 FROM conversation WHERE code = :code")

INSERT_CONVERSATION = CONVERSATION.statement(
    f"""
INSERT INTO conversation (chat, subscriber, code, account, receiver, last_inbound_id, last_inbound_at, waits_since,
                          created_at)
VALUES (:chat, :subscriber, :code, :account, :receiver, :inbound_id, :received_at, :received_at, :now)
RETURNING {CONVERSATION}
""",
    inbound_id=INTEGER,
    received_at=INTEGER,
)

TOUCH_CONVERSATION = CONVERSATION.statement(
    f"""
UPDATE conversation SET account = :account, receiver = :receiver, last_inbound_id = :inbound_id,
                        last_inbound_at = :received_at, waits_since = COALESCE(waits_since, :received_at),
                        closed_at = NULL
WHERE id = :id
RETURNING {CONVERSATION}
""",
    inbound_id=INTEGER,
    received_at=INTEGER,
)

BEGIN_CONVERSATION = CONVERSATION.statement(f"""
INSERT INTO conversation (chat, subscriber, code, account, receiver, created_at)
VALUES (:chat, :subscriber, :code, :account, '', :now)
RETURNING {CONVERSATION}
""")

# The subscriber has an answer: the next SMS begins a new wait.
NOTE_ANSWERED = CONVERSATION.statement("""
UPDATE conversation SET waits_since = NULL, reminded_at = NULL WHERE id = :id AND waits_since IS NOT NULL
""")

SET_THREAD = CONVERSATION.statement("UPDATE conversation SET thread_id = :thread_id WHERE id = :id")

REMEMBER_TOPIC = TOPIC.statement("""
INSERT INTO topic (chat_id, thread_id, conversation_id) VALUES (:chat_id, :thread_id, :conversation_id)
ON CONFLICT (chat_id, thread_id) DO UPDATE SET conversation_id = excluded.conversation_id
""")

REMEMBER_MESSAGE = CHAT_MESSAGE.statement("""
INSERT INTO chat_message (chat_id, message_id, conversation_id, inbound_id, sms_id, at)
VALUES (:chat_id, :message_id, :conversation_id, :inbound_id, :sms_id, :at)
ON CONFLICT (chat_id, message_id) DO UPDATE SET
    conversation_id = COALESCE(excluded.conversation_id, chat_message.conversation_id),
    inbound_id = COALESCE(excluded.inbound_id, chat_message.inbound_id),
    sms_id = COALESCE(excluded.sms_id, chat_message.sms_id)
""")

ALIASES = CHAT_ALIAS.statement("SELECT old_id, new_id FROM chat_alias")


def get_conversation(tx: Tx, conversation_id: ConversationId | None) -> Conversation | None:
    """The conversation with this id, or None."""
    if conversation_id is None:
        return None
    return read_one(tx, CONVERSATION, GET_CONVERSATION, {"id": conversation_id})


def find_conversation(tx: Tx, chat: str, subscriber: str) -> Conversation | None:
    """The conversation with the subscriber in this chat, or None."""
    return read_one(tx, CONVERSATION, FIND_CONVERSATION, {"chat": chat, "subscriber": subscriber})


def conversations_with(tx: Tx, subscriber: str) -> list[Conversation]:
    """The conversations with a subscriber in all chats, oldest first."""
    return read_all(tx, CONVERSATION, CONVERSATIONS_WITH, {"subscriber": subscriber})


class LatestInbound(NamedTuple):
    """The columns that a conversation takes from its latest inbound SMS."""

    id: InboundId
    account: str
    subscriber: str
    receiver: str
    received_at: Ms


def conversation_for(tx: Tx, chat: str, inbound: LatestInbound, now: Ms) -> Conversation:
    """Make or update the conversation of (chat, subscriber) with ``inbound``. Opens it if it was closed."""
    latest: Params = {
        "account": inbound.account,
        "receiver": inbound.receiver,
        "inbound_id": inbound.id,
        "received_at": inbound.received_at,
    }
    known = find_conversation(tx, chat, inbound.subscriber)
    if known is not None:
        row = tx.one(TOUCH_CONVERSATION, {"id": known.id, **latest})
        if known.closed_at is not None:
            renew_topic(tx, known, f"reopened:{inbound.id}", now)
    else:
        code = _free_code(tx, chat, inbound.subscriber)
        new: Params = {"chat": chat, "subscriber": inbound.subscriber, "code": code, "now": now}
        row = tx.one(INSERT_CONVERSATION, {**new, **latest})
    assert row is not None
    return CONVERSATION.read(row)


def begun_conversation(tx: Tx, chat: str, subscriber: str, account: str, now: Ms) -> Conversation:
    """Find the conversation of (chat, subscriber), or make it with ``account``."""
    known = find_conversation(tx, chat, subscriber)
    if known is not None:
        return known
    code = _free_code(tx, chat, subscriber)
    new: Params = {"chat": chat, "subscriber": subscriber, "code": code, "account": account, "now": now}
    row = tx.one(BEGIN_CONVERSATION, new)
    assert row is not None
    return CONVERSATION.read(row)


def note_answered(tx: Tx, conversation_id: ConversationId) -> None:
    """Record that the subscriber does not wait for an answer any more."""
    tx.run(NOTE_ANSWERED, {"id": conversation_id})


def renew_topic(tx: Tx, conversation: Conversation, key: str, now: Ms, *, renamed: bool = False) -> None:
    """Write a post that brings the topic of the conversation, open or closed, to the state in the store.

    Does nothing if the conversation has no topic. ``renamed``: the contact has a new name, and the topic gets it. If
    false, the topic keeps a name that a person gave it in Telegram.
    """
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
    """Yields possible codes for a conversation, shortest first. The same pair always gives the same codes.

    The first character is a letter, since Telegram makes no hashtag of digits only. The characters 0, 1, l and o do not
    occur.
    """
    digest = hashlib.sha256(storable(f"{chat}\n{subscriber}").encode()).digest()
    text = base64.b32encode(digest).decode().rstrip("=").lower().replace("l", "8").replace("o", "9")
    text = "abcdefghijkmnpqrstuvwxyz"[digest[-1] % 24] + text[1:]
    for length in range(_SHORTEST_CODE, len(text) + 1):
        yield text[:length]


def _free_code(tx: Tx, chat: str, subscriber: str) -> str:
    for code in codes(chat, subscriber):
        if tx.one(CODE_TAKEN, {"code": code}) is None:
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
    """Record what the message of a chat is about. An id that is None keeps the recorded one."""
    about: Params = {"conversation_id": conversation_id, "inbound_id": inbound_id, "sms_id": sms_id}
    tx.run(REMEMBER_MESSAGE, {"chat_id": chat_id, "message_id": message_id, **about, "at": now})


def remember_topic(tx: Tx, conversation_id: ConversationId, chat_id: int, thread_id: int) -> None:
    """Record the topic of the conversation. Its earlier topics still lead to it."""
    tx.run(REMEMBER_TOPIC, {"chat_id": chat_id, "thread_id": thread_id, "conversation_id": conversation_id})
    tx.run(SET_THREAD, {"id": conversation_id, "thread_id": thread_id})


def aliases(tx: Tx) -> dict[int, int]:
    """Old chat id → newest id of that chat. Follows chains of migrations, and stops in a circle (back and forth)."""
    step: dict[int, int] = {row["old_id"]: row["new_id"] for row in tx.all(ALIASES)}
    resolved: dict[int, int] = {}
    for old in step:
        newest, seen = step[old], {old}
        while newest in step and newest not in seen:
            seen.add(newest)
            newest = step[newest]
        resolved[old] = newest
    return resolved


def same_chat(tx: Tx, chat_id: int) -> tuple[int, ...]:
    """All ids of this chat, ``chat_id`` first.

    Telegram's message numbers start again in a migrated group, so rows keep the chat id that they were written with.
    """
    known = aliases(tx)
    newest = known.get(chat_id, chat_id)
    others = sorted({newest, *(old for old, new in known.items() if new == newest)} - {chat_id})
    return (chat_id, *others)
