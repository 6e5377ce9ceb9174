"""The sending channel of one account: rate, free connections, back-off, and whether sending is suspended.

It is held in memory and begins again with each run. Only the suspension of an account is also in the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.config import AccountSettings
from bridge.model.base import MINUTE, Ms
from bridge.pipeline.rate_limit import TokenBucket
from bridge.pipeline.retry import MAX_BACKOFF, backoff
from bridge.ports.platform import Platform

UNREACHABLE_AFTER = 3
"""Failures in a row after which the team is told that the platform cannot be reached."""
SUSPEND_AFTER_ZEROS = 3
"""A bare ``0`` for this many different recipients in a row means that the account is at fault, not the messages."""


@dataclass(kw_only=True, slots=True)
class AccountChannel:
    """The state of one account's sending. The outbox reads it before each request and changes it after each answer."""

    name: str
    settings: AccountSettings
    platform: Platform
    bucket: TokenBucket
    in_flight: int = 0
    """The number of requests under way and of slots that are reserved for a request."""
    suspended: bool = False
    cautious: bool = False
    """Set after a start, a suspension or a failure: one SMS is sent at a time, until the platform takes one."""
    paused_until: Ms = 0
    """The end of the back-off after a failure or an unknown outcome."""
    no_probe_before: Ms = 0
    """In monotonic time. The clock was set, so until then the store's times of recent requests are not reliable."""
    failures: int = 0
    """The number of requests in a row that the platform surely did not take."""
    unknowns: int = 0
    """The number of unknown outcomes since the platform last took an SMS. Outcomes of requests that were in flight
    together count once."""
    unknown_at: Ms = 0
    """When the last unknown outcome was counted."""
    queue_waits: bool = False
    """Due rows wait for a slot, so an SMS that is not in the queue must not take it."""
    backlog: bool = False
    """Rows were due when the outbox last looked, whatever they wait for. It looks again when a request ends."""
    zeros: set[str] = field(default_factory=set)
    """Recipients that got a bare ``0`` since the platform last took an SMS."""

    def free_slots(self, now: Ms) -> int:
        """How many SMS may leave now."""
        if self.suspended or self.paused(now):
            return 0
        most = 1 if self.cautious else self.settings.connections
        return self.bucket.free(now, max(most - self.in_flight, 0))

    def paused(self, now: Ms) -> bool:
        """Whether the back-off still lasts."""
        # A pause that seems longer than the longest one was set before the clock was set back.
        return now < self.paused_until <= now + MAX_BACKOFF + MINUTE

    def wait(self, now: Ms) -> Ms:
        """Milliseconds until rate and pause allow one more SMS.

        It does not cover the wait for a connection, which ends with a signal.
        """
        if self.paused(now):
            return self.paused_until - now
        return self.bucket.wait(now)

    def note_not_sent(self, now: Ms, chance: float) -> Ms:
        """Count a request that did not reach the platform, and pause. Returns when to try again."""
        self.failures += 1
        return self._pause(now, backoff(self.failures, chance))

    def note_unknown(self, now: Ms, chance: float, started_at: Ms | None) -> None:
        """Count an unknown outcome, and pause longer with each one in a row.

        Without the pause a faulty platform would turn the whole queue into questions for people.

        ``started_at``: when the request was started. A request that was in flight when the last unknown outcome was
        counted is not counted, because one broken connection cuts many requests.
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
        """Note that the platform answered, so it can be reached: the pause ends."""
        self.failures = 0
        self.paused_until = 0

    def note_accepted(self) -> None:
        """Note that the platform took an SMS: the account sends at full speed again."""
        self.note_answer()
        self.cautious = False
        self.unknowns = 0
        self.zeros.clear()
