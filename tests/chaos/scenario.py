"""The parts of a fault scenario, and its findings."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

Progress = Callable[[str], None]
"""Called with a short line now and then: how far it is."""


@dataclass(kw_only=True, slots=True)
class Findings:
    """The figures of one run of a scenario, and every promise that it saw broken."""

    figures: dict[str, str] = field(default_factory=dict)
    """The figures in the table: name → figure with its unit."""
    violations: list[str] = field(default_factory=list)
    """Each names what was broken and where to look; empty where everything held."""

    @property
    def held(self) -> bool:
        return not self.violations


Run = Callable[[Path, Progress], Awaitable[Findings]]
"""Gets an empty folder for its files, which it may fill; they are searched for secrets afterwards."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    number: int
    title: str
    run: Run
    """At full size."""
    rule: str
    """The rule that the control takes out, in a few words."""
    control: Run | None
    """The same with the rule taken out, as small as shows it: must come back with violations. None: ``rule`` says why
    there is nothing to take out."""
    alone: bool = False
    """Its figures are times: nothing else may run beside it."""
    last: bool = False
    """Runs after all others, and gets the folder that holds theirs (its control gets one of its own)."""


def nothing(_: str) -> None:
    """For callers that want no progress."""


SCALE = "CHAOS_SCALE"
"""Environment variable by which ``--scale`` reaches the scenarios."""


def scaled(full: int, least: int = 1) -> int:
    """A full size, or the part of it that ``--scale`` asks for: for ``run``, which must shrink for a try."""
    return max(least, round(full * float(os.environ.get(SCALE, "1"))))
