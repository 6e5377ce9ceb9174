"""What waits, told by another clock: all of it in one transaction."""

from __future__ import annotations

from bridge.model.base import Ms, SmsId
from bridge.model.record import LongestWaits
from bridge.store import sql
from bridge.store.repository import Writing
from bridge.store.transaction import Tx


class ClockVerbs(Writing):
    async def newest_sms(self) -> SmsId:
        row = await self._readers.run(lambda tx: tx.one(sql.NEWEST_SMS))
        return SmsId(0 if row is None or row["id"] is None else row["id"])

    async def shift_waits(self, by: Ms, *, now: Ms, longest: LongestWaits, since: SmsId) -> None:
        before = now - by

        def unit(tx: Tx) -> None:
            for statement, most in (
                (sql.SHIFT_QUEUED, longest.sms),
                (sql.SHIFT_POLLS, longest.poll),
                (sql.SHIFT_POSTS, longest.post),
                (sql.SHIFT_TAKEOVERS, longest.takeover),
            ):
                tx.run(
                    statement,
                    {"by": by, "now": now, "before": before, "sooner": min(now, before), "latest": now + most},
                )
            if by:
                tx.run(sql.SHIFT_EXPIRY, {"by": by, "since": since})
                tx.run(sql.SHIFT_SENT, {"by": by, "since": since})
                tx.run(sql.SHIFT_HOLDS, {"by": by})

        await self._writer.run(unit)
