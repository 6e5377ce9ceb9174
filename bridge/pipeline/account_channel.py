"""The sending channel of one account: rate, free connections, back-off, and whether sending is suspended.

It lives in memory and starts anew with each run; only the suspension of an account is also in the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.config import AccountSettings
from bridge.model.base import MINUTE, Ms
from bridge.pipeline.rate_limit import TokenBucket
from bridge.pipeline.retry import LONGEST, backoff
from bridge.ports.platform import Platform

UNREACHABLE_AFTER = 3
"""Failures in a row after which the team is told that the platform cannot be reached."""
ZEROS_SUSPEND = 3
"""A bare ``0`` for this many different recipients in a row means the account, not the messages."""


@dataclass(kw_only=True, slots=True)
class AccountChannel:
    name: str
    settings: AccountSettings
    platform: Platform
    bucket: TokenBucket
    in_flight: int = 0
    """Requests under way, and slots that are reserved for one."""
    suspended: bool = False
    cautious: bool = False
    """After a suspension or a failure: one SMS at a time, until the platform takes one."""
    paused_until: Ms = 0
    no_probe_before: Ms = 0
    """In monotonic time. Until then the store's record of what left lately is not reliable."""
    failures: int = 0
    """Requests in a row that the platform surely did not take."""
    unknowns: int = 0
    """Unknown outcomes since the platform last took an SMS. Those of requests in flight together count once."""
    unknown_at: Ms = 0
    """When the last of them was counted."""
    queue_waits: bool = False
    """Due rows wait for a slot: a new SMS must not take it from them."""
    backlog: bool = False
    """Rows were due at the last look, whatever they wait for: look again when a request ends."""
    zeros: set[str] = field(default_factory=set)
    """Recipients that got a bare ``0`` since the platform last took an SMS."""

    def free_slots(self, now: Ms) -> int:
        """How many SMS may leave right now."""
        if self.suspended or self.paused(now):
            return 0
        most = 1 if self.cautious else self.settings.connections
        return self.bucket.free(now, max(most - self.in_flight, 0))

    def paused(self, now: Ms) -> bool:
        # A pause that seems longer than the longest one was set before the clock was set back.
        return now < self.paused_until <= now + LONGEST + MINUTE

    def wait(self, now: Ms) -> Ms:
        """Milliseconds until rate and pause let one more leave. A free connection is signalled, not waited for."""
        if self.paused(now):
            return self.paused_until - now
        return self.bucket.wait(now)

    def note_not_sent(self, now: Ms, chance: float) -> Ms:
        """Count a request that did not reach the platform; returns when to try again."""
        self.failures += 1
        return self._pause(now, backoff(self.failures, chance))

    def note_unknown(self, now: Ms, chance: float, started_at: Ms | None) -> None:
        """Count an unknown outcome and pause longer with each in a row, or an ill platform would turn the whole queue
        into questions for people.

        ``started_at``: when its request was started. Requests that were in flight when the last unknown outcome was
        counted are not counted again: one broken connection cuts many requests.
        """
        if self.unknowns and started_at is not None and started_at <= self.unknown_at:
            return
        self.unknowns += 1
        self.unknown_at = now
        self._pause(now, backoff(self.unknowns, chance))

    def _pause(self, now: Ms, wait: Ms) -> Ms:
        self.cautious = True
        self.paused_until = now + wait
        return self.paused_until

    def note_answer(self) -> None:
        """The platform answered: it can be reached."""
        self.failures = 0
        self.paused_until = 0

    def note_accepted(self) -> None:
        """The platform took an SMS: all is well."""
        self.note_answer()
        self.cautious = False
        self.unknowns = 0
        self.zeros.clear()
