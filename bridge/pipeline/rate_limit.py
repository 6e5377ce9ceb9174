"""The rate limit of an account: a token bucket that several nodes can divide among them."""

from __future__ import annotations

import math

from bridge.config import Rate
from bridge.model.base import Ms


class TokenBucket:
    """A token bucket that starts full. No method waits, because the router calls it while it holds a batch.

    A clock that is set back stops the refill until the next call. A clock that is set forward fills the bucket once.
    """

    def __init__(self, rate: Rate | None, now: Ms) -> None:
        self._rate = rate
        self._shares = 1
        """The number of equal shares into which the rate is divided; 0: this bucket has no share."""
        self._tokens = self._capacity
        self._refilled_at = now

    def divide(self, senders: int, position: int, now: Ms) -> None:
        """Divide the rate among ``senders`` buckets; this one is at ``position``, from 0.

        Together the buckets hold no more than one bucket alone. A share of less than one token could never send, and
        rounding it up would exceed the rate. So if the rate has fewer tokens than there are senders, only the first
        senders get a share.
        """
        if self._rate is None:
            return
        holders = min(senders, max(self._rate.count, 1))
        shares = holders if position < holders else 0
        if shares != self._shares:
            self._refill(now)  # tokens gained so far were gained with the old share
            self._shares = shares
            self._tokens = min(self._tokens, self._capacity)

    def drain(self, now: Ms) -> None:
        """Empty the bucket, because other nodes have spent the tokens that gathered here."""
        if self._rate is not None:
            self._refill(now)
            self._tokens = 0.0

    @property
    def _capacity(self) -> float:
        if self._rate is None:
            return math.inf
        return self._rate.count / self._shares if self._shares else 0.0

    def take(self, now: Ms) -> bool:
        """Take one token. False if there is none."""
        self._refill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def give_back(self) -> None:
        """Put back a token that was taken and not used."""
        if self._rate is not None:
            self._tokens = min(self._tokens + 1, self._capacity)

    def free(self, now: Ms, most: int) -> int:
        """How many tokens may be taken now, at most ``most``."""
        self._refill(now)
        return int(min(self._tokens, most))

    def wait(self, now: Ms) -> Ms:
        """The milliseconds until one token may be taken; 0 without a rate and if this bucket has no share."""
        self._refill(now)
        if self._rate is None or self._tokens >= 1 or not self._shares:
            return 0
        return math.ceil((1 - self._tokens) * self._rate.per * self._shares / self._rate.count)

    def _refill(self, now: Ms) -> None:
        if self._rate is not None and self._shares:
            gained = max(now - self._refilled_at, 0) * self._rate.count / (self._rate.per * self._shares)
            self._tokens = min(self._tokens + gained, self._capacity)
        self._refilled_at = now
