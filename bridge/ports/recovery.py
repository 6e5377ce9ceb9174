"""The part of the store that puts it right after a restore from a copy, and after the machine's clock was set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from bridge.model.base import Ms, SmsId
from bridge.model.post import NewPost
from bridge.model.record import LongestWaits, Restoration
from bridge.model.sms import Sms


class RecoveryStore(Protocol):
    async def settle_restored(self, now: Ms, tell: Callable[[Restoration], NewPost]) -> Restoration | None:
        """Settle a copy that took the store's place, once, before anything is sent or routed; None for any other store.

        SMS that waited or were being sent become ``uncertain`` (reason ``restored``), the post that ``tell`` makes of
        the numbers is written, and the store is a copy no more, in one transaction.
        """

    async def last_restored(self) -> Restoration | None:
        """The same numbers later on; None in a store that was never restored."""

    async def restored_sms(self, *, after: SmsId, limit: int) -> Sequence[Sms]:
        """SMS that are still ``uncertain`` because of it, which no person has decided about, oldest first."""

    async def newest_sms(self) -> SmsId:
        """The highest id of an SMS, 0 without one. The SMS that this run writes have higher ids."""

    async def shift_waits(self, by: Ms, *, now: Ms, longest: LongestWaits, since: SmsId) -> None:
        """Adapt all that waits to a clock that was set: it shows ``now``, and showed ``now - by`` until now.

        Everything waits as long as it would have, but no longer than ``longest``. With ``by=0`` only the latter.
        Deadlines (``expires_at``, and ``sent_at``, from which the patience with a status counts) move along only for
        SMS above the id ``since``: only of those is it known that the same clock wrote them.
        """
