"""Reading a post with all it is about, and marking it as shown, within one transaction. Several verbs share it."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.base import ConversationId, Ms
from bridge.model.chat import Conversation, Post, PostedMessage
from bridge.model.post import PostKind, PostPriority
from bridge.store import locks, rows, sql
from bridge.store.transaction import Params, Row, Tx
from bridge.store.work_posts import remember_message, remember_topic
from bridge.store.work_sms import get_sms


def joined(tx: Tx, row: Row) -> Post:
    """The post with what it is about, read in the same snapshot."""
    conversation = conversation_of_id(tx, row["conversation_id"])
    inbound_row = tx.one(sql.GET_INBOUND, {"id": row["inbound_id"]})
    inbound = None if inbound_row is None else rows.inbound(inbound_row)
    sms = get_sms(tx, row["sms_id"])
    subscriber = (
        (conversation.subscriber if conversation else None)
        or (inbound.subscriber if inbound else None)
        or (sms.recipient if sms else None)
    )
    contact = rows.contact(tx.one(sql.GET_CONTACT, {"subscriber": subscriber}), subscriber) if subscriber else None
    return Post(
        id=row["id"],
        chat=row["chat"],
        priority=PostPriority(row["priority"]),
        payload=rows.payload(PostKind(row["kind"]), row["payload"]),
        reply_to=row["reply_to"],
        attempts=row["attempts"],
        revision=row["revision"],
        shown=row["shown"],
        created_at=row["created_at"],
        due_at=row["due_at"],
        conversation=conversation,
        inbound=inbound,
        sms=sms,
        contact=contact,
    )


def posts_done(tx: Tx, posts: Sequence[Post], posted: PostedMessage, now: Ms) -> None:
    """All of them stand in one message, which leads to what the last of them is about."""
    for post in posts:
        done: Params = {"id": post.id, "revision": post.revision, "shown": posted.shown, "now": now}
        tx.run(sql.POST_DONE, {**done, "chat_id": posted.chat_id, "message_id": posted.message_id})
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


def free_next(tx: Tx, conversation_id: ConversationId | None) -> None:
    """After each change that takes a post out of its conversation's queue: the next one may be shown."""
    if conversation_id is not None:
        tx.lock([locks.conversation(conversation_id)])
        tx.run(sql.FREE_NEXT_POST, {"conversation_id": conversation_id})


def conversation_of_id(tx: Tx, conversation_id: ConversationId | None) -> Conversation | None:
    if conversation_id is None:
        return None
    row = tx.one(sql.GET_CONVERSATION, {"id": conversation_id})
    return None if row is None else rows.conversation(row)
