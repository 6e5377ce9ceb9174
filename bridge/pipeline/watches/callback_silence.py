"""Alerts the team when the platform has not called for too long: it may have a wrong callback address, or none."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.model.alert import Alert
from bridge.model.base import MINUTE, Json, Ms
from bridge.pipeline.services import Services
from bridge.pipeline.watches.working_time import worked_since
from bridge.pipeline.worker import Throttle
from bridge.rules.schedule import Hours

EVERY: Ms = MINUTE


class CallbackSilence:
    """Compares the time of the last callback of each account with its limit, once a minute."""

    def __init__(self, *, after: Mapping[str, Ms], hours: Hours | None, services: Services) -> None:
        """``after``: for each account the shortest gap between callbacks that counts as silence, in working time."""
        self._after = after
        self._hours = hours
        self._store = services.store
        self._clock = services.clock
        self._started_at = services.clock.now()
        """The platform could not call before the start, so that time does not count as silence."""
        self._throttle = Throttle(EVERY, services.clock)
        self._cleared: set[str] = set()
        """The accounts that surely have no open alert."""

    async def step(self) -> Ms:
        return await self._throttle.step(self._check_all)

    async def _check_all(self) -> None:
        for account, after in self._after.items():
            await self._check(account, after)

    async def _check(self, account: str, after: Ms) -> None:
        now, key = self._clock.now(), f"account:{account}:silent"
        called = await self._store.last_inbound_at(account)
        since = max(called or 0, self._started_at)
        limit = worked_since(self._hours, now, after)
        if limit is not None and since <= limit:
            params: dict[str, Json] = {"account": account, "lasted": now - since}
            alert = Alert(key=key, text="alert.silent", params=params, account=account)
            await self._store.raise_alert(alert, now)
            self._cleared.discard(account)
        elif account not in self._cleared and called is not None and now - called < after:
            await self._store.clear_alert(key, "alert.silent_ok", {"account": account}, now)
            self._cleared.add(account)
