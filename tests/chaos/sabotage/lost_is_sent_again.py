"""Puts the SMS that a dead node was sending back into the queue."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.base import Ms
from bridge.model.sms import Change, Move, Sms
from bridge.store.postgres.store import PostgresStore
from bridge.store.repositories.outbox import LOST_SENDING
from bridge.store.repositories.sms import apply_move
from bridge.store.transaction import Tx


def apply() -> None:
    async def recover_sending(self: PostgresStore, now: Ms) -> Sequence[Sms]:
        def unit(tx: Tx) -> list[Sms]:
            for row in tx.all(LOST_SENDING, {"now": tx.now()}):
                apply_move(tx, row["id"], Move.RETRY, now, Change(reason="interrupted"))
            return []

        return await self._writer.run(unit)

    PostgresStore.recover_sending = recover_sending  # type: ignore[method-assign, assignment]
