"""A log as libraries write it: no redaction at the way out, and httpx may tell the addresses it asks."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bridge.telemetry import output, redaction
from tests.chaos.sabotage import narrow


def apply() -> None:
    narrow.apply()
    redaction.Redactor.text = lambda self, value, *, numbers=False: value  # type: ignore[method-assign]
    redaction.Redactor.is_clean = lambda self, line, event: True  # type: ignore[method-assign]
    output._LOWEST_LEVELS = {}
    logging.Logger.setLevel = _but_not_these(logging.Logger.setLevel)  # type: ignore[method-assign]


def _but_not_these(sets: Callable[[logging.Logger, int], None]) -> Callable[[logging.Logger, int], None]:
    """The adapter quiets httpx once more."""

    def set_level(self: logging.Logger, level: int) -> None:
        if self.name not in ("httpx", "httpcore"):
            sets(self, level)

    return set_level
