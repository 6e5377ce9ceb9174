"""Nodes: several running services on one store."""

from __future__ import annotations

from bridge.model.base import Ms
from bridge.value import value_object


@value_object
class Node:
    id: str
    name: str
    """Host and process, shown to people."""
    roles: frozenset[str]
    version: str
    rules_version: str
    started_at: Ms
    seen_at: Ms
    leads: frozenset[str]
    """Singleton roles: what it does for all nodes."""


@value_object
class LeaseStatus:
    """What a node may count on, from the moment at which it asked."""

    leads: frozenset[str]
    """Singleton roles that this node has now."""
    expires_in: Ms | None
    """How long it has them without asking again. None: without end, since the store belongs to this node alone."""
    sends_expire_in: Ms | None
    """For this long no other node calls its sends lost. None: without end."""
    nodes: tuple[Node, ...]
    """All nodes that are alive, this one included, the oldest first."""
    id: str
    """This node's own id."""
    now: Ms | None
    """The time by the clock that the nodes share. None: they use their machines' clocks."""
