"""A framework's listener in the narrow world: idle connections may stay for an hour, and there is no limit on them."""

from __future__ import annotations

from tests.chaos.sabotage import framework_listener, narrow


def apply() -> None:
    narrow.apply()
    framework_listener.apply()
