"""Stores Telegram's updates unchanged. They are on disk before Telegram is told that they arrived."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.base import Ms
from bridge.model.chat import StoredUpdate, UpdateState
from bridge.model.work import Work
from bridge.store.repository import Repository, read_all
from bridge.store.schema.tables import TG_UPDATE
from bridge.store.statement import Statement
from bridge.store.transaction import Params, Tx

_NEW_UPDATE = TG_UPDATE.writer(StoredUpdate)

STORE_UPDATE = TG_UPDATE.statement(f"""
INSERT INTO tg_update (bot_id, {_NEW_UPDATE}) VALUES (:bot_id, {_NEW_UPDATE.parameters})
ON CONFLICT (bot_id, update_id) DO NOTHING
""")

PENDING_UPDATES = TG_UPDATE.statement(
    f"SELECT {TG_UPDATE} FROM tg_update WHERE bot_id = :bot_id AND state = 'new' ORDER BY id LIMIT :limit"
)

# Searches only the newest 2,000 rows, so that its cost does not grow with the table.
UPDATES_SINCE = TG_UPDATE.statement(f"""
SELECT {TG_UPDATE} FROM tg_update
WHERE id > (SELECT max(id) FROM tg_update) - 2000 AND bot_id = :bot_id AND received_at >= :since
ORDER BY id
""")

FINISH_UPDATE = TG_UPDATE.statement("""
UPDATE tg_update SET state = :state, error = :error, finished_at = :finished_at
WHERE bot_id = :bot_id AND update_id = :update_id AND state = 'new'
""")

PURGE_UPDATES = Statement("""
DELETE FROM tg_update WHERE state = 'done' AND id IN (
    SELECT id FROM tg_update WHERE state = 'done' AND received_at < :before ORDER BY received_at LIMIT :limit)
""")


class UpdateRepository(Repository):
    """Implements :class:`~bridge.ports.updates.UpdateStore`."""

    async def store_updates(self, bot_id: int, updates: Sequence[StoredUpdate]) -> int:
        def unit(tx: Tx) -> int:
            new = sum(tx.run(STORE_UPDATE, {"bot_id": bot_id, **_NEW_UPDATE.params(update)}) for update in updates)
            if new:
                tx.wake(Work.UPDATES)
            return new

        return await self._writer.run(unit)

    async def pending_updates(self, bot_id: int, *, limit: int) -> Sequence[StoredUpdate]:
        return await self._updates(PENDING_UPDATES, {"bot_id": bot_id, "limit": limit})

    async def updates_since(self, bot_id: int, since: Ms) -> Sequence[StoredUpdate]:
        return await self._updates(UPDATES_SINCE, {"bot_id": bot_id, "since": since})

    async def _updates(self, statement: Statement, params: Params) -> Sequence[StoredUpdate]:
        return await self._readers.run(lambda tx: read_all(tx, TG_UPDATE, statement, params))

    async def finish_update(self, bot_id: int, update_id: int, state: UpdateState, error: str, now: Ms) -> None:
        done = {"bot_id": bot_id, "update_id": update_id, "state": state.value, "error": error, "finished_at": now}
        await self._writer.run(lambda tx: tx.run(FINISH_UPDATE, done))

    async def purge_updates(self, before: Ms, *, limit: int) -> int:
        return await self._writer.run(lambda tx: tx.run(PURGE_UPDATES, {"before": before, "limit": limit}))
