"""How long to wait before trying again. Pure: chance is passed in."""

from __future__ import annotations

from bridge.model.base import HOUR, MINUTE, SECOND, Ms

FIRST: Ms = 1 * SECOND
LONGEST: Ms = 1 * MINUTE
"""No wait between two attempts is longer: a platform or a disk that is back is found within a minute."""
LONGEST_POST: Ms = HOUR
"""The same for a chat post that Telegram refuses: it will hardly think better of it, and a person has been told."""


def backoff(failures: int, chance: float, *, first: Ms = FIRST, longest: Ms = LONGEST) -> Ms:
    """Exponential with equal jitter: for the ``failures``-th failure in a row (from 1), half fixed, half by chance.

    ``chance`` is in [0, 1). The result is never above ``longest``.
    """
    ceiling = min(longest, first * (1 << min(max(failures, 1) - 1, 30)))
    return ceiling // 2 + int(ceiling / 2 * chance)
