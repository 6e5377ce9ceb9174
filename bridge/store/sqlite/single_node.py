"""A fleet of one: SQLite's file belongs to one bridge, so everything is its own, and for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from bridge.model.cluster import LeaseStatus, Node


class SingleNode:
    """:class:`~bridge.ports.cluster.ClusterStore` without a table."""

    async def report_alive(self, *, name: str, roles: frozenset[str], rules: str, wanted: Sequence[str]) -> LeaseStatus:
        return LeaseStatus(leads=frozenset(wanted), expires_in=None, sends_expire_in=None, nodes=(), id="", now=None)

    async def leave(self) -> None:
        """Whoever holds the file's lock is the one."""

    async def ring(self, words: Sequence[str]) -> None:
        """Nobody is there to hear it."""

    async def hear(self, heard: Callable[[str], None]) -> None:
        await asyncio.get_running_loop().create_future()


class SingleNodeQueries:
    async def nodes(self) -> Sequence[Node]:
        return ()
