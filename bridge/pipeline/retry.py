"""Back-off: how long to wait before the next attempt. Pure: the random number is passed in."""

from __future__ import annotations

from bridge.model.base import HOUR, MINUTE, SECOND, Ms

FIRST_BACKOFF: Ms = 1 * SECOND
MAX_BACKOFF: Ms = 1 * MINUTE
"""The longest wait between two attempts. So a platform or a disk that works again is found within a minute."""
MAX_POST_BACKOFF: Ms = HOUR
"""The longest wait for a chat post that Telegram refuses. A refusal hardly changes, and a person has been told."""


def backoff(failures: int, chance: float, *, first: Ms = FIRST_BACKOFF, longest: Ms = MAX_BACKOFF) -> Ms:
    """The wait after the ``failures``-th failure in a row, counted from 1.

    It grows exponentially; half of it is random.

    ``chance``: a random number in [0, 1). The result is in milliseconds and at most ``longest``.
    """
    ceiling = min(longest, first * (1 << min(max(failures, 1) - 1, 30)))
    return ceiling // 2 + int(ceiling / 2 * chance)
