"""Stores the SMS of callbacks, and notices a platform that does not understand our answer.

When :meth:`Inbox.accept` returns, the SMS is committed and may be acknowledged. Every error of the store is raised to
the caller, so that nothing is acknowledged.
"""

from __future__ import annotations

from collections import Counter

import structlog

from bridge.errors import StoreError
from bridge.model.alert import Alert
from bridge.model.base import Ms
from bridge.model.inbound import AcceptedCall, InboundCall
from bridge.pipeline.clock import day_of
from bridge.pipeline.services import Services

REPEATS_BEFORE_ALERT = 3
"""One repeat may mean that our answer was lost. Three repeats mean that the platform does not understand our answer."""

LONGEST_DELAY: Ms = 250
"""The longest time that a callback waits while routing is behind. Without the wait, intake could use up the machine:
the more it took, the fewer SMS would be routed. The wait has a limit because a router that stands still must not stop
intake."""

log = structlog.get_logger()


class Inbox:
    """Accepts callbacks. Any number of :meth:`accept` calls may run at the same time."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._signals = services.signals
        self._clock = services.clock
        self._under_way: Counter[tuple[str, str, bytes]] = Counter()

    async def accept(self, call: InboundCall) -> AcceptedCall:
        """Store a callback, or count it as a repeat of a stored one.

        :raises StoreError: nothing may be acknowledged.
        """
        if not self._signals.routing_keeps_up.is_set():
            await self._clock.wait(self._signals.routing_keeps_up, LONGEST_DELAY)
        key = (call.account, call.smsid, call.content_hash)
        # A repeat that comes before the first call was answered says nothing about our answer.
        acknowledged_before = key not in self._under_way
        self._under_way[key] += 1
        try:
            accepted = await self._store.accept_inbound(call)
        finally:
            self._under_way[key] -= 1
            if not self._under_way[key]:
                del self._under_way[key]
        if acknowledged_before and accepted.repeats >= REPEATS_BEFORE_ALERT:
            await self._alert(call, accepted)
        return accepted

    async def _alert(self, call: InboundCall, accepted: AcceptedCall) -> None:
        """Tell the team once a day that the platform does not understand our answers to callbacks of this account."""
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
            # The SMS itself is committed and must be acknowledged. The next repeat raises the alert again.
            log.warning("alert_not_stored", alert=alert.key, error=type(error).__name__)
            return
        if opened:
            log.warning("acknowledgement_ignored", account=call.account, smsid=call.smsid, repeats=accepted.repeats)
