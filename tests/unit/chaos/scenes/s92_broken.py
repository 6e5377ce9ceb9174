"""Ends in an error, and so does its control."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.scenario import Findings, Progress, Scenario


async def run(folder: Path, progress: Progress) -> Findings:
    raise ValueError("no findings")


SCENARIO = Scenario(number=92, title="broken", run=run, rule="any", control=run, alone=True)
