"""The names that a transaction can lock (:meth:`bridge.store.transaction.Tx.lock`). They are made only here.

A number that the platform brings may be any text. So each kind of name has its own prefix: the lock of a subscriber is
never the lock of something else.
"""

from __future__ import annotations

from typing import NewType

from bridge.model.base import ConversationId, SmsId

LockName = NewType("LockName", str)

CLUSTER = LockName("cluster")
"""Locked by a node that reports, so that nodes report one after the other."""
MIGRATIONS = LockName("migrations")
RESTORATION = LockName("restoration")
NOTIFICATIONS = LockName("notifications")
"""Never locked: its key is the name of the channel on which nodes notify each other."""


def subscriber(number: str) -> LockName:
    """Locks the subscriber's lanes and contact, and the order of replies."""
    return LockName(f"subscriber:{number}")


def call(account: str, smsid: str) -> LockName:
    """Locks a message that the platform may bring several times at once."""
    return LockName(f"call:{account}/{smsid}")


def sms(sms_id: SmsId) -> LockName:
    """Locks an SMS that is to be sent again, so that it is sent again once."""
    return LockName(f"sms:{sms_id}")


def conversation(conversation_id: ConversationId) -> LockName:
    """Locks the order of a conversation's posts."""
    return LockName(f"conversation:{conversation_id}")


def balance(account: str) -> LockName:
    """Locks the balance of an account, so that an expense counts once."""
    return LockName(f"balance:{account}")
