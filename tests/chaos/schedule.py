"""Runs scenarios in processes of their own: side by side where they bear it, alone where they measure time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tests.chaos.scenario import Scenario

LIMIT_S = 20 * 60
"""For one run of one scenario."""
GRACE_S = 15
"""To end its own processes, once a run was asked to stop."""
LOOK_AGAIN_S = 0.02
SAID_EVERY_S = 20
"""Between two progress lines of one scenario where no terminal is there to redraw them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    module: str
    scenario: Scenario


@dataclass(kw_only=True, slots=True)
class Outcome:
    """The report of one process."""

    figures: dict[str, str] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    broke: str = "it said nothing"
    """Why there are no findings; empty where there are."""


@dataclass(kw_only=True, slots=True)
class ScenarioResult:
    scenario: Scenario
    run: Outcome
    control: Outcome | None
    """None where the scenario has none."""
    seconds: float


class Schedule:
    """``root`` gets a folder for each run, and what it wrote to stderr beside it."""

    def __init__(self, root: Path, jobs: int, console: Console) -> None:
        self._root = root
        self._places = asyncio.Semaphore(jobs)
        self._console = console
        self._screen = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[line]}", style="dim"),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )

    async def run(self, entries: Sequence[Entry]) -> list[ScenarioResult]:
        """Side by side first, then those that must be alone, then the last ones. In the order of their numbers."""
        beside = [e for e in entries if not e.scenario.alone and not e.scenario.last]
        alone = [e for e in entries if e.scenario.alone and not e.scenario.last]
        last = [e for e in entries if e.scenario.last]
        with self._screen:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._both(entry)) for entry in beside]
            results = [task.result() for task in tasks]
            for entry in (*alone, *last):
                results.append(await self._both(entry))
        return sorted(results, key=lambda result: result.scenario.number)

    async def _both(self, entry: Entry) -> ScenarioResult:
        scenario = entry.scenario
        place = self._root / f"{scenario.number:02d}"
        async with self._places:
            started = asyncio.get_running_loop().time()
            run = await self._one(entry, "run", place / "run")
            control = None if scenario.control is None else await self._one(entry, "control", place / "control")
            seconds = asyncio.get_running_loop().time() - started
        return ScenarioResult(scenario=scenario, run=run, control=control, seconds=seconds)

    async def _one(self, entry: Entry, which: str, place: Path) -> Outcome:
        place.mkdir(parents=True)
        title = f"{entry.scenario.number:2d} {entry.scenario.title}" + (": control" if which == "control" else "")
        folder = self._root if entry.scenario.last and which == "run" else place
        outcome = Outcome()
        shown = self._screen.add_task(escape(title), total=None, line="")
        started = asyncio.get_running_loop().time()
        self._console.print(f"[dim]{escape(title)}: begins[/]")
        try:
            async with (
                asyncio.timeout(LIMIT_S),
                process(entry.module, which, folder, place.with_suffix(".txt")) as child,
            ):
                await self._listen(child, outcome, title, shown)
        except TimeoutError:
            outcome.broke = f"not within {LIMIT_S} s"
        finally:
            self._screen.remove_task(shown)
        seconds = asyncio.get_running_loop().time() - started
        self._console.print(line(title, outcome, which, seconds), highlight=False)
        return outcome

    async def _listen(self, child: asyncio.subprocess.Process, outcome: Outcome, title: str, shown: int) -> None:
        assert child.stdout is not None
        said_at = asyncio.get_running_loop().time()
        while raw := await child.stdout.readline():
            if not raw.startswith(b"{"):
                continue  # something that a library printed
            message = json.loads(raw)
            if "progress" in message:
                self._screen.update(shown, line=escape(message["progress"]))  # type: ignore[arg-type]
                now = asyncio.get_running_loop().time()
                if not self._console.is_terminal and now - said_at >= SAID_EVERY_S:
                    said_at = now
                    self._console.print(f"[dim]{escape(title)}: {escape(message['progress'])}[/]", highlight=False)
            elif "found" in message:
                outcome.figures, outcome.violations = message["found"]["figures"], message["found"]["violations"]
                outcome.broke = ""
                return
            elif "broke" in message:
                outcome.broke = message["broke"]
                return


def line(title: str, outcome: Outcome, which: str, seconds: float) -> str:
    """The line that is printed as soon as a run is over."""
    if outcome.broke:
        word = f"[red]did not finish[/]: {escape(outcome.broke)}"
    elif which == "control":
        found = len(outcome.violations)
        word = f"[green]fails, as it must[/] ({found})" if found else "[red]finds nothing[/]"
    else:
        word = f"[red]{len(outcome.violations)} broken[/]" if outcome.violations else "[green]held[/]"
    return f"{escape(title)}: {word}, {seconds:.0f} s"


@asynccontextmanager
async def process(module: str, which: str, folder: Path, stderr: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A scenario's process, in a group of its own with all that it starts; ended with the block in any case."""
    with stderr.open("wb") as said:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.chaos.child", module, which, str(folder)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=said,
            start_new_session=True,
            limit=1 << 22,
        )
    try:
        yield child
    except BaseException:
        with suppress(ProcessLookupError):
            child.terminate()
        raise
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                # Not wait(): that waits for the pipes too, and what the scenario left behind may hold them open.
                while child.returncode is None:
                    await asyncio.sleep(LOOK_AGAIN_S)
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()
