"""Several bridges on one store."""

from __future__ import annotations

from bridge.model.base import Ms
from bridge.value import value_object


@value_object
class Node:
    """A bridge, as the others see it."""

    id: str
    name: str
    """Host and process, for people."""
    roles: frozenset[str]
    version: str
    rules_version: str
    started_at: Ms
    seen_at: Ms
    leads: frozenset[str]
    """What it does for all of them."""


@value_object
class LeaseStatus:
    """What a bridge may count on, from the moment at which it asked."""

    leads: frozenset[str]
    """Those of the wanted ones that are this bridge's now."""
    expires_in: Ms | None
    """How long they stay so without asking again; None: for ever, since nobody else is there."""
    sends_expire_in: Ms | None
    """For so long nobody else calls this bridge's sends lost."""
    nodes: tuple[Node, ...]
    """All that are alive, this one included, the oldest first."""
    id: str
    """This one's own."""
    now: Ms | None
    """What time it is, by the clock that all of them share; None: by this machine's."""
