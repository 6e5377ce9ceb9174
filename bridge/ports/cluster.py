"""The part of the store that several nodes on one store coordinate by."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Protocol

from bridge.model.cluster import LeaseStatus
from bridge.model.work import Work


class ClusterStore(Protocol):
    """Who is alive, and who is the leader of each role that only one node may have."""

    async def report_alive(self, *, name: str, roles: frozenset[str], rules: str, wanted: Sequence[str]) -> LeaseStatus:
        """Report this node as alive, and ask to lead the roles in ``wanted``. A role that it led and no longer names is
        free for others."""

    async def leave(self) -> None:
        """Report that this node stops: everything it held is free at once."""

    def notify(self, work: Work) -> None:
        """Tell the other nodes of work that no transaction made. The notification may be lost: every loop also looks by
        itself now and then."""

    async def listen(self, on_work: Callable[[Set[Work]], None]) -> None:
        """Call ``on_work`` with the work that other nodes tell of, until cancelled. Survives the server's absence."""
