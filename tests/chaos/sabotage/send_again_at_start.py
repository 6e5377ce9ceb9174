"""Puts the SMS that a start finds in flight back into the queue."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.base import Ms
from bridge.model.sms import Change, Move, Sms, SmsState
from bridge.store.sqlite.store import SqliteStore


def apply() -> None:
    async def recover_sending(self: SqliteStore, now: Ms) -> Sequence[Sms]:
        found = await self.list_sms([SmsState.SENDING], limit=10_000)
        for sms in found:
            await self.move(sms.id, Move.RETRY, now, Change(reason="interrupted"))
        return []

    SqliteStore.recover_sending = recover_sending  # type: ignore[method-assign]
