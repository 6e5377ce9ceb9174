"""Names of what a transaction holds (:meth:`bridge.store.tx.Tx.hold`), made here alone.

A number as the platform brings it may be any text. So each kind of name has its own beginning: what is held for a
subscriber is never what is held for something else.
"""

from __future__ import annotations

from typing import NewType

from bridge.model.base import ConversationId, SmsId

Held = NewType("Held", str)

FLEET = Held("fleet")
"""Reports of bridges, one after the other."""
MIGRATIONS = Held("migrations")
RESTORATION = Held("restoration")
BELL = Held("bell")
"""Held by nobody: what bridges ring by."""


def subscriber(number: str) -> Held:
    """Lanes, contact, the order of replies."""
    return Held(f"subscriber:{number}")


def call(account: str, smsid: str) -> Held:
    """What the platform brings more than once at a time."""
    return Held(f"call:{account}/{smsid}")


def sms(sms_id: SmsId) -> Held:
    """Sent again once."""
    return Held(f"sms:{sms_id}")


def conversation(conversation_id: ConversationId) -> Held:
    """Who holds this alone says which of a conversation's posts stands behind which."""
    return Held(f"conversation:{conversation_id}")


def balance(account: str) -> Held:
    return Held(f"balance:{account}")
