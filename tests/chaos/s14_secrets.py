"""Searches everything that was written: no password, no token, no secret address, no text and no whole number in a log.

First a service of our own, whose every secret is a planted word, is made to complain in every way it has. Then the logs
of all other runs of the suite are searched for what their configurations and databases hold. ``history`` and ``queue
show`` are commands for people and may show texts and numbers, ``queue list``, ``send`` and the admin socket numbers,
``queue list`` also who of the team wrote; all of them must keep the secrets. Controls of other scenarios are left out:
they are not the program.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path

from tests.chaos import canaries, invariants
from tests.chaos.planted_words import NAMES, NUMBER, NUMBERS, REFUSALS, SECRETS, TEXT, TEXTS
from tests.chaos.provocations import provoked
from tests.chaos.scenario import Findings, Progress, Scenario, nothing
from tests.chaos.tools import together

FOR_PEOPLE = ("command-history", "command-queue-show")
WITH_NAMES = (*FOR_PEOPLE, "command-queue-list")
WITH_NUMBERS = (*FOR_PEOPLE, "command-queue", "command-send", "admin")
COMMANDS = (
    ("status",),
    ("status", "--json"),
    ("check",),
    ("balance",),
    ("balance", "main", "--json"),
    ("queue", "list"),
    ("queue", "list", "--json"),
    ("queue", "show", "1"),
    ("queue", "show", "1", "--json"),
    ("queue", "retry", "1"),
    ("queue", "abandon", "99999"),
    ("history", NUMBER.format(1)),
    ("history", NUMBER.format(1), "--json"),
    ("send", NUMBER.format(3), TEXT),
    ("send", "nobody", TEXT),
)
AT_ONCE = 4


async def everything(folder: Path, progress: Progress = nothing, *, whole: bool = True) -> None:
    """The service with every complaint that others can bring about; ``whole``: those as well that take long."""
    faults = REFUSALS if whole else REFUSALS[::9]
    async with provoked(folder) as (service, provocateur, outputs):
        await provocateur.good_and_bad_calls()
        await provocateur.noise(500 if whole else 40)
        await provocateur.exchange()
        if whole:
            progress("Telegram answers badly")
            await provocateur.bad_statuses()
            await provocateur.bad_telegram()
            await provocateur.store_that_cannot_write()
        progress("the platform answers badly")
        await provocateur.bad_answers(faults)
        await provocateur.echoes()
        progress("commands")
        await outputs.probes()
        await outputs.admin()
        chosen = COMMANDS if whole else COMMANDS[::12]
        for first in range(0, len(chosen), AT_ONCE):
            await outputs.commands(*chosen[first : first + AT_ONCE])
        await service.kill()
        await service.start()
        await service.stop()
        if whole:
            await outputs.commands(("status",), ("balance",), ("send", NUMBER.format(4), TEXT))


async def clumsy(folder: Path) -> None:
    """Faults of our own, each with an exception that quotes what it was at."""
    async with provoked(folder, sabotage="clumsy") as (service, provocateur, outputs):
        await provocateur.stumbles()
        await outputs.admin()
        await service.stop()


async def does_not_start(folder: Path) -> None:
    """An error that ends the process at its start."""
    async with provoked(folder, sabotage="clumsy", starts=False) as (service, _, _):
        try:
            await service.start()
        except AssertionError:
            return
        raise AssertionError("it started")


async def a_little(folder: Path, *, sabotage: str = "narrow", log_format: str = "json") -> None:
    """Calls and talk alone."""
    async with provoked(folder, sabotage=sabotage, log_format=log_format) as (service, provocateur, _):
        await provocateur.good_and_bad_calls()
        await provocateur.exchange()
        await service.stop()


# ---------------------------------------------------------------- the search


def searched(folder: Path) -> Findings:
    """One run of a service with planted words."""
    numbers = {NUMBER.format(each) for each in range(NUMBERS)}
    found = canaries.planted(folder, SECRETS, canaries.LOGS)
    for log in sorted(path for pattern in canaries.LOGS for path in folder.rglob(pattern)):
        if not log.stem.startswith(FOR_PEOPLE):
            found += canaries.planted(log.parent, TEXTS, (log.name,))
        if not log.stem.startswith(WITH_NAMES):
            found += canaries.planted(log.parent, NAMES, (log.name,))
        if not log.stem.startswith(WITH_NUMBERS):
            shown = canaries.whole_numbers(log.read_text(encoding="utf-8", errors="replace"), numbers)
            found += invariants.said(f"whole number in {log.name}", [one[:4] + "…" for one in shown])
    return Findings(violations=[f"{folder.name}: {sentence}" for sentence in found])


def size(folder: Path) -> int:
    return sum(path.stat().st_size for pattern in canaries.LOGS for path in folder.rglob(pattern))


def others(root: Path, own: Collection[Path]) -> Findings:
    """The logs of all other runs."""
    places = [place for place in sorted(root.glob("*/run")) if place not in own]
    found, words = [], 0
    for place in places:
        leaks, looked_for = canaries.leaks(place)
        words += looked_for
        found += [f"{place.parent.name}: {sentence}" for sentence in leaks]
    return Findings(
        figures={"other runs:": f"{len(places)}, searched for {words} texts, numbers and secrets of theirs"},
        violations=found,
    )


async def run(folder: Path, progress: Progress) -> Findings:
    own = folder / f"{SCENARIO.number}" / "run"
    own.mkdir(parents=True, exist_ok=True)
    await asyncio.gather(everything(own / "everything", progress), clumsy(own / "clumsy"))
    await asyncio.gather(does_not_start(own / "no start"), a_little(own / "console", log_format="console"))
    progress("searching")
    parts = [await asyncio.to_thread(searched, place) for place in sorted(own.iterdir())]
    words = len(SECRETS) + len(TEXTS) + len(NAMES)
    planted = f"{words} words and {NUMBERS} numbers, searched for in {size(own) / 1e6:.1f} MB"
    return together(Findings(figures={"planted:": planted}), *parts, await asyncio.to_thread(others, folder, [own]))


async def control(folder: Path, progress: Progress) -> Findings:
    progress("nothing is redacted")
    await a_little(folder / "unredacted", sabotage="unredacted")
    return await asyncio.to_thread(searched, folder / "unredacted")


SCENARIO = Scenario(
    number=14,
    title="secrets, texts and numbers in what is written",
    run=run,
    rule="every line is redacted at the only way out",
    control=control,
    last=True,
)
