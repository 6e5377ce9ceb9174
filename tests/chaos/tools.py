"""Findings put together, and what is said where the system lacks something that a scenario needs."""

from __future__ import annotations

from tests.chaos.scenario import Findings
from tests.needs import in_ci


def without(lack: str) -> Findings:
    """Skipped, and a person is told so; in CI that is a failure."""
    return Findings(figures={"skipped": lack}, violations=[lack] if in_ci() else [])


def together(*parts: Findings) -> Findings:
    """One table row of several runs."""
    whole = Findings()
    for part in parts:
        whole.figures |= part.figures
        whole.violations += part.violations
    return whole


def each(*controls: Findings) -> Findings:
    """Joins several controls: their violations if each found something, else none."""
    whole = together(*controls)
    if blind := [str(number) for number, control in enumerate(controls, 1) if not control.violations]:
        return Findings(figures={**whole.figures, "controls that found nothing": ", ".join(blind)})
    return whole
