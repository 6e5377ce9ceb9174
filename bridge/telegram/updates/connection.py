"""How the bridge stands with Telegram: what went wrong, since when, and what the team has to know of it.

Both ways of taking updates in (``polling`` asks for them, ``webhook`` is called) report the result of each attempt
here. This module asks Telegram nothing itself, and reports each failure once.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import structlog

from bridge.errors import StoreError
from bridge.model.alert import Alert, alert_post
from bridge.model.base import MINUTE, SECOND, Json, Ms
from bridge.pipeline.retry import backoff
from bridge.pipeline.signals import Signals
from bridge.ports.clock import Clock
from bridge.ports.store import Store
from bridge.telegram.client.errors import ApiError, FailureKind

log = structlog.get_logger()

LONGEST_WAIT: Ms = 30 * SECOND
MANY = 10_000
"""What waits is counted no further."""
WORTH_TELLING: Ms = 1 * MINUTE
"""An outage shorter than that is the network's daily life and no news for the team."""

ALERTS = {
    FailureKind.UNAUTHORISED: ("telegram:unauthorised", "alert.telegram_unauthorised"),
    FailureKind.CONFLICT: ("telegram:conflict", "alert.telegram_conflict"),
    FailureKind.WEBHOOK: ("telegram:webhook", "alert.telegram_webhook"),
    FailureKind.REFUSED: ("telegram:refused", "alert.telegram_refused"),
    FailureKind.NOT_CALLED: ("telegram:not_called", "alert.telegram_not_called"),
}
"""Troubles that end only when a person does something: key and text of what the team is told."""


class TelegramConnection:
    """One bot's link to Telegram."""

    def __init__(self, *, store: Store, signals: Signals, clock: Clock) -> None:
        self._store = store
        self._signals = signals
        self._clock = clock
        self._failures = 0
        self._away_since: Ms | None = None
        self._open: set[FailureKind] = set(ALERTS)
        """Alerts that may be open; those of an earlier run are closed with the first success."""
        self._told: set[FailureKind] = set()
        """Alerts raised since the last success."""
        self.failure: FailureKind | None = None
        self.heard_at: Ms | None = None
        """When Telegram last answered a question or brought an update."""
        self.brought_at: Ms = 0
        """When it last brought one."""
        self.back_at: Ms = 0
        """When it was last there again, by the clock that nobody sets."""

    @property
    def connected(self) -> bool:
        """Did the last question get an answer?"""
        return self.heard_at is not None and self.failure is None

    def brought(self, now: Ms) -> None:
        """An update came by itself, and is on disk."""
        self.heard_at = self.brought_at = now

    async def well(self, now: Ms) -> None:
        """A question got its answer. The end of a trouble is told once."""
        self.heard_at = now
        if self.failure is not None:
            log.info("telegram_reachable", was=self.failure, failures=self._failures)
            self.back_at = self._clock.monotonic()
            # The posters waited for it.
            self._signals.posts.set()
        for kind in sorted(self._open):
            key, text = ALERTS[kind]
            await self._store.clear_alert(key, f"{text}_ok", {}, now)
            self._open.discard(kind)
            self._told.discard(kind)
        if self._away_since is not None and now - self._away_since >= WORTH_TELLING:
            await self._tell_back(self._away_since, now)
        self._failures, self.failure, self._away_since = 0, None, None

    async def failed(self, error: ApiError, params: Mapping[str, Json] | None = None) -> None:
        """Note it, tell the team where a person must act (``params`` of that text), and wait before the next try."""
        now = self._clock.now()
        self._failures += 1
        if error.kind is not self.failure:
            log.warning("telegram_unreachable", failure=error.kind, detail=error.detail)
            self.failure = error.kind
        if self._away_since is None and error.kind not in ALERTS:
            # The others have words of their own, also for their end.
            self._away_since = now
        if error.kind in ALERTS and error.kind not in self._told:
            await self._raise(error.kind, params or {"detail": error.detail}, now)
        wait = max(backoff(self._failures, random.random(), longest=LONGEST_WAIT), error.retry_after)
        await self._clock.sleep(wait)

    async def not_stored(self, error: StoreError) -> None:
        """Nothing was confirmed: Telegram brings the same updates again."""
        self._failures += 1
        if self._failures == 1:
            log.error("updates_not_stored", error=str(error))
        await self._clock.sleep(backoff(self._failures, random.random(), longest=LONGEST_WAIT))

    async def _tell_back(self, since: Ms, now: Ms) -> None:
        waiting = await self._store.count_sms_to_post(limit=MANY)
        text = "alert.telegram_back" if waiting else "alert.telegram_back_idle"
        params: dict[str, Json] = {"waiting": waiting, "lasted": now - since}
        post = alert_post(text, params, key=f"telegram_back:{since}", due_at=now)
        await self._store.add_post(post, now)

    async def _raise(self, kind: FailureKind, params: Mapping[str, Json], now: Ms) -> None:
        key, text = ALERTS[kind]
        self._open.add(kind)
        try:
            await self._store.raise_alert(Alert(key=key, text=text, params=params), now)
        except StoreError as error:
            log.error("alert_not_stored", alert=key, error=str(error))
            return
        self._told.add(kind)
