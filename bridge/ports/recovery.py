"""The part of the store that corrects it after a restore from a copy, and after the machine's clock was set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from bridge.model.base import Ms, SmsId
from bridge.model.post import NewPost
from bridge.model.record import LongestWaits, Restoration
from bridge.model.sms import Sms


class RecoveryStore(Protocol):
    async def settle_restored(self, now: Ms, tell: Callable[[Restoration], NewPost]) -> Restoration | None:
        """Settle a store that is a restored copy. Called before anything is sent or routed. Works once for each copy.

        In one transaction, SMS that waited or were being sent become ``uncertain`` (reason ``restored``), the post that
        ``tell`` makes of the numbers is written, and the store stops being a copy. Returns the numbers; None if the
        store is not a copy.
        """

    async def last_restored(self) -> Restoration | None:
        """The numbers of the last restore; None in a store that was never restored."""

    async def restored_sms(self, *, after: SmsId, limit: int) -> Sequence[Sms]:
        """SMS that are still ``uncertain`` because of a restore and that no person has decided about, oldest first."""

    async def newest_sms(self) -> SmsId:
        """The highest id of an SMS; 0 if there is none. The SMS that this run writes have higher ids."""

    async def shift_waits(self, by: Ms, *, now: Ms, longest: LongestWaits, since: SmsId) -> None:
        """Shift the waiting times of all rows after the clock was set. It shows ``now``, and before that showed
        ``now - by``.

        Each row waits as long as it would have waited, but no longer than ``longest``. With ``by=0`` only waits longer
        than ``longest`` are shortened. Deadlines (``expires_at``, and ``sent_at``, from which the time to give up a
        delivery report counts) are shifted only for SMS with ids above ``since``. Only these are known to be written by
        the same clock.
        """
