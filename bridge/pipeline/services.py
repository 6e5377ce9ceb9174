"""The objects that nearly every part of the service needs."""

from __future__ import annotations

from bridge.pipeline.signals import Signals
from bridge.ports.clock import Clock
from bridge.ports.store import Store
from bridge.value import value_object


@value_object
class Services:
    """The store, the signals and the clock."""

    store: Store
    signals: Signals
    """They wake the loops when there is work for them."""
    clock: Clock
