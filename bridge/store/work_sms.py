"""Outbound SMS within one transaction: birth, moves, history, fate. The only module that changes a state.

Functions on a :class:`Tx`, shared by the verbs of routing, sending, delivery and the operators' desk.
"""

from __future__ import annotations

from typing import NamedTuple

from bridge.errors import StoreError
from bridge.model import (
    BIRTH_STATES,
    FINAL_STATES,
    MOVES,
    Change,
    ConversationId,
    InboundId,
    Move,
    Ms,
    NewSms,
    PostPriority,
    Sms,
    SmsId,
    SmsState,
)
from bridge.store import rows, sql
from bridge.store.tx import Params, Tx, storable
from bridge.store.work_posts import add_post

_FAILURES = frozenset({SmsState.FAILED, SmsState.UNCERTAIN, SmsState.PARKED, SmsState.UNDELIVERED, SmsState.EXPIRED})
NO_CHANGE = Change()
_ONLY_SOURCE = {move: next(iter(sources)) for move, (sources, _) in MOVES.items() if len(sources) == 1}
"""Most moves start in one state: the row need not be read to name it."""


def get_sms(tx: Tx, sms_id: SmsId) -> Sms | None:
    row = tx.one(sql.GET_SMS, {"id": sms_id})
    return None if row is None else rows.sms(row)


def sms_of_key(tx: Tx, key: str) -> Sms | None:
    row = tx.one(sql.GET_SMS_BY_KEY, {"key": key})
    return None if row is None else rows.sms(row)


def insert_sms(tx: Tx, new: NewSms, now: Ms, conversation_id: ConversationId | None = None) -> Sms | None:
    """Write the row, ``sending`` only where its lane is free; None where the key exists already.

    ``conversation_id`` is for a row that does not name one itself.
    """
    if new.state not in BIRTH_STATES:
        raise StoreError(f"an SMS cannot be born {new.state.value}")
    lane: Params = {"account": new.account, "recipient": new.recipient, "priority": new.priority.value}
    state = new.state
    if state is SmsState.SENDING and tx.one(sql.LANE_BUSY, lane) is not None:
        state = SmsState.QUEUED
    starts = state is SmsState.SENDING
    attempts, sending_since = (1, now) if starts else (0, None)
    if new.conversation_id is not None:
        conversation_id = new.conversation_id
    row = tx.one(
        sql.INSERT_SMS,
        {
            **lane,
            "key": new.key,
            "sender_name": new.sender_name,
            "text": new.text,
            "parts": new.parts,
            "origin": new.origin.value,
            "state": state.value,
            "created_at": now,
            "due_at": new.due_at,
            "expires_at": new.expires_at,
            "attempts": attempts,
            "sending_since": sending_since,
            "inbound_id": new.inbound_id,
            "conversation_id": conversation_id,
            "chat_id": new.chat_id,
            "message_id": new.message_id,
            "author": new.author,
            "retry_of": new.retry_of,
        },
    )
    if row is None:
        return None
    # As a row reads right after its birth: a test compares the two.
    sms = Sms(
        id=row[0],
        key=new.key,
        account=new.account,
        recipient=new.recipient,
        sender_name=new.sender_name,
        text=storable(new.text),
        parts=new.parts,
        origin=new.origin,
        priority=new.priority,
        state=state,
        created_at=now,
        due_at=new.due_at,
        expires_at=new.expires_at,
        attempts=attempts,
        sending_since=sending_since,
        sent_at=None,
        final_at=None,
        platform_ids=(),
        platform_status="",
        reason="",
        detail="",
        poll_at=None,
        polls=0,
        inbound_id=new.inbound_id,
        conversation_id=conversation_id,
        chat_id=new.chat_id,
        message_id=new.message_id,
        author=new.author,
        retry_of=new.retry_of,
    )
    if starts:
        give_back_if_orphaned(tx, new.key, attempts, now)
    renew_fate(tx, Fate.of(sms), now)
    return sms


