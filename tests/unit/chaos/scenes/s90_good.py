"""Holds, and its control shows why."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.scenario import Findings, Progress, Scenario, scaled


async def run(folder: Path, progress: Progress) -> Findings:
    assert list(folder.iterdir()) == []
    (folder / "left.txt").write_text("run")
    progress("half of it")
    return Findings(figures={"kills": str(scaled(100))})


async def control(folder: Path, progress: Progress) -> Findings:
    return Findings(violations=["an SMS went out twice"])


SCENARIO = Scenario(number=90, title="good", run=run, rule="the rule", control=control)
