"""Limits the lines of libraries that repeat the same message: some lines in each window, and a count of the rest."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

SAMPLE_LIMIT: Final = 10

SAMPLE_WINDOW: Final = 60.0
"""Length of a window in seconds."""

MAX_TEMPLATES: Final = 1_000
"""Most templates that are counted separately, so that a library that makes new ones for ever cannot fill the memory."""

OWN_LOGGER = "bridge"


@dataclass(slots=True)
class _Window:
    since: float
    passed: int = 0
    held: int = 0


@dataclass(slots=True)
class Sampler:
    """Admits ``limit`` lines of one logger and template in each window and counts the others.

    It limits the lines of libraries: 82,670 tracebacks of one failing ``accept`` once filled a log. Our own lines each
    name a message and are never held back. Not thread-safe; the handler calls it under its lock.
    """

    limit: int = SAMPLE_LIMIT
    window: float = SAMPLE_WINDOW
    clock: Callable[[], float] = time.monotonic
    _windows: dict[tuple[str, str], _Window] = field(default_factory=dict)
    _next_end: float = 0.0

    def admits(self, record: logging.LogRecord) -> bool:
        if is_own(record):
            return True
        key = _template(record)
        if key not in self._windows and len(self._windows) >= MAX_TEMPLATES:
            key = (record.name, "(others)")
        window = self._windows.setdefault(key, _Window(since=self.clock()))
        if window.passed >= self.limit:
            window.held += 1
            return False
        window.passed += 1
        return True

    def ended(self) -> list[tuple[str, str, int]]:
        """Close the windows that are over. Returns logger, template and count of those that held lines back."""
        now = self.clock()
        if now < self._next_end:
            return []
        over = [key for key, window in self._windows.items() if now - window.since >= self.window]
        closed = [(key, self._windows.pop(key).held) for key in over]
        oldest = min((window.since for window in self._windows.values()), default=now)
        self._next_end = oldest + self.window
        return [(*key, held) for key, held in closed if held]


def is_own(record: logging.LogRecord) -> bool:
    """True for a record of this program that was not written through structlog."""
    return record.name == OWN_LOGGER or record.name.startswith(f"{OWN_LOGGER}.")


def _template(record: logging.LogRecord) -> tuple[str, str]:
    """Logger and message template, without numbers, because some libraries format ids into the template."""
    first = str(record.msg).split("\n", 1)[0][:200]
    return record.name, re.sub(r"0x[0-9a-fA-F]+|[0-9]+", "#", first)
