"""How fast: a token bucket for an account's rate, and the places for requests under way."""

from __future__ import annotations

import math

from bridge.config import Rate
from bridge.model.base import Ms


class TokenBucket:
    """A token bucket that starts full. It may be asked without waiting, which a router that holds a batch needs.

    A clock set back only stops the refill until the next question; set forth, it fills the bucket once.
    """

    def __init__(self, rate: Rate | None, now: Ms) -> None:
        self._rate = rate
        self._among = 1
        """How many have a share like this one; 0: this one has none."""
        self._tokens = self._most
        self._seen = now

    def divide(self, among: int, position: int, now: Ms) -> None:
        """From now on this bucket is one of so many that share the rate, the ``place``-th of them, from 0.

        All together hold no more than one alone would. Less than one token sends nothing, and would be too much if it
        were rounded up: a rate that counts fewer than they are is divided among the first, and the others have none.
        """
        if self._rate is None:
            return
        holders = min(among, max(self._rate.count, 1))
        share = holders if position < holders else 0
        if share != self._among:
            self._refill(now)  # what was gained so far was gained by the old share
            self._among = share
            self._tokens = min(self._tokens, self._most)

    def drain(self, now: Ms) -> None:
        """What gathered here was the others' to spend."""
        if self._rate is not None:
            self._refill(now)
            self._tokens = 0.0

    @property
    def _most(self) -> float:
        if self._rate is None:
            return math.inf
        return self._rate.count / self._among if self._among else 0.0

    def take(self, now: Ms) -> bool:
        self._refill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def give_back(self) -> None:
        if self._rate is not None:
            self._tokens = min(self._tokens + 1, self._most)

    def free(self, now: Ms, most: int) -> int:
        """How many may be taken now, at most ``most``."""
        self._refill(now)
        return int(min(self._tokens, most))

    def wait(self, now: Ms) -> Ms:
        """Milliseconds until one may be taken; 0 also where only another division helps."""
        self._refill(now)
        if self._rate is None or self._tokens >= 1 or not self._among:
            return 0
        return math.ceil((1 - self._tokens) * self._rate.per * self._among / self._rate.count)

    def _refill(self, now: Ms) -> None:
        if self._rate is not None and self._among:
            gained = max(now - self._seen, 0) * self._rate.count / (self._rate.per * self._among)
            self._tokens = min(self._tokens + gained, self._most)
        self._seen = now
