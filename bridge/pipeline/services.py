"""What nearly every part of the service needs, in one object."""

from __future__ import annotations

from bridge.pipeline.signals import Signals
from bridge.ports.clock import Clock
from bridge.ports.store import Store
from bridge.value import value_object


@value_object
class Services:
    store: Store
    signals: Signals
    """Wake the loops when there is work for them."""
    clock: Clock
