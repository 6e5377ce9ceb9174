"""The names that a transaction can lock (:meth:`bridge.store.transaction.Tx.lock`). Only this module makes them.

A number from the platform may be any text. So each kind of name has its own prefix, and the lock of a subscriber never
equals the lock of something else.
"""

from __future__ import annotations

from typing import NewType

from bridge.model.base import ConversationId, SmsId

LockName = NewType("LockName", str)

CLUSTER = LockName("cluster")
"""A node locks it while it reports, so nodes report one after the other."""
MIGRATIONS = LockName("migrations")
RESTORATION = LockName("restoration")
NOTIFICATIONS = LockName("notifications")
"""Never locked. Its key makes the name of the channel on which nodes notify each other."""


def subscriber(number: str) -> LockName:
    """The lock of a subscriber: of their lanes and contact, and of the order of replies to them."""
    return LockName(f"subscriber:{number}")


def call(account: str, smsid: str) -> LockName:
    """The lock of one message, which the platform may bring several times at once."""
    return LockName(f"call:{account}/{smsid}")


def sms(sms_id: SmsId) -> LockName:
    """The lock of an SMS that an operator sends again, so that it is sent again only once."""
    return LockName(f"sms:{sms_id}")


def conversation(conversation_id: ConversationId) -> LockName:
    """The lock of the order of a conversation's posts."""
    return LockName(f"conversation:{conversation_id}")


def balance(account: str) -> LockName:
    """The lock of an account's balance, so that each expense counts once."""
    return LockName(f"balance:{account}")
