"""All of the store's verbs: for whoever builds one."""

from __future__ import annotations

from typing import Protocol

from bridge.ports.chats import ChatStore, PostStore, UpdateStore, WatchStore
from bridge.ports.desk import DeskStore, DraftStore, OrderStore
from bridge.ports.inbox import InboxStore, RouterStore
from bridge.ports.record import FleetStore, QueryStore, RestoreStore
from bridge.ports.sending import AccountStore, ClockStore, DeliveryStore, OutboxStore


class Store(
    InboxStore,
    RouterStore,
    OutboxStore,
    DeliveryStore,
    AccountStore,
    ClockStore,
    ChatStore,
    PostStore,
    WatchStore,
    DeskStore,
    DraftStore,
    OrderStore,
    UpdateStore,
    QueryStore,
    RestoreStore,
    FleetStore,
    Protocol,
):
    """One store; implementations live in ``bridge.store``."""

    async def ping(self) -> None:
        """Prove that a commit would go through: :raises StoreUnavailable: if not."""

    async def close(self) -> None:
        """Finish what is being written, then close. Nothing may be called afterwards."""
