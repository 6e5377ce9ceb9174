"""A condition that is a backtracking pattern: for digits it tries every way to cut them in two, at every place.

With the probe of ``lag_probe``.
"""

from __future__ import annotations

import re

from bridge.rules.conditions import Contains, View
from tests.chaos.sabotage import lag_probe

NAIVE = re.compile(r"\d+\s?\d+x")


def holds(_: Contains, view: View) -> bool:
    return NAIVE.search(view.message.text) is not None


def spoil() -> None:
    Contains.holds = holds  # type: ignore[method-assign]


def apply() -> None:
    lag_probe.apply()
    spoil()
