"""Telegram's updates as they came: on disk before Telegram is told that they arrived."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.base import Ms
from bridge.model.chat import StoredUpdate, UpdateState
from bridge.store import sql
from bridge.store.repository import Writing
from bridge.store.transaction import Params, Tx


class UpdateVerbs(Writing):
    async def store_updates(self, bot_id: int, updates: Sequence[StoredUpdate]) -> int:
        def unit(tx: Tx) -> int:
            new = 0
            for update in updates:
                row: Params = {"update_id": update.update_id, "raw": update.raw, "received_at": update.received_at}
                new += tx.run(sql.STORE_UPDATE, {"bot_id": bot_id, **row})
            return new

        return await self._writer.run(unit)

    async def pending_updates(self, bot_id: int, *, limit: int) -> Sequence[StoredUpdate]:
        return await self._updates(sql.PENDING_UPDATES, {"bot_id": bot_id, "limit": limit})

    async def updates_since(self, bot_id: int, since: Ms) -> Sequence[StoredUpdate]:
        return await self._updates(sql.UPDATES_SINCE, {"bot_id": bot_id, "since": since})

    async def _updates(self, statement: str, wanted: Params) -> Sequence[StoredUpdate]:
        found = await self._readers.run(lambda tx: tx.all(statement, wanted))
        return [
            StoredUpdate(update_id=row["update_id"], raw=row["raw"], received_at=row["received_at"]) for row in found
        ]

    async def finish_update(self, bot_id: int, update_id: int, state: UpdateState, error: str, now: Ms) -> None:
        done = {"bot_id": bot_id, "update_id": update_id, "state": state.value, "error": error, "now": now}
        await self._writer.run(lambda tx: tx.run(sql.FINISH_UPDATE, done))

    async def purge_updates(self, before: Ms, *, limit: int) -> int:
        return await self._writer.run(lambda tx: tx.run(sql.PURGE_UPDATES, {"before": before, "limit": limit}))
