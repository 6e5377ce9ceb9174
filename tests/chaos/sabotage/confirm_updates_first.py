"""Updates are confirmed to Telegram while they are in memory alone, as the library's own polling and webhook do it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bridge.model.chat import StoredUpdate
from bridge.pipeline.services import Services
from bridge.ports.store import Store
from bridge.telegram.updates.connection import TelegramConnection
from bridge.telegram.updates.intake import UpdatePoller, Webhook

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

    def prepared(self: Any, first: Any, services: Services, connection: TelegramConnection) -> None:
        later: Any = Later(services.store)
        prepare(self, first, replace(services, store=later), connection)

    kind.__init__ = prepared
