"""The program unspoiled, in a world that turns faster: a day's work is done in minutes. No rule is taken out.

Telegram takes more messages a minute, and an account that was stopped is asked about after moments. ``SPOILED`` names
another module to apply too.
"""

from __future__ import annotations

import importlib
import os

from bridge.model.base import MINUTE, SECOND
from bridge.pipeline import suspensions
from bridge.telegram.client import rate_limit

CALLS_A_MINUTE = 1_200
"""For a group; the simulated Bot API must be told the same."""


def apply() -> None:
    rate_limit.GROUP = (CALLS_A_MINUTE, MINUTE + 2 * SECOND)
    suspensions.FIRST_PROBE_AFTER = SECOND // 2
    suspensions.MAX_PROBE_WAIT = 2 * SECOND
    suspensions.TRY_SMS_AFTER = 4 * SECOND
    if spoiled := os.environ.get("SPOILED"):
        importlib.import_module(f"tests.chaos.sabotage.{spoiled}").apply()
