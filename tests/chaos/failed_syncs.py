"""A sync fails, the service goes on, then the power goes: is anything acknowledged that only the cache held?"""

from __future__ import annotations

import errno
import random
import sqlite3
import time
from pathlib import Path

from bridge.store.sqlite.checkpoint import PAGES
from tests.chaos.outages import CALLS, PAGE, refused
from tests.chaos.plant import CALLERS, Plant, plant
from tests.chaos.preload import Act, Kind
from tests.chaos.scenario import Findings, Progress, nothing


async def failed_syncs(
    folder: Path, progress: Progress = nothing, *, rounds: int, seed: int = 6, sabotage: str | None = None
) -> Findings:
    """The log cannot be synced for a moment; then the service goes on, or is killed and started; then the power goes.

    What the kernel counts as written since the failure is taken as lost by the cut.
    """
    chance = random.Random(seed)
    findings = Findings()
    lost = 0
    for number in range(rounds):
        async with plant(folder / str(number), sabotage=sabotage) as at:
            await at.service.start()
            async with at.callers.calling():
                await at.callers.until_acknowledged(CALLERS)
                at.disk.fail(Act.SYNC, errno.EIO, Kind.LOG)
                began, before = time.monotonic(), len(at.callers.answers)
                await at.callers.until(lambda at=at, n=before, t=began: refused(at.callers.answers[n:], t) >= CALLS)
                if number % 2:
                    at.disk.behave()
                else:
                    # Right before anything takes the place of what could not be synced.
                    at.disk.die_at(Kind.LOG, Act.WRITE, 1)
                    await at.service.until_dead()
                    at.after_the_end()
                    lost += at.power.lost_pages
                    await at.service.start()
                # Before the first checkpoint, which would write the pages of the log into the database.
                await at.callers.until_acknowledged(CALLERS)
                await at.service.kill()
            at.cut(chance, keep=0.0)
            findings.violations += [f"sync failed, round {number}: {broken}" for broken in await _started_again(at)]
        progress(f"{number + 1} of {rounds} failed syncs of the log")
    findings.figures = {"failed syncs of the log, then a cut": str(rounds), "pages only in the cache": str(lost)}
    return findings


async def failed_checkpoints(
    folder: Path, progress: Progress = nothing, *, rounds: int, seed: int = 6, sabotage: str | None = None
) -> Findings:
    """A reader splits a checkpoint in two, the sync after the second half fails, the log begins anew; then the cut."""
    chance = random.Random(seed)
    findings = Findings()
    for number in range(rounds):
        async with plant(folder / str(number), sabotage=sabotage) as at:
            await at.service.start()
            async with at.callers.calling():
                await _fail_a_checkpoint(at)
                if number % 2:
                    await at.service.stop()
                    at.after_the_end()
                    await at.service.start()
                await at.callers.until_acknowledged(20 * CALLERS)
                await at.service.kill()
            at.cut(chance, keep=0.0)
            findings.violations += [f"checkpoint, round {number}: {broken}" for broken in await _started_again(at)]
        progress(f"{number + 1} of {rounds} failed checkpoints")
    findings.figures = {"failed checkpoints, then a cut": str(rounds)}
    return findings


async def _fail_a_checkpoint(at: Plant) -> None:
    database = at.service.database
    log = database.with_name(database.name + "-wal")
    await at.callers.until_acknowledged(10 * CALLERS)
    reader = sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)
    try:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM inbound").fetchone()
        await at.callers.until(lambda: log.stat().st_size > PAGES * PAGE and database.stat().st_size > PAGE)
        at.disk.fail(Act.SYNC, errno.EIO, Kind.DATABASE)
    finally:
        reader.close()
    size = database.stat().st_size
    await at.callers.until(lambda: database.stat().st_size > size)
    # Long enough that a log which may begin anew has done so.
    await at.callers.until_acknowledged(CALLERS)
    at.disk.behave()
    await at.callers.until_acknowledged(40 * CALLERS)


async def _started_again(at: Plant) -> list[str]:
    try:
        await at.service.start()
    except AssertionError as error:
        return [f"does not start: {str(error)[-200:]}"]
    return at.broken()
