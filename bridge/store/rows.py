"""Rows as the program's own values, and the few columns that hold JSON. Nothing here touches a database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import cast

from bridge.model import (
    AccountState,
    Contact,
    Conversation,
    Inbound,
    InboundState,
    Json,
    Origin,
    Priority,
    Sms,
    SmsState,
)


def to_json(value: Mapping[str, Json] | tuple[str, ...]) -> str:
    # Not ASCII-escaped: a lone surrogate must meet the gate that replaces it, not slip past it as an escape.
    return json.dumps(value if isinstance(value, tuple) else dict(value), ensure_ascii=False, separators=(",", ":"))


def payload(text: str) -> dict[str, Json]:
    return cast(dict[str, Json], json.loads(text))


def inbound(row: sqlite3.Row) -> Inbound:
    return Inbound(
        id=row["id"],
        account=row["account"],
        smsid=row["smsid"],
        sender=row["sender"],
        subscriber=row["subscriber"],
        receiver=row["receiver"],
        prefix=row["prefix"],
        text=row["text"],
        date_raw=row["date_raw"],
        date=row["date"],
        received_at=row["received_at"],
        state=InboundState(row["state"]),
        fault=row["fault"],
        conflict_of=row["conflict_of"],
        repeats=row["repeats"],
        rule=row["rule"],
        rules_version=row["rules_version"],
        outcome=row["outcome"],
    )


def sms(row: sqlite3.Row) -> Sms:
    return Sms(
        id=row["id"],
        key=row["key"],
        account=row["account"],
        recipient=row["recipient"],
        sender_name=row["sender_name"],
        text=row["text"],
        parts=row["parts"],
        origin=Origin(row["origin"]),
        priority=Priority(row["priority"]),
        state=SmsState(row["state"]),
        created_at=row["created_at"],
        due_at=row["due_at"],
        expires_at=row["expires_at"],
        attempts=row["attempts"],
        sending_since=row["sending_since"],
        sent_at=row["sent_at"],
        final_at=row["final_at"],
        platform_ids=tuple(json.loads(row["platform_ids"])),
        platform_status=row["platform_status"],
        reason=row["reason"],
        detail=row["detail"],
        poll_at=row["poll_at"],
        polls=row["polls"],
        inbound_id=row["inbound_id"],
        conversation_id=row["conversation_id"],
        chat_id=row["chat_id"],
        message_id=row["message_id"],
        author=row["author"],
        retry_of=row["retry_of"],
    )


def contact(row: sqlite3.Row | None, subscriber: str) -> Contact:
    """A subscriber never seen has a contact of version 0."""
    if row is None:
        return Contact(subscriber=subscriber, version=0)
    return Contact(
        subscriber=row["subscriber"],
        version=row["version"],
        first_seen_at=row["first_seen_at"],
        name=row["name"],
        opted_out=bool(row["opted_out"]),
        blocked=bool(row["blocked"]),
        robot_paused_until=row["robot_paused_until"],
    )


def conversation(row: sqlite3.Row) -> Conversation:
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
    )


def account_state(row: sqlite3.Row) -> AccountState:
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
