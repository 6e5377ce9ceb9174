"""Its control finds nothing either."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.scenario import Findings, Progress, Scenario


async def run(folder: Path, progress: Progress) -> Findings:
    return Findings()


SCENARIO = Scenario(number=91, title="blunt", run=run, rule="a rule nobody misses", control=run)
