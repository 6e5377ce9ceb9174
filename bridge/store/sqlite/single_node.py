"""The cluster on SQLite, which is always one node. Its lease never ends, and there is no other node to notify."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bridge.model.cluster import LeaseStatus, Node
from bridge.model.work import Work
from bridge.ports.store import OnWork


class SingleNode:
    """Implements :class:`~bridge.ports.cluster.ClusterStore` without any table."""

    async def report_alive(self, *, name: str, roles: frozenset[str], rules: str, wanted: Sequence[str]) -> LeaseStatus:
        return LeaseStatus(leads=frozenset(wanted), expires_in=None, sends_expire_in=None, nodes=(), id="", now=None)

    async def leave(self) -> None:
        """Does nothing. Closing the store releases the lock of the file."""

    def notify(self, work: Work) -> None:
        """Does nothing, since there is no other node."""

    async def listen(self, on_work: OnWork) -> None:
        await asyncio.get_running_loop().create_future()


class SingleNodeQueries:
    async def nodes(self) -> Sequence[Node]:
        return ()
