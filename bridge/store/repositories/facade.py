"""Combines all repositories into one class. Each engine adds its transactions and the cluster."""

from __future__ import annotations

from bridge.store.repositories.accounts import AccountRepository
from bridge.store.repositories.chats import ChatRepository
from bridge.store.repositories.inbox import InboxRepository
from bridge.store.repositories.operators import OperatorRepository
from bridge.store.repositories.outbox import OutboxRepository
from bridge.store.repositories.posts import PostRepository
from bridge.store.repositories.queries import QueryRepository
from bridge.store.repositories.recovery import RecoveryRepository
from bridge.store.repositories.updates import UpdateRepository
from bridge.store.repositories.watches import WatchRepository
from bridge.store.statement import Statement

WRITE_PULSE = Statement("INSERT INTO pulse (id, at) VALUES (1, :now) ON CONFLICT (id) DO UPDATE SET at = excluded.at")


class Repositories(
    InboxRepository,
    OutboxRepository,
    AccountRepository,
    ChatRepository,
    PostRepository,
    OperatorRepository,
    WatchRepository,
    UpdateRepository,
    RecoveryRepository,
    QueryRepository,
):
    """Implements :class:`~bridge.ports.store.Store`, except ``close`` and the cluster."""

    async def ping(self) -> None:
        now = self._clock.now()
        await self._writer.run(lambda tx: tx.run(WRITE_PULSE, {"now": now}))
