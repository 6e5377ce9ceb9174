"""Limits the warnings that a stranger can cause without end: one line a minute for each event, and a count of the rest.

Do not use it for events of which a person has to see every line.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

INTERVAL = 60.0
"""Seconds between two lines of one event."""

log = structlog.get_logger()


class ThrottledLog:
    """Writes one line per interval and event name. The next line says how many were left out."""

    def __init__(self, *, interval: float = INTERVAL, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval
        self._monotonic = monotonic
        self._next: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def warning(self, event: str, **values: str | int | None) -> None:
        """Write the line, or count it. ``values`` are ids, class names and addresses, never a text or a secret."""
        now = self._monotonic()
        if now < self._next.get(event, 0.0):
            self._left_out[event] = self._left_out.get(event, 0) + 1
            return
        self._next[event] = now + self._interval
        log.warning(event, left_out=self._left_out.pop(event, 0), **values)
