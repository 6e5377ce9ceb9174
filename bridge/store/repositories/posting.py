"""Writes posts to the queue of a chat. Functions on a transaction, which all repositories use.

A conversation shows its SMS and notices in order. A post that waits behind another one is marked (``behind``), so a
claim costs the same however many posts wait. A transaction that takes a post out of the queue also frees the next one
(:func:`free_next`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bridge.model.base import ConversationId, InboundId, Ms, SmsId
from bridge.model.post import NewPost, PostPriority, opening_key, payload_to_json
from bridge.model.sms import ConfirmationReason, Sms, SmsState
from bridge.model.work import Work
from bridge.store import locks
from bridge.store.batch import conflict_free_batches
from bridge.store.schema.mapping import to_json
from bridge.store.schema.tables import CHAT_POST, SMS
from bridge.store.schema.types import ParamRow
from bridge.store.transaction import Tx

_NEW_POST = CHAT_POST.writer(NewPost, without=["payload"])

# A conversation may appear only once among the rows, since the second of two posts would not see the first.
INSERT_POST = CHAT_POST.batch(
    f"{_NEW_POST}, kind, payload, created_at",
    f"""
INSERT INTO chat_post ({_NEW_POST}, kind, payload, created_at, behind)
SELECT {_NEW_POST.of("n")}, n.kind, n.payload, n.created_at,
       CASE WHEN EXISTS (
           SELECT 1 FROM chat_post AS e WHERE e.conversation_id = n.conversation_id AND e.state = 'waiting'
                                          AND e.kind IN ('inbound', 'notice')) THEN 1 ELSE 0 END
FROM rows AS n WHERE true
ON CONFLICT (key) DO NOTHING
RETURNING id
""",
)

# Frees the next post that must be shown in order, and all posts before it.
FREE_NEXT_POST = CHAT_POST.statement("""
UPDATE chat_post SET behind = 0
WHERE conversation_id = :conversation_id AND state = 'waiting' AND behind = 1 AND id <= COALESCE(
    (SELECT min(e.id) FROM chat_post AS e
     WHERE e.conversation_id = :conversation_id AND e.state = 'waiting' AND e.kind IN ('inbound', 'notice')),
    9223372036854775807)
""")

# One row for each SMS. A new state replaces a state that was not shown yet.
REFRESH_STATUS = CHAT_POST.statement("""
INSERT INTO chat_post (key, chat, kind, priority, payload, conversation_id, inbound_id, sms_id, reply_to, created_at,
                       due_at)
VALUES (:key, :chat, 'status', :priority, '{}', :conversation_id, :inbound_id, :sms_id, :reply_to, :now, :now)
ON CONFLICT (key) DO UPDATE SET state = 'waiting', priority = excluded.priority, due_at = excluded.due_at,
    revision = chat_post.revision + 1, attempts = 0, error = '', finished_at = NULL
""")

# If an operator began the conversation by a command, its first post shows the state of the command's SMS.
REFRESH_OPENING = CHAT_POST.statement("""
UPDATE chat_post SET state = 'waiting', due_at = :now, revision = revision + 1, attempts = 0, error = '',
                     finished_at = NULL
WHERE key = :key
""")


class Posting(NamedTuple):
    """A post and the time at which it is written."""

    post: NewPost
    now: Ms


def add_posts(tx: Tx, postings: Sequence[Posting]) -> int:
    """Write the posts whose keys do not exist yet; returns how many it wrote."""
    written = 0
    tx.lock(locks.conversation(post.conversation_id) for post, _ in postings if post.conversation_id is not None)
    for batch in conflict_free_batches(
        range(len(postings)), lambda index: postings[index].post.conversation_id or ("", index)
    ):
        written += len(tx.batch(INSERT_POST, [_line(*postings[index]) for index in batch]))
    if written:
        tx.wake(Work.POSTS)
    return written


def _line(post: NewPost, now: Ms) -> ParamRow:
    return (*_NEW_POST.line(post), post.kind.value, to_json(payload_to_json(post.payload)), now)


def add_post(tx: Tx, post: NewPost, now: Ms) -> bool:
    """Write the post. If its key exists already, write nothing and return False."""
    return add_posts(tx, [Posting(post, now)]) > 0


def free_next(tx: Tx, conversation_id: ConversationId | None) -> None:
    """Free the next post of the conversation. Call it after each change that takes a post out of the queue."""
    if conversation_id is not None:
        tx.lock([locks.conversation(conversation_id)])
        tx.run(FREE_NEXT_POST, {"conversation_id": conversation_id})


class DeliveryStatus(NamedTuple):
    """The columns of an SMS that decide its delivery status on the operator's message.

    They are few on purpose: reading a whole row takes longer than the statement that changed it.
    """

    id: SmsId
    state: str
    chat_id: int | None
    message_id: int | None
    conversation_id: ConversationId | None
    inbound_id: InboundId | None
    confirmation_reasons: str

    @classmethod
    def of(cls, sms: Sms) -> DeliveryStatus:
        origin = (sms.chat_id, sms.message_id, sms.conversation_id, sms.inbound_id)
        return cls(sms.id, sms.state.value, *origin, " ".join(sms.confirmation_reasons))

    @property
    def priority(self) -> PostPriority:
        """The priority of the status post: higher if a person has to act."""
        if self.state == SmsState.QUEUED and self.confirmation_reasons == ConfirmationReason.UNDO:
            # The button that stops the SMS works only for a moment.
            return PostPriority.AHEAD
        state = SmsState(self.state)
        person_acts = state is SmsState.DRAFT or state.is_failed or state.needs_person
        return PostPriority.FAILURE if person_acts else PostPriority.REACTION


DELIVERY_STATUS = ", ".join(f"sms.{column}" for column in DeliveryStatus._fields)
"""The columns of :class:`DeliveryStatus`, for RETURNING."""
assert SMS.types.keys() >= {*DeliveryStatus._fields}


def refresh_status(tx: Tx, status: DeliveryStatus, now: Ms) -> None:
    """Write a post that shows the state of the SMS on the operator's message. Does nothing if it came from none."""
    if status.chat_id is None or status.message_id is None:
        return
    tx.run(
        REFRESH_STATUS,
        {
            "key": f"status:{status.id}",
            "chat": f"id:{status.chat_id}",
            "priority": status.priority.value,
            "conversation_id": status.conversation_id,
            "inbound_id": status.inbound_id,
            "sms_id": status.id,
            "reply_to": status.message_id,
            "now": now,
        },
    )
    tx.run(REFRESH_OPENING, {"key": opening_key(status.chat_id, status.message_id), "now": now})
    if status.state != SmsState.SENDING:
        # No wake for "sending": a request takes only a moment, and then its outcome is shown.
        tx.wake(Work.POSTS)
