"""The program unspoiled, with leases that a test can wait for. No rule is taken out.

``SPOILED`` names another module to apply too.
"""

from __future__ import annotations

import importlib
import os

from bridge.model.base import SECOND
from bridge.pipeline import cluster as pipeline
from bridge.store.postgres import cluster as store


def apply() -> None:
    store.LEASE = 2 * SECOND
    store.SEND_LEASE = 8 * SECOND
    store.OVERDUE = SECOND
    pipeline.REPORT_EVERY = SECOND // 2
    pipeline.LEASE_MARGIN = SECOND // 2
    pipeline.MAX_REQUEST = 4 * SECOND
    if spoiled := os.environ.get("SPOILED"):
        importlib.import_module(f"tests.chaos.sabotage.{spoiled}").apply()
