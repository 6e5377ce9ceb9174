"""Outbound SMS within one transaction: birth, moves, history, fate. The only module that changes a state.

Functions on a :class:`Tx`, shared by the verbs of routing, sending, delivery and the operators' desk.
"""

from __future__ import annotations

from bridge.errors import StoreError
from bridge.model import (
    BIRTH_STATES,
    FINAL_STATES,
    MOVES,
    Change,
    ConversationId,
    Move,
    Ms,
    NewSms,
    PostPriority,
    Sms,
    SmsId,
    SmsState,
)
from bridge.store import rows, sql
from bridge.store.tx import Params, Tx
from bridge.store.work_posts import add_post

_FAILURES = frozenset({SmsState.FAILED, SmsState.UNCERTAIN, SmsState.PARKED, SmsState.UNDELIVERED, SmsState.EXPIRED})
NO_CHANGE = Change()


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
    lane: Params = {"account": new.account, "recipient": new.recipient, "priority": int(new.priority)}
    state = new.state
    if state is SmsState.SENDING and tx.one(sql.LANE_BUSY, lane) is not None:
        state = SmsState.QUEUED
    starts = state is SmsState.SENDING
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
            "attempts": int(starts),
            "sending_since": now if starts else None,
            "inbound_id": new.inbound_id,
            "conversation_id": new.conversation_id if new.conversation_id is not None else conversation_id,
            "chat_id": new.chat_id,
            "message_id": new.message_id,
            "author": new.author,
            "retry_of": new.retry_of,
        },
    )
    if row is None:
        return None
    sms = rows.sms(row)
    if starts:
        _give_back_if_orphaned(tx, sms)
    renew_fate(tx, sms, now)
    return sms


def apply_move(tx: Tx, sms_id: SmsId, move: Move, now: Ms, change: Change = NO_CHANGE) -> Sms | None:
    """The move with all that belongs to it, or None where the row is not in one of the move's source states."""
    sources, target = MOVES[move]
    before = get_sms(tx, sms_id)
    if before is None or before.state not in sources:
        return None
    row = tx.one(
        sql.MOVE_SMS,
        {
            "id": sms_id,
            "from": before.state.value,
            "to": target.value,
            "now": now,
            "reason": change.reason,
            "detail": change.detail,
            "due_at": change.due_at,
            "platform_ids": None if change.platform_ids is None else rows.to_json(change.platform_ids),
            "platform_status": change.platform_status,
            "poll_at": change.poll_at,
            "polls": change.polls,
            "started": int(target is SmsState.SENDING),
            "sent_at": now if target is SmsState.SENT else None,
            "final_at": now if target in FINAL_STATES else None,
        },
    )
    if row is None:
        return None
    after = rows.sms(row)
    add_event(tx, after, move.value, before.state, now, change.reason or "", change.detail or "", change.author)
    if target is SmsState.SENDING:
        _give_back_if_orphaned(tx, after)
    renew_fate(tx, after, now)
    for post in change.posts:
        add_post(tx, post, now)
    return after


def add_event(
    tx: Tx, sms: Sms, move: str, source: SmsState, now: Ms, reason: str = "", detail: str = "", author: str = ""
) -> None:
    """A line of the row's history; the state the row is in now is the line's target."""
    tx.run(
        sql.ADD_EVENT,
        {
            "sms_id": sms.id,
            "at": now,
            "move": move,
            "from": source.value,
            "to": sms.state.value,
            "reason": reason,
            "detail": detail,
            "author": author,
        },
    )


def renew_fate(tx: Tx, sms: Sms, now: Ms) -> None:
    """Have the row's state shown on the operator's message it came from, if it came from one."""
    if sms.chat_id is None or sms.message_id is None:
        return
    priority = PostPriority.FAILURE if sms.state in _FAILURES else PostPriority.REACTION
    tx.run(
        sql.RENEW_FATE,
        {
            "key": f"fate:{sms.id}",
            "chat": f"id:{sms.chat_id}",
            "priority": int(priority),
            "conversation_id": sms.conversation_id,
            "inbound_id": sms.inbound_id,
            "sms_id": sms.id,
            "reply_to": sms.message_id,
            "now": now,
        },
    )


def _give_back_if_orphaned(tx: Tx, started: Sms) -> None:
    """A row that is ``sending`` while nobody was told to send it would block its lane until the next start."""

    def give_back(later: Tx) -> None:
        row = later.one(sql.GIVE_BACK, {"key": started.key, "attempts": started.attempts})
        if row is not None:
            sms = rows.sms(row)
            now = started.sending_since or started.created_at
            add_event(later, sms, Move.RETRY.value, SmsState.SENDING, now, "interrupted", "not sent")
            renew_fate(later, sms, now)

    tx.if_orphaned(give_back)
