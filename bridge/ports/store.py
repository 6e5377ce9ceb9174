"""The whole store: one protocol for each repository."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Protocol

from bridge.model.work import Work
from bridge.ports.accounts import AccountStore
from bridge.ports.chats import ChatStore
from bridge.ports.cluster import ClusterStore
from bridge.ports.inbox import InboxStore
from bridge.ports.operators import OperatorStore
from bridge.ports.outbox import OutboxStore
from bridge.ports.posts import PostStore
from bridge.ports.queries import QueryStore
from bridge.ports.recovery import RecoveryStore
from bridge.ports.updates import UpdateStore
from bridge.ports.watches import WatchStore

OnWork = Callable[[Set[Work]], None]
"""A function that is called after each commit with the kinds of work that it made. It must not raise or wait."""


class Store(
    InboxStore,
    OutboxStore,
    AccountStore,
    PostStore,
    ChatStore,
    OperatorStore,
    WatchStore,
    UpdateStore,
    QueryStore,
    RecoveryStore,
    ClusterStore,
    Protocol,
):
    """One store; implementations live in ``bridge.store``."""

    async def ping(self) -> None:
        """Prove that a commit succeeds. :raises StoreUnavailable: it does not."""

    async def close(self) -> None:
        """Finish what is being written, then close. No method may be called afterwards."""
