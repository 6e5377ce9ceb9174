"""The state of the bot's connection to Telegram: what fails, since when, and what the team is told about it.

The intake reports the result of each of its requests here. This module makes no request itself, and tells the team of
each failure once.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import structlog

from bridge.errors import StoreError
from bridge.model.alert import Alert, alert_post
from bridge.model.base import MINUTE, SECOND, Json, Ms
from bridge.pipeline.retry import backoff
from bridge.pipeline.services import Services
from bridge.telegram.client.errors import ApiError, FailureKind

log = structlog.get_logger()

MAX_WAIT: Ms = 30 * SECOND
"""Longest pause between two requests."""
MAX_COUNTED = 10_000
"""SMS that wait to be shown are counted up to this number."""
MIN_REPORTED_OUTAGE: Ms = 1 * MINUTE
"""Shorter outages are not reported to the team."""

ALERTS = {
    FailureKind.UNAUTHORISED: ("telegram:unauthorised", "alert.telegram_unauthorised"),
    FailureKind.CONFLICT: ("telegram:conflict", "alert.telegram_conflict"),
    FailureKind.WEBHOOK: ("telegram:webhook", "alert.telegram_webhook"),
    FailureKind.REFUSED: ("telegram:refused", "alert.telegram_refused"),
    FailureKind.NOT_CALLED: ("telegram:not_called", "alert.telegram_not_called"),
}
"""Failures that only a person can end: key and text id of the alert. ``<text id>_ok`` is the all-clear."""


class TelegramConnection:
    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._signals = services.signals
        self._clock = services.clock
        self._failures = 0
        """Failures in a row."""
        self._away_since: Ms | None = None
        """When the present outage began. None: there is no outage, or an alert reports it."""
        self._open: set[FailureKind] = set(ALERTS)
        """Alerts that may be open, also from an earlier run. The first success clears them."""
        self._raised: set[FailureKind] = set()
        """Alerts raised since the last success."""
        self.failure: FailureKind | None = None
        """The present failure. None: the last request succeeded, or none was made yet."""
        self.heard_at: Ms | None = None
        """When Telegram last answered a request or brought an update."""
        self.brought_at: Ms = 0
        """When Telegram last brought an update to the webhook."""
        self.back_at: Ms = 0
        """Monotonic time of the end of the last outage."""

    @property
    def connected(self) -> bool:
        """True if the last request succeeded."""
        return self.heard_at is not None and self.failure is None

    def brought(self, now: Ms) -> None:
        """Notes that Telegram brought an update, which is stored."""
        self.heard_at = self.brought_at = now

    async def succeeded(self, now: Ms) -> None:
        """Notes that a request succeeded. Reports the end of a failure, once."""
        self.heard_at = now
        if self.failure is not None:
            log.info("telegram_reached", after=self.failure, failures=self._failures)
            self.back_at = self._clock.monotonic()
            # The posters wait for this.
            self._signals.posts.set()
        for kind in sorted(self._open):
            key, text = ALERTS[kind]
            await self._store.clear_alert(key, f"{text}_ok", {}, now)
            self._open.discard(kind)
            self._raised.discard(kind)
        if self._away_since is not None and now - self._away_since >= MIN_REPORTED_OUTAGE:
            await self._report_end(self._away_since, now)
        self._failures, self.failure, self._away_since = 0, None, None

    async def failed(self, error: ApiError, params: Mapping[str, Json] | None = None) -> None:
        """Notes that a request failed. Raises an alert if a person must act, and waits before the next request.

        ``params``: for the alert's text; by default the error's detail.
        """
        now = self._clock.now()
        self._failures += 1
        if error.kind is not self.failure:
            log.warning("telegram_lost", failure=error.kind, detail=error.detail)
            self.failure = error.kind
        if error.kind not in ALERTS:
            self._away_since = self._away_since or now
        elif error.kind not in self._raised:
            await self._raise(error.kind, params or {"detail": error.detail}, now)
        wait = max(backoff(self._failures, random.random(), longest=MAX_WAIT), error.retry_after)
        await self._clock.sleep(wait)

    async def not_stored(self, error: StoreError) -> None:
        """Notes that updates could not be stored, and waits. They are not confirmed, so Telegram brings them again."""
        self._failures += 1
        if self._failures == 1:
            log.error("updates_not_stored", error=str(error))
        await self._clock.sleep(backoff(self._failures, random.random(), longest=MAX_WAIT))

    async def _report_end(self, since: Ms, now: Ms) -> None:
        waiting = await self._store.count_sms_to_post(limit=MAX_COUNTED)
        text = "alert.telegram_back" if waiting else "alert.telegram_back_idle"
        params: dict[str, Json] = {"waiting": waiting, "lasted": now - since}
        await self._store.add_post(alert_post(text, params, key=f"telegram_back:{since}", due_at=now), now)

    async def _raise(self, kind: FailureKind, params: Mapping[str, Json], now: Ms) -> None:
        key, text = ALERTS[kind]
        self._open.add(kind)
        try:
            await self._store.raise_alert(Alert(key=key, text=text, params=params), now)
        except StoreError as error:
            log.error("alert_not_stored", alert=key, error=str(error))
            return
        self._raised.add(kind)
