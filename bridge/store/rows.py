"""Rows as the program's own values, and the few columns that hold JSON. Nothing here touches a database."""

from __future__ import annotations

import json
from collections.abc import Mapping

from bridge.model.answers import AccountState
from bridge.model.base import Json
from bridge.model.chat import Conversation
from bridge.model.contact import Contact
from bridge.model.inbound import Inbound, InboundState
from bridge.model.post import Payload, PostKind, payload_from_json
from bridge.model.record import HistoryLine
from bridge.model.sms import ConfirmationReason, Origin, Priority, Sms, SmsState
from bridge.store import sql
from bridge.store.transaction import Row


def to_json(value: Mapping[str, Json] | tuple[str, ...]) -> str:
    # Not ASCII-escaped: a lone surrogate must meet the gate that replaces it, not slip past it as an escape.
    return json.dumps(value if isinstance(value, tuple) else dict(value), ensure_ascii=False, separators=(",", ":"))


def payload(kind: PostKind, text: str) -> Payload:
    return payload_from_json(kind, json.loads(text))


_INBOUND_COLUMNS = sql.INBOUND.count(",") + 1
_INBOUND_STATES = {state.value: state for state in InboundState}
_SMS_STATES = {state.value: state for state in SmsState}
_ORIGINS = {origin.value: origin for origin in Origin}
_PRIORITIES = {int(priority): priority for priority in Priority}


# Rows are taken apart by position, in the order of ``sql.INBOUND`` and ``sql.SMS``: asking a row for each column by its
# name was a tenth of the whole path.


def inbound(row: Row) -> Inbound:
    """Of the columns ``sql.INBOUND``."""
    (
        id_,
        account,
        smsid,
        sender,
        subscriber,
        receiver,
        prefix,
        text,
        date_raw,
        date,
        received_at,
        state,
        fault,
        conflict_of,
        repeats,
        rule,
        rules_version,
        outcome,
    ) = row
    return Inbound(
        id=id_,
        account=account,
        smsid=smsid,
        sender=sender,
        subscriber=subscriber,
        receiver=receiver,
        prefix=prefix,
        text=text,
        date_raw=date_raw,
        date=date,
        received_at=received_at,
        state=_INBOUND_STATES[state],
        fault=fault,
        conflict_of=conflict_of,
        repeats=repeats,
        rule=rule,
        rules_version=rules_version,
        outcome=outcome,
    )


def confirmation_reasons(words: tuple[ConfirmationReason, ...]) -> str:
    return " ".join(words)


def _asks(text: str) -> tuple[ConfirmationReason, ...]:
    return tuple(ConfirmationReason(word) for word in text.split())


def sms(row: Row) -> Sms:
    """Of the columns ``sql.SMS``."""
    (
        id_,
        key,
        account,
        recipient,
        sender_name,
        text,
        parts,
        origin,
        priority,
        state,
        created_at,
        due_at,
        expires_at,
        attempts,
        sending_since,
        sent_at,
        final_at,
        platform_ids,
        platform_status,
        reason,
        detail,
        poll_at,
        polls,
        inbound_id,
        conversation_id,
        chat_id,
        message_id,
        author,
        retry_of,
        asked,
    ) = row
    return Sms(
        id=id_,
        key=key,
        account=account,
        recipient=recipient,
        sender_name=sender_name,
        text=text,
        parts=parts,
        origin=_ORIGINS[origin],
        priority=_PRIORITIES[priority],
        state=_SMS_STATES[state],
        created_at=created_at,
        due_at=due_at,
        expires_at=expires_at,
        attempts=attempts,
        sending_since=sending_since,
        sent_at=sent_at,
        final_at=final_at,
        platform_ids=() if platform_ids == "[]" else tuple(json.loads(platform_ids)),
        platform_status=platform_status,
        reason=reason,
        detail=detail,
        poll_at=poll_at,
        polls=polls,
        inbound_id=inbound_id,
        conversation_id=conversation_id,
        chat_id=chat_id,
        message_id=message_id,
        author=author,
        retry_of=retry_of,
        confirmation_reasons=_asks(asked) if asked else (),
    )


def unrouted(row: Row) -> tuple[Inbound, Contact]:
    """Of the columns ``sql.INBOUND`` and ``sql.CONTACT``, these all NULL for a subscriber never seen."""
    message = inbound(row[:_INBOUND_COLUMNS])
    known = row[_INBOUND_COLUMNS:]
    return message, contact(known if known[0] is not None else None, message.subscriber)


def contact(row: Row | None, subscriber: str) -> Contact:
    """Of the columns ``sql.CONTACT``. A subscriber never seen has a contact of version 0."""
    if row is None:
        return Contact(subscriber=subscriber, version=0)
    number, version, first_seen_at, name, opted_out, blocked, robot_paused_until, tags, values, robot_off = row
    return Contact(
        subscriber=number,
        version=version,
        first_seen_at=first_seen_at,
        name=name,
        opted_out=bool(opted_out),
        blocked=bool(blocked),
        robot_paused_until=robot_paused_until,
        tags=() if tags == "[]" else tuple(json.loads(tags)),
        values={} if values == "{}" else json.loads(values),
        robot_off=bool(robot_off),
    )


def conversation(row: Row) -> Conversation:
    return Conversation(
        id=row["id"],
        chat=row["chat"],
        subscriber=row["subscriber"],
        code=row["code"],
        account=row["account"],
        receiver=row["receiver"],
        thread_id=row["thread_id"],
        last_inbound_id=row["last_inbound_id"],
        last_inbound_at=row["last_inbound_at"],
        closed_at=row["closed_at"],
        claimed_by=row["claimed_by"],
        claimed_name=row["claimed_name"],
        claimed_until=row["claimed_until"],
    )


def account_state(row: Row) -> AccountState:
    return AccountState(
        account=row["account"],
        held_reason=row["held_reason"],
        held_detail=row["held_detail"],
        held_since=row["held_since"],
        probe_at=row["probe_at"],
        probes=row["probes"],
        balance=row["balance"],
        currency=row["currency"],
        balance_at=row["balance_at"],
        last_contact_at=row["last_contact_at"],
    )


def heard(row: Row) -> HistoryLine:
    """An SMS that came in, as a history tells it."""
    return HistoryLine(
        at=row["received_at"],
        what="in",
        text=row["text"],
        state=row["state"],
        account=row["account"],
        detail=row["outcome"] or row["fault"] or "",
        inbound_id=row["id"],
    )
