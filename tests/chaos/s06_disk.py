"""The disk is full, fails, goes read-only, is locked, or loses its files, while callers keep calling.

As long as it lasts nobody is given an id, the service lives and says that it is not ready; when it is over the service
goes on by itself, with all that was acknowledged before and nothing sent twice. A sync that failed is the bad one:
what was not written then may look written for ever after, so the power is cut behind it.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from tests.chaos.failed_syncs import failed_checkpoints, failed_syncs
from tests.chaos.outages import CALLERS, CALLS, EVERY, MOVED, PAUSE, REALLY_FULL, SYNC_FAILS, outages, refused
from tests.chaos.plant import plant
from tests.chaos.preload import missing
from tests.chaos.scenario import Findings, Progress, Scenario, nothing, scaled
from tests.chaos.tools import each, together, without

LASTS = 3.0
"""Seconds of trouble, at full size."""
RECOVERS_WITHIN = 5.0
"""Seconds, promised."""
TMPFS_MIB = 64


# ---------------------------------------------------------------- a disk that is really full


def cannot_mount(folder: Path) -> str | None:
    """Why no small disk of its own can be had here; None: it can."""
    place = folder / "mount"
    place.mkdir(parents=True)
    with_mount = _mount(place)
    if with_mount is None:
        subprocess.run(["umount", str(place)], check=True, timeout=20)
    place.rmdir()
    return with_mount


def _mount(place: Path) -> str | None:
    if shutil.which("mount") is None:
        return "no `mount` here: a disk that is really full cannot be had"
    command = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_MIB}m,mode=0700", "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    return None if done.returncode == 0 else "tmpfs cannot be mounted (not root?): no disk that is really full"


async def full_disk(
    folder: Path, progress: Progress = nothing, *, rounds: int = 1, lasts: float = 0, within: float | None = None
) -> Findings:
    """The database on a small file system of its own. Where that cannot be had, says so."""
    if lack := cannot_mount(folder):
        return without(lack)
    data = folder / "small" / "service" / "data"
    data.mkdir(parents=True)
    assert _mount(data) is None
    try:
        findings = await outages(
            folder / "small", progress, which=(REALLY_FULL,), rounds=rounds, lasts=lasts, within=within
        )
    finally:
        subprocess.run(["umount", "-l", str(data)], check=True, timeout=20)
    kept = findings.figures.get("worst recovery of intake", "none")
    return Findings(figures={"disk really full: recovery of intake": kept}, violations=findings.violations)


# ---------------------------------------------------------------- the log deleted for good


async def deleted_log(folder: Path, progress: Progress = nothing) -> Findings:
    """The file cannot be put back. The advice is to stop the bridge, which carries over what it holds as it stops."""
    findings = Findings()
    async with plant(folder, callers=CALLERS, pause=PAUSE, recorded=False) as at:
        await at.service.start()
        async with at.callers.calling():
            await at.callers.until_acknowledged(10 * CALLERS)
            at.service.database.with_name(at.service.database.name + "-wal").unlink()
            began, before = time.monotonic(), len(at.callers.answers)
            await at.callers.until(lambda: refused(at.callers.answers[before:], began) >= CALLS)
            if code := await at.service.stop():
                findings.violations.append(f"deleted log: the bridge ended with {code}")
            await at.service.start()
            await at.callers.until_acknowledged(CALLERS)
        findings.violations += [f"deleted log: {broken}" for broken in await at.at_the_end()]
    progress("log deleted for good")
    findings.figures = {"log deleted, then stopped as advised": "nothing lost" if findings.held else "lost"}
    return findings


# ---------------------------------------------------------------- at full size


async def run(folder: Path, progress: Progress) -> Findings:
    if lack := missing():
        return without(lack)
    full = {"rounds": scaled(2), "lasts": LASTS, "within": RECOVERS_WITHIN}
    return together(
        await full_disk(folder / "full", progress, **full),
        await outages(folder / "outages", progress, which=EVERY, **full),
        await failed_syncs(folder / "syncs", progress, rounds=scaled(6, 2)),
        await failed_checkpoints(folder / "checkpoints", progress, rounds=scaled(4, 2)),
        await deleted_log(folder / "deleted", progress),
    )


async def control(folder: Path, progress: Progress) -> Findings:
    return each(
        await outages(folder / "answers", progress, which=(SYNC_FAILS,), sabotage="answers_anyway"),
        await outages(folder / "guard", progress, which=(MOVED,), sabotage="blind_guard"),
        await failed_syncs(folder / "log", progress, rounds=1, sabotage="trusting_log"),
        await failed_checkpoints(folder / "checkpoints", progress, rounds=1, sabotage="silent_checkpoints"),
    )


SCENARIO = Scenario(
    number=6,
    title="disk full, failing, read-only, locked, files gone; power cut after a failed sync",
    run=run,
    rule="no id after an error; the look at the inodes; a log written anew; no checkpoint after one that failed",
    control=None if missing() else control,
)
