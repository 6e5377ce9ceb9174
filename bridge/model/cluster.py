"""Nodes: several running services on one store."""

from __future__ import annotations

from bridge.model.base import Ms
from bridge.value import value_object


@value_object
class Node:
    """A running service that shares its store with others."""

    id: str
    name: str
    """Host and process, shown to people."""
    roles: frozenset[str]
    version: str
    rules_version: str
    started_at: Ms
    seen_at: Ms
    leads: frozenset[str]
    """The singleton roles that this node has: work that it does for all nodes."""


@value_object
class LeaseStatus:
    """A lease: the rights of a node and how long they last. The durations count from the time of its request."""

    leads: frozenset[str]
    """Singleton roles that this node has now."""
    expires_in: Ms | None
    """How long it keeps these roles without asking again. None: without end, because the store is this node's alone."""
    sends_expire_in: Ms | None
    """How long no other node will call the sends of this node lost. None: without end."""
    nodes: tuple[Node, ...]
    """All nodes that are alive, this one included, the oldest first."""
    id: str
    """This node's own id."""
    now: Ms | None
    """The time of the clock that the nodes share. None: each node uses the clock of its machine."""
