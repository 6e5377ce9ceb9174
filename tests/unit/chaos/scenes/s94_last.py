"""Looks at what the others left."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.scenario import Findings, Progress, Scenario


async def run(folder: Path, progress: Progress) -> Findings:
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("left.txt"))
    return Findings(figures={"left": " ".join(left)})


SCENARIO = Scenario(number=89, title="last", run=run, rule="nothing", control=None, last=True)
