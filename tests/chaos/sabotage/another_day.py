"""The program unspoiled, on another day: its wall clock is ahead by what the file says that ``CLOCK_AHEAD`` names.

Read once, at the start: a scenario sets another time between two starts. ``SPOILED`` names another module to apply too.
"""

from __future__ import annotations

import importlib
import os
import time
from pathlib import Path

from bridge.model.base import Ms
from bridge.pipeline.clock import SystemClock


def apply() -> None:
    ahead: Ms = int(Path(os.environ["CLOCK_AHEAD"]).read_text())

    def now(self: SystemClock) -> Ms:
        return time.time_ns() // 1_000_000 + ahead

    SystemClock.now = now  # type: ignore[method-assign]
    if spoiled := os.environ.get("SPOILED"):
        importlib.import_module(f"tests.chaos.sabotage.{spoiled}").apply()
