"""An account that was not called for too long: perhaps the platform has another address, or none. Told once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bridge.model.alert import Alert
from bridge.model.base import MINUTE, Json, Ms
from bridge.pipeline.signals import Signals
from bridge.pipeline.watches.working_time import worked_since
from bridge.pipeline.worker import Throttle
from bridge.ports.chats import WatchStore
from bridge.ports.clock import Clock
from bridge.ports.sending import AccountStore
from bridge.rules.schedule import Hours

LOOK: Ms = MINUTE


class CallbackSilenceStore(AccountStore, WatchStore, Protocol):
    """Alerts, and when an account was called last."""


class CallbackSilence:
    def __init__(
        self,
        *,
        after: Mapping[str, Ms],
        hours: Hours | None,
        store: CallbackSilenceStore,
        signals: Signals,
        clock: Clock,
    ) -> None:
        """``after``: by account, how long a silence is none yet; in working time."""
        self._after = after
        self._hours = hours
        self._store = store
        self._signals = signals
        self._clock = clock
        self._began = clock.now()
        """While nothing ran, nobody could call: that silence is ours."""
        self._minute = Throttle(LOOK, clock)
        self._closed: set[str] = set()
        """Accounts that surely have no alert open."""

    async def step(self) -> Ms:
        return await self._minute.step(self._look)

    async def _look(self) -> None:
        for account, after in self._after.items():
            await self._look_at_account(account, after)

    async def _look_at_account(self, account: str, after: Ms) -> None:
        now, key = self._clock.now(), f"account:{account}:silent"
        called = await self._store.last_called(account)
        since = max(called or 0, self._began)
        limit = worked_since(self._hours, now, after)
        if limit is not None and since <= limit:
            params: dict[str, Json] = {"account": account, "lasted": now - since}
            alert = Alert(key=key, text="alert.silent", params=params, account=account)
            if await self._store.raise_alert(alert, now):
                self._signals.posts.set()
            self._closed.discard(account)
        elif account not in self._closed and called is not None and now - called < after:
            if await self._store.clear_alert(key, "alert.silent_ok", {"account": account}, now):
                self._signals.posts.set()
            self._closed.add(account)
