"""Opens and clears alerts, and writes their posts. Functions on a transaction."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.model.alert import MAX_SINGLE_ALERTS, Alert, alert_post
from bridge.model.base import Json, Ms
from bridge.model.post import PostPriority
from bridge.store.repositories.posting import add_post
from bridge.store.schema.mapping import to_json
from bridge.store.schema.tables import ALERT
from bridge.store.schema.types import TEXT
from bridge.store.transaction import Params, Tx

OPEN_ALERT = ALERT.statement("""
INSERT INTO alert (key, text, params, account, opened_at) VALUES (:key, :text, :params, :account, :now)
ON CONFLICT (key) WHERE cleared_at IS NULL DO NOTHING
""")

# The open alerts of one kind except ":key". The summary alert of the kind has the prefix itself as its key, so
# "key > :prefix" leaves it out, too.
OPEN_ALERTS_LIKE = ALERT.statement(
    """
SELECT key FROM alert WHERE cleared_at IS NULL AND key > :prefix AND key < :end AND key <> :key LIMIT :limit
""",
    prefix=TEXT,
    end=TEXT,
)

OPEN_ALERT_OF = ALERT.statement("SELECT id FROM alert WHERE key = :key AND cleared_at IS NULL")

CLEAR_ALERT = ALERT.statement("UPDATE alert SET cleared_at = :now WHERE key = :key AND cleared_at IS NULL RETURNING id")


def open_alert(tx: Tx, alert: Alert, now: Ms) -> bool:
    """Open the alert and write its post. Returns False if the alert is open already.

    If many alerts of its kind are open, opens the summary alert of the kind instead.
    """
    if alert.summary is not None and _many_open(tx, alert.key, alert.summary.key):
        alert = alert.summary
    opened: Params = {"key": alert.key, "text": alert.text, "account": alert.account, "now": now}
    if not tx.run(OPEN_ALERT, {**opened, "params": to_json(alert.params)}):
        return False
    add_post(tx, alert_post(alert.text, alert.params, due_at=now), now)
    return True


def _many_open(tx: Tx, key: str, prefix: str) -> bool:
    like: Params = {"key": key, "prefix": prefix, "end": prefix + "\U0010ffff", "limit": MAX_SINGLE_ALERTS}
    return len(tx.all(OPEN_ALERTS_LIKE, like)) == MAX_SINGLE_ALERTS


def clear_alert(tx: Tx, key: str, text: str, params: Mapping[str, Json], now: Ms) -> bool:
    """Clear the alert and write the post of the all-clear. Returns False if the alert is not open."""
    if tx.one(CLEAR_ALERT, {"key": key, "now": now}) is None:
        return False
    add_post(tx, alert_post(text, params, priority=PostPriority.STATUS, due_at=now), now)
    return True
