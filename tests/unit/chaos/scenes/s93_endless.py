"""Starts a process and never ends by itself; cleans up when it is asked to."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.chaos.scenario import Findings, Progress, Scenario

SLEEPS = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


async def run(folder: Path, progress: Progress) -> Findings:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SLEEPS)
    (folder / "pid").write_text(str(process.pid))
    try:
        await process.wait()
    finally:
        (folder / "asked").touch()
    return Findings()


SCENARIO = Scenario(number=93, title="endless", run=run, rule="no rule to take out", control=None)
