"""Updates are confirmed to Telegram while they are in memory alone, as the library's own polling and webhook do it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from bridge.model.chat import StoredUpdate
from bridge.ports.store import Store
from bridge.telegram.updates.polling import UpdatePoller
from bridge.telegram.updates.webhook import Webhook

IN_MEMORY_S = 0.3


class Later:
    """The store, but updates get there a moment after the word that they did."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._under_way: set[asyncio.Task[None]] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def store_updates(self, bot_id: int, updates: Sequence[StoredUpdate]) -> int:
        task = asyncio.create_task(self._later(bot_id, updates))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return len(updates)

    async def _later(self, bot_id: int, updates: Sequence[StoredUpdate]) -> None:
        await asyncio.sleep(IN_MEMORY_S)
        await self._store.store_updates(bot_id, updates)


def apply() -> None:
    delay(UpdatePoller)
    delay(Webhook)


def delay(kind: type[Any]) -> None:
    prepare = kind.__init__

    def prepared(self: Any, *, store: Store, **others: Any) -> None:
        prepare(self, store=Later(store), **others)

    kind.__init__ = prepared