def apply_move(tx: Tx, sms_id: SmsId, move: Move, now: Ms, change: Change = NO_CHANGE) -> bool:
    """The move with all that belongs to it; False where the row is not in one of the move's source states."""
    sources, target = MOVES[move]
    source = _ONLY_SOURCE.get(move)
    if source is None:
        before = get_sms(tx, sms_id)
        if before is None or before.state not in sources:
            return False
        source = before.state
    row = tx.one(
        sql.MOVE_SMS,
        {
            "id": sms_id,
            "from": source.value,
            "to": target.value,
            "now": now,
            "reason": change.reason,
            "detail": change.detail,
            "due_at": change.due_at,
            "platform_ids": None if change.platform_ids is None else rows.to_json(change.platform_ids),
            "platform_status": change.platform_status,
            "poll_at": change.poll_at,
            "polls": change.polls,
            "started": 1 if target is SmsState.SENDING else 0,
            "sent_at": now if target is SmsState.SENT else None,
            "final_at": now if target in FINAL_STATES else None,
        },
    )
    if row is None:
        return False
    *fate, key, attempts = row
    add_event(
        tx,
        sms_id,
        move.value,
        source,
        target,
        now,
        reason=change.reason or "",
        detail=change.detail or "",
        author=change.author,
    )
    if target is SmsState.SENDING:
        give_back_if_orphaned(tx, key, attempts, now)
    renew_fate(tx, Fate(*fate), now)
    for post in change.posts:
        add_post(tx, post, now)
    return True


def add_event(
    tx: Tx,
    sms_id: SmsId,
    move: str,
    source: SmsState,
    target: SmsState,
    now: Ms,
    *,
    reason: str = "",
    detail: str = "",
    author: str = "",
) -> None:
    """A line of the row's history."""
    tx.run(
        sql.ADD_EVENT,
        {
            "sms_id": sms_id,
            "at": now,
            "move": move,
            "from": source.value,
            "to": target.value,
            "reason": reason,
            "detail": detail,
            "author": author,
        },
    )


class Fate(NamedTuple):
    """The columns ``sql.FATE``."""

    id: SmsId
    state: str
    chat_id: int | None
    message_id: int | None
    conversation_id: ConversationId | None
    inbound_id: InboundId | None

    @classmethod
    def of(cls, sms: Sms) -> Fate:
        return cls(sms.id, sms.state.value, sms.chat_id, sms.message_id, sms.conversation_id, sms.inbound_id)


def renew_fate(tx: Tx, fate: Fate, now: Ms) -> None:
    """Have the row's state shown on the operator's message it came from, if it came from one."""
    if fate.chat_id is None or fate.message_id is None:
        return
    priority = PostPriority.FAILURE if fate.state in _FAILURES else PostPriority.REACTION
    tx.run(
        sql.RENEW_FATE,
        {
            "key": f"fate:{fate.id}",
            "chat": f"id:{fate.chat_id}",
            "priority": priority.value,
            "conversation_id": fate.conversation_id,
            "inbound_id": fate.inbound_id,
            "sms_id": fate.id,
            "reply_to": fate.message_id,
            "now": now,
        },
    )


def give_back_if_orphaned(tx: Tx, key: str, attempts: int, now: Ms) -> None:
    """A row that is ``sending`` while nobody was told to send it would block its lane until the next start."""

    def give_back(later: Tx) -> None:
        row = later.one(sql.GIVE_BACK, {"key": key, "attempts": attempts})
        if row is not None:
            fate = Fate(*row)
            add_event(
                later,
                fate.id,
                Move.RETRY.value,
                SmsState.SENDING,
                SmsState.QUEUED,
                now,
                reason="interrupted",
                detail="not sent",
            )
            renew_fate(later, fate, now)

    tx.if_orphaned(give_back)
