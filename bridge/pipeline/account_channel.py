"""One account's way out: its rate, its connections, and whether it may send at all just now.

What is here is pace, not truth: after a restart it starts anew, and the hold of an account is read from the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.config import AccountSettings
from bridge.model.base import Ms
from bridge.pipeline.rate_limit import TokenBucket
from bridge.pipeline.retry import backoff
from bridge.ports.platform import Platform

UNREACHABLE_AFTER = 3
"""Failures in a row after which the team is told that the platform cannot be reached."""
ZEROS_HOLD = 3
"""The document's bare ``0`` for so many different recipients in a row means the account, not the messages."""


@dataclass(kw_only=True, slots=True)
class AccountChannel:
    """The sending state of one account."""

    name: str
    settings: AccountSettings
    platform: Platform
    bucket: TokenBucket
    in_flight: int = 0
    held: bool = False
    cautious: bool = False
    """After a hold or an outage: one at a time, until the platform takes one."""
    paused_until: Ms = 0
    no_probe_before: Ms = 0
    """In monotonic time. Until then the store does not say rightly which requests left lately."""
    failures: int = 0
    """Requests in a row that surely were not taken."""
    doubts: int = 0
    """Unknown outcomes since the platform last took an SMS; those in flight together count once."""
    doubted_at: Ms = 0
    """When the last of them was counted."""
    queue_waits: bool = False
    """Due rows wait for a place: what is born now may not take it from them."""
    backlog: bool = False
    """Rows were due at the last look, whatever they wait for: the end of a request is a reason to look again."""
    zeros: set[str] = field(default_factory=set)
    """Recipients that got a bare ``0`` since the platform last took an SMS."""

    def places(self, now: Ms) -> int:
        """How many SMS may leave right now."""
        if self.held or self.paused(now):
            return 0
        most = 1 if self.cautious else self.settings.connections
        return self.bucket.free(now, max(most - self.in_flight, 0))

    def paused(self, now: Ms) -> bool:
        # A pause that seems longer than the longest one was set before the clock was set back.
        return now < self.paused_until <= now + 2 * 60_000

    def wait(self, now: Ms) -> Ms:
        """Milliseconds until pace alone would let one more leave; a signal comes when a place becomes free."""
        if self.paused(now):
            return self.paused_until - now
        return self.bucket.wait(now)

    def failed_to_reach(self, now: Ms, chance: float) -> Ms:
        """Count a request that did not reach the platform; returns when to try again."""
        self.failures += 1
        return self._pause(now, backoff(self.failures, chance))

    def in_doubt(self, now: Ms, chance: float, began: Ms | None) -> None:
        """Nobody knows what became of one: an ill platform must not make a question of the whole queue.

        ``began``: when its request was started. Those in flight when the first was lost are one doubt with it: a
        connection that breaks takes many along and says no more than one would.
        """
        if self.doubts and began is not None and began <= self.doubted_at:
            return
        self.doubts += 1
        self.doubted_at = now
        self._pause(now, backoff(self.doubts, chance))

    def _pause(self, now: Ms, wait: Ms) -> Ms:
        self.cautious = True
        self.paused_until = now + wait
        return self.paused_until

    def reached(self) -> None:
        self.failures = 0
        self.paused_until = 0

    def took_one(self) -> None:
        """The platform took an SMS: all is well."""
        self.reached()
        self.cautious = False
        self.doubts = 0
        self.zeros.clear()
