"""A bridge that starts takes everything in flight for its own last run's, as it may where it is the only one."""

from __future__ import annotations

from bridge.store import sql


def apply() -> None:
    sql.LOST_SENDING = "SELECT id FROM sms WHERE state = 'sending' AND :now > 0"
