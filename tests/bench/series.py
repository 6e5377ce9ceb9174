"""The runs of one thing measured, as plain figures: medians and spreads come from here, and the file for machines."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.bench.farside import Latency, Outcome


def figures(outcome: Outcome) -> dict[str, float]:
    """Flat and numeric; latencies in milliseconds, CPU in microseconds a message, memory in bytes."""
    found: dict[str, float] = {"per_second": outcome.per_second, "missing": outcome.missing, "faults": outcome.faults}
    # The far side always does the same for a message, so its cost tells how fast the machine was.
    if outcome.far_cpu_us:
        found["cpu_evened"] = outcome.cpu_us / outcome.far_cpu_us
    for name in outcome.__dataclass_fields__:
        value = getattr(outcome, name)
        if isinstance(value, Latency):
            found |= {f"{name}_p50": value.p50, f"{name}_p99": value.p99, f"{name}_max": value.max}
        else:
            found[name] = value
    return found


@dataclass(slots=True)
class Series:
    key: str
    name: str
    runs: list[Mapping[str, float]] = field(default_factory=list)

    def values(self, figure: str) -> list[float]:
        return [run[figure] for run in self.runs if figure in run]

    def total(self, figure: str) -> float:
        return sum(self.values(figure))

    def shown(self, figure: str, form: str = ",.0f", scale: float = 1) -> str:
        """The median, and under it the smallest and largest if there are several."""
        values = [value * scale for value in self.values(figure)]
        if not values:
            return "–"
        middle = f"{statistics.median(values):{form}}"
        return middle if len(values) == 1 else f"{middle}\n{min(values):{form}}–{max(values):{form}}"
