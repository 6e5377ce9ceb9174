"""Taken out: callbacks share a transaction. Here each has its own. With the probe of ``lag_probe``."""

from __future__ import annotations

from bridge.pipeline import inbox
from tests.chaos.sabotage import lag_probe


def apply() -> None:
    lag_probe.apply()
    inbox.BATCH = 1  # type: ignore[attr-defined]
    inbox.MOST_TRANSACTIONS = 1
