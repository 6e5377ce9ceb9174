"""Back-off: how long to wait before the next attempt. Pure: chance is passed in."""

from __future__ import annotations

from bridge.model.base import HOUR, MINUTE, SECOND, Ms

FIRST: Ms = 1 * SECOND
LONGEST: Ms = 1 * MINUTE
"""Longest wait between two attempts: a platform or a disk that is back is found within a minute."""
LONGEST_POST: Ms = HOUR
"""Longest wait for a chat post that Telegram refuses: that hardly changes, and a person has been told."""


def backoff(failures: int, chance: float, *, first: Ms = FIRST, longest: Ms = LONGEST) -> Ms:
    """The wait after the ``failures``-th failure in a row, counted from 1: exponential, half fixed and half by chance.

    ``chance`` is in [0, 1). The result is at most ``longest``.
    """
    ceiling = min(longest, first * (1 << min(max(failures, 1) - 1, 30)))
    return ceiling // 2 + int(ceiling / 2 * chance)
