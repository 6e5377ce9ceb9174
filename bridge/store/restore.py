"""A store that was put back from a copy: the store it was taken from went on, and may have done all that waits here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge.model.answers import Reason
from bridge.model.base import InboundId, Ms, SmsId
from bridge.model.post import NewPost
from bridge.model.record import Restoration
from bridge.model.sms import Change, Move, Sms
from bridge.store import locks, rows, sql
from bridge.store.repository import Writing
from bridge.store.transaction import Tx
from bridge.store.work_posts import add_post
from bridge.store.work_sms import Moving, apply_moves


class RestoreVerbs(Writing):
    async def settle_restored(self, now: Ms, tell: Callable[[Restoration], NewPost]) -> Restoration | None:
        return await self._writer.run(lambda tx: _settle(tx, now, tell))

    async def last_restored(self) -> Restoration | None:
        row = await self._readers.run(lambda tx: tx.one(sql.LAST_RESTORED))
        if row is None:
            return None
        return Restoration(
            taken_at=row["taken_at"],
            restored_at=row["restored_at"],
            last_inbound=row["last_inbound"],
            sms=row["sms"],
            inbound=row["inbound"],
            updates=row["updates"],
        )

    async def restored_sms(self, *, after: SmsId, limit: int) -> Sequence[Sms]:
        wanted = {"after": after, "limit": limit}
        return [rows.sms(row) for row in await self._readers.run(lambda tx: tx.all(sql.RESTORED_SMS, wanted))]


def last_in_copy(tx: Tx) -> InboundId:
    """The newest message that came with a copy; 0 in a store that was never put back."""
    row = tx.one(sql.LAST_RESTORED)
    return InboundId(0 if row is None else row["last_inbound"])


def _settle(tx: Tx, now: Ms, tell: Callable[[Restoration], NewPost]) -> Restoration | None:
    tx.lock([locks.RESTORATION])
    copy = tx.one(sql.COPY_TAKEN)
    if copy is None or copy["taken_at"] is None:
        return None
    change = Change(reason=Reason.RESTORED)
    moved = apply_moves(tx, [Moving(row["id"], Move.RESTORE, now, change) for row in tx.all(sql.UNSENT)])
    found = tx.one(sql.FOUND_IN_COPY)
    assert found is not None
    restored = Restoration(
        taken_at=copy["taken_at"],
        restored_at=now,
        last_inbound=InboundId(found["last_inbound"] or 0),
        sms=len(moved),
        inbound=found["inbound"],
        updates=found["updates"],
    )
    numbers = {"last_inbound": restored.last_inbound, "inbound": restored.inbound, "updates": restored.updates}
    tx.run(sql.UNMARK_COPY, {"now": now, "sms": restored.sms, **numbers})
    add_post(tx, tell(restored), now)
    return restored
