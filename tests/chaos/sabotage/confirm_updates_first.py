"""Updates are confirmed to Telegram while they are in memory alone, as the library's own polling does it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bridge.model import StoredUpdate
from bridge.store import SqliteStore

IN_MEMORY_S = 0.3


def apply() -> None:
    store = SqliteStore.store_updates
    under_way: set[asyncio.Task[None]] = set()

    async def later(self: SqliteStore, bot_id: int, updates: Sequence[StoredUpdate]) -> None:
        await asyncio.sleep(IN_MEMORY_S)
        await store(self, bot_id, updates)

    async def store_updates(self: SqliteStore, bot_id: int, updates: Sequence[StoredUpdate]) -> int:
        task = asyncio.create_task(later(self, bot_id, updates))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        return len(updates)

    SqliteStore.store_updates = store_updates  # type: ignore[method-assign]
