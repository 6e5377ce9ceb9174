"""The power goes while callbacks come in and replies go out: what was acknowledged is there when it is back.

kill -9 alone cannot tell: the page cache outlives a process. So what the service writes and syncs is recorded, and
after each kill its files are put into one of the states that a power cut at that moment could have left.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.plant import CALLERS, Plant, plant
from tests.chaos.powercut import KEEP, Cut
from tests.chaos.preload import Act, Kind, missing
from tests.chaos.scenario import Findings, Progress, Scenario, nothing, scaled
from tests.chaos.tools import each, together, without

CUTS = 60
NEW_DATABASES = 8
MOST_MESSAGES = 120
"""Acknowledged between a start and its cut, at most, where the cut waits for nothing else."""
BEFORE_A_CHECKPOINT = 8
"""So few acknowledged that no checkpoint has synced anything yet."""
LONGEST_PAUSE = 0.02
"""Seconds from the last of them to the cut, at most."""
WRITES, SYNCS, PAGES = 1_500, 60, 300
"""A cut before one of the next so many writes of the log, its syncs, or pages written back by a checkpoint."""

MOMENT, COMMIT, CHECKPOINT = "moment", "commit", "checkpoint"


# ---------------------------------------------------------------- one database, many cuts


async def power_cuts(
    folder: Path,
    progress: Progress = nothing,
    *,
    plan: Sequence[str],
    most: int = MOST_MESSAGES,
    seed: int = 2,
    sabotage: str | None = None,
) -> Findings:
    """``plan``: what each cut falls into, one database through all of them. ``most``: acknowledged before a cut."""
    chance = random.Random(seed)
    findings = Findings()
    cuts: list[Cut] = []
    async with plant(folder, sabotage=sabotage) as at:
        try:
            await _one_after_another(at, plan, most, chance, cuts, findings, progress)
        except* AssertionError as group:  # the service does not start any more, or its work does not end
            findings.violations += [f"after cut {len(cuts)}: {str(error)[:500]}" for error in group.exceptions]
        else:
            findings.violations += await at.at_the_end()
            findings.figures["of unknown outcome, put to people"] = str(at.uncertain())
    findings.figures |= {
        "cuts": f"{len(cuts)}",
        "in a commit": f"{sum(cut.log_pages > 0 for cut in cuts)}",
        "in a checkpoint": f"{sum(cut.database_pages > 0 for cut in cuts)}",
        "acknowledged": f"{len(at.callers.acknowledged)}",
        "sent": f"{len(at.platform.book)}",
    }
    return findings


async def _one_after_another(
    at: Plant,
    plan: Sequence[str],
    most: int,
    chance: random.Random,
    cuts: list[Cut],
    findings: Findings,
    progress: Progress,
) -> None:
    keep = itertools.cycle(KEEP)
    async with at.callers.calling():
        for number, kind in enumerate(plan, 1):
            await at.service.start()
            if number > 1:
                findings.violations += [f"after cut {number - 1}: {broken}" for broken in at.broken()]
            await _load_until_dead(at, kind, most, chance)
            cuts.append(at.cut(chance, next(keep)))
            progress(f"{number} of {len(plan)} cuts, {len(at.callers.acknowledged)} acknowledged")
        await at.service.start()
        findings.violations += [f"after cut {len(plan)}: {broken}" for broken in at.broken()]
        await at.callers.until_acknowledged(CALLERS)


async def _load_until_dead(at: Plant, kind: str, most: int, chance: random.Random) -> None:
    if kind == CHECKPOINT:
        at.disk.die_at(Kind.DATABASE, Act.WRITE, chance.randint(1, PAGES))
    elif kind == COMMIT and chance.random() < 0.5:
        at.disk.die_at(Kind.LOG, Act.WRITE, chance.randint(1, WRITES))
    elif kind == COMMIT:
        at.disk.die_at(Kind.LOG, Act.SYNC, chance.randint(1, SYNCS))
    else:
        await at.callers.until_acknowledged(chance.randint(1, most))
        await asyncio.sleep(chance.random() * LONGEST_PAUSE)  # not a wait for anything: the moment is to be any
        await at.service.kill()
        return
    await at.service.until_dead()


# ---------------------------------------------------------------- the first message of a new database


async def first_messages(
    folder: Path, progress: Progress = nothing, *, rounds: int, seed: int = 2, sabotage: str | None = None
) -> Findings:
    """A bridge that was never started before, one message, the cut: is the file still there, and in its directory?"""
    chance = random.Random(seed)
    keep = itertools.cycle((0.0, *KEEP))
    findings = Findings(figures={"first messages of a new database": str(rounds)})
    for number in range(rounds):
        async with plant(folder / str(number), sabotage=sabotage, callers=1) as at:
            await at.service.start()
            async with at.callers.calling():
                await at.callers.until_acknowledged(1)
                await at.service.kill()
            at.cut(chance, next(keep))
            await at.service.start()
            findings.violations += [f"new database {number}: {broken}" for broken in at.broken()]
        progress(f"{number + 1} of {rounds} new databases")
    return findings


# ---------------------------------------------------------------- at full size


def plan_of(cuts: int) -> list[str]:
    """A third of the cuts each."""
    return [kind for _, kind in zip(range(cuts), itertools.cycle((MOMENT, COMMIT, CHECKPOINT)), strict=False)]


async def run(folder: Path, progress: Progress) -> Findings:
    if lack := missing():
        return without(lack)
    findings = await power_cuts(folder / "cuts", progress, plan=plan_of(scaled(CUTS, 3)))
    if not _cuts_into_checkpoints(findings):
        findings.violations.append("no cut fell into a checkpoint: nothing is proven of them")
    return together(findings, await first_messages(folder / "new", progress, rounds=scaled(NEW_DATABASES)))


def _cuts_into_checkpoints(findings: Findings) -> int:
    return int(findings.figures["in a checkpoint"])


async def control(folder: Path, progress: Progress) -> Findings:
    return each(
        await power_cuts(
            folder / "cuts", progress, plan=(MOMENT, MOMENT), most=BEFORE_A_CHECKPOINT, sabotage="normal_sync"
        ),
        await first_messages(folder / "new", progress, rounds=1, sabotage="no_directory_sync"),
    )


SCENARIO = Scenario(
    number=2,
    title="power cut: of the files only what was synced is left for sure",
    run=run,
    rule="synchronous = FULL; a sync of the directories made for the database",
    control=None if missing() else control,
)
