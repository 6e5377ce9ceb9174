"""Names of what a transaction holds (:meth:`bridge.store.transaction.Tx.lock`), made here alone.

A number as the platform brings it may be any text. So each kind of name has its own beginning: what is held for a
subscriber is never what is held for something else.
"""

from __future__ import annotations

from typing import NewType

from bridge.model.base import ConversationId, SmsId

LockName = NewType("LockName", str)

CLUSTER = LockName("cluster")
"""Reports of bridges, one after the other."""
MIGRATIONS = LockName("migrations")
RESTORATION = LockName("restoration")
NOTIFICATIONS = LockName("notifications")
"""Held by nobody: what bridges ring by."""


def subscriber(number: str) -> LockName:
    """Lanes, contact, the order of replies."""
    return LockName(f"subscriber:{number}")


def call(account: str, smsid: str) -> LockName:
    """What the platform brings more than once at a time."""
    return LockName(f"call:{account}/{smsid}")


def sms(sms_id: SmsId) -> LockName:
    """Sent again once."""
    return LockName(f"sms:{sms_id}")


def conversation(conversation_id: ConversationId) -> LockName:
    """Who holds this alone says which of a conversation's posts stands behind which."""
    return LockName(f"conversation:{conversation_id}")


def balance(account: str) -> LockName:
    return LockName(f"balance:{account}")
