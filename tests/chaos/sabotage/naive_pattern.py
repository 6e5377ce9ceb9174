"""A condition that is a backtracking pattern: for digits it tries every way to cut them in two, at every place.

With the probe of ``lag_probe``.
"""

from __future__ import annotations

import re

from bridge.rules.conditions import AnyOf, Found, View
from tests.chaos.sabotage import lag_probe

NAIVE = re.compile(r"\d+\s?\d+x")


def met(_: AnyOf, view: View, found: Found) -> Found | None:
    return None if NAIVE.search(view.message.text) is None else found


def spoil() -> None:
    AnyOf.met = met  # type: ignore[method-assign]


def apply() -> None:
    lag_probe.apply()
    spoil()
