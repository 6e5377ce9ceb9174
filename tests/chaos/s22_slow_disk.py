"""A disk whose every sync takes 30 ms: acknowledgements share it, and the event loop does not wait for it.

One commit runs at a time, and all callbacks that come meanwhile go into the next. The loop has a probe; what it comes
late by is compared with the length of a sync.
"""

from __future__ import annotations

import time
from pathlib import Path

from tests.chaos.plant import plant
from tests.chaos.preload import Act, Kind
from tests.chaos.scenario import Findings, Progress, Scenario, nothing, scaled

SYNC_MS = 30
CALLERS = 32
CALLS = 4_000
SHARED = CALLERS / 4
"""At least so many acknowledgements share a sync: a quarter of those that wait."""
LATE_S = SYNC_MS / 1000 / 2
"""The loop came so late: it waited for a sync."""
OFTEN = 0.05
"""More than this share of the syncs."""


async def slow_disk(
    folder: Path, progress: Progress = nothing, *, calls: int, quiet: bool = False, sabotage: str = "lag_probe"
) -> Findings:
    """``quiet``: nothing else runs on the machine, so that a loop that comes late waited for the disk."""
    lags = folder / "lags"
    lags.touch()
    findings = Findings()
    async with plant(
        folder / "plant", sabotage=sabotage, callers=CALLERS, recorded=False, environment={"CHAOS_LAGS": str(lags)}
    ) as at:
        await at.service.start()
        async with at.callers.calling():
            await at.callers.until_acknowledged(CALLERS)
            at.disk.slow(Act.SYNC, SYNC_MS, Kind.LOG)
            before, began = len(at.callers.acknowledged), time.monotonic()
            await at.callers.until_acknowledged(calls)
            took, done = time.monotonic() - began, len(at.callers.acknowledged) - before
            progress(f"{done:,} acknowledged in {took:.1f} s")
        at.disk.behave()
        findings.violations += await at.at_the_end()
        late = [float(line.split()[1]) for line in lags.read_text().splitlines() if float(line.split()[0]) > began]
    syncs = took * 1000 / SYNC_MS
    if done / syncs < SHARED:
        findings.violations.append(f"{done / syncs:.1f} acknowledgements a sync: they do not share them")
    if quiet and (waited := sum(each > LATE_S for each in late)) > OFTEN * syncs:
        findings.violations.append(f"the loop came late by more than {LATE_S * 1000:.0f} ms {waited} times")
    findings.figures |= {
        "syncs of 30 ms": f"{syncs:.0f} at most",
        "acknowledgements": f"{done:,}, {done / syncs:.1f} a sync, {done / took:.0f} a second",
        "the loop": f"late by more than 5 ms {len(late)} times, by {max(late, default=0) * 1000:.0f} ms at most",
    }
    return findings


async def run(folder: Path, progress: Progress) -> Findings:
    return await slow_disk(folder, progress, calls=scaled(CALLS, 400), quiet=True)


async def control(folder: Path, progress: Progress) -> Findings:
    return await slow_disk(folder, progress, calls=300, sabotage="one_by_one")


SCENARIO = Scenario(
    number=22,
    title="a disk that needs 30 ms for a sync",
    run=run,
    rule="callbacks that come during a commit share the next one",
    control=control,
)
