"""The part of the store by which the nodes that share it coordinate."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Protocol

from bridge.model.cluster import LeaseStatus
from bridge.model.work import Work


class ClusterStore(Protocol):
    """Knows the nodes that are alive, and the leader of each role that only one node may have."""

    async def report_alive(self, *, name: str, roles: frozenset[str], rules: str, wanted: Sequence[str]) -> LeaseStatus:
        """Report this node as alive, and ask to lead the roles in ``wanted``.

        A role that it led and does not name any more becomes free for other nodes.
        """

    async def leave(self) -> None:
        """Report that this node stops. Everything it held becomes free at once."""

    def notify(self, work: Work) -> None:
        """Tell the other nodes of work that no transaction made.

        A notification can get lost. Every loop also looks for work by itself now and then.
        """

    async def listen(self, on_work: Callable[[Set[Work]], None]) -> None:
        """Call ``on_work`` with the work that other nodes tell of, until cancelled.

        It goes on after an absence of the server.
        """
