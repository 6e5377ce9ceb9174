"""A condition that is a backtracking pattern: for digits it tries every way to cut them in two, at every place.

With the probe of ``lag_probe``.
"""

from __future__ import annotations

import re

from bridge.rules.conditions.base import Captures, View
from bridge.rules.conditions.groups import AnyOf
from tests.chaos.sabotage import lag_probe

NAIVE = re.compile(r"\d+\s?\d+x")


def met(_: AnyOf, view: View, captures: Captures) -> Captures | None:
    return None if NAIVE.search(view.message.text) is None else captures


def spoil() -> None:
    AnyOf.met = met  # type: ignore[method-assign]


def apply() -> None:
    lag_probe.apply()
    spoil()
