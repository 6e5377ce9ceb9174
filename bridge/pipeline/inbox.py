"""From a parsed callback to a row on disk: the first half of "acknowledged means safe".

Returning means committed; every error of the store passes through, so that no acknowledgement is given.
Routing is somebody else's work: this module stores, wakes the router, and notices a platform that does not
understand our answer.
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol

import structlog

from bridge.errors import StoreError
from bridge.model.alert import Alert
from bridge.model.base import Ms
from bridge.model.inbound import Accepted, InboundCall
from bridge.pipeline.clock import day_of
from bridge.pipeline.signals import Signals
from bridge.ports.clock import Clock
from bridge.ports.inbox import InboxStore

REPEATS_BEFORE_ALERT = 3
"""A platform may bring a message again for reasons of its own (a lost answer); three times means it never
reads us."""

LONGEST_HOLD: Ms = 250
"""How long a callback is held back while routing is behind. Intake alone could use up the machine, and the more it
took, the fewer would be answered; but a router in trouble must not stop it."""

log = structlog.get_logger()


class InboxAndAlerts(InboxStore, Protocol):
    """The part of the store that the inbox needs."""

    async def raise_alert(self, alert: Alert, now: Ms) -> bool: ...


class Inbox:
    """Takes callbacks in; any number of :meth:`accept` may run at once."""

    def __init__(self, store: InboxAndAlerts, signals: Signals, clock: Clock) -> None:
        self._store = store
        self._signals = signals
        self._clock = clock
        self._under_way: Counter[tuple[str, str, bytes]] = Counter()

    async def accept(self, call: InboundCall) -> Accepted:
        """Store a callback, or count it as a repeat of a stored one.

        :raises StoreError: nothing may be acknowledged.
        """
        if not self._signals.room.is_set():
            await self._clock.wait(self._signals.room, LONGEST_HOLD)
        key = (call.account, call.smsid, call.content_hash)
        # A copy that comes while the first is still in work could not know our answer: no sign of a wrong
        # one.
        acknowledged_before = key not in self._under_way
        self._under_way[key] += 1
        try:
            accepted = await self._store.accept_inbound(call)
        finally:
            self._under_way[key] -= 1
            if not self._under_way[key]:
                del self._under_way[key]
        if accepted.new:
            self._signals.inbound.set()
        elif acknowledged_before and accepted.repeats >= REPEATS_BEFORE_ALERT:
            await self._alert(call, accepted)
        return accepted

    async def _alert(self, call: InboundCall, accepted: Accepted) -> None:
        """Say once a day that our answers to this account are not understood."""
        now = self._clock.now()
        alert = Alert(
            key=f"account:{call.account}:not_acknowledged:{day_of(now)}",
            text="alert.not_acknowledged",
            params={
                "account": call.account,
                "smsid": call.smsid,
                "repeats": accepted.repeats,
                "setting": f"accounts.{call.account}.callback.answer",
            },
            account=call.account,
        )
        try:
            opened = await self._store.raise_alert(alert, now)
        except StoreError as error:
            # The message itself is safe on disk and must be acknowledged; the next repeat raises the alert
            # again.
            log.warning("alert_not_stored", alert=alert.key, error=type(error).__name__)
            return
        if opened:
            self._signals.posts.set()
            log.warning("not_acknowledged", account=call.account, smsid=call.smsid, repeats=accepted.repeats)
