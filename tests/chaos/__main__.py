"""``python -m tests.chaos``: all scenarios, each followed by its control; a line for each, a table, an exit code.

A control takes out the rule that a scenario is about and must come back with violations: one that finds nothing proves
that the scenario looks past its rule, and fails the suite like a broken promise does.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import pkgutil
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import tests.chaos
from tests.chaos.scenario import SCALE
from tests.chaos.schedule import Entry, Outcome, ScenarioResult, Schedule

PIPED_WIDTH = 170
"""Columns of the table where no terminal says how many there are."""
MODULE = re.compile(r"s([0-9]{2})_[a-z0-9_]+")


def scenarios(only: Collection[int]) -> list[Entry]:
    """The modules named after their scenario's number, in that order; ``only`` these, where any are named."""
    matches = [name for name in map(MODULE.fullmatch, names()) if name is not None]
    found = {int(name[1]): name[0] for name in matches}
    assert len(found) == len(matches), f"two modules with one number: {', '.join(sorted(name[0] for name in matches))}"
    if missing := set(only) - found.keys():
        raise SystemExit(f"no such scenario: {', '.join(map(str, sorted(missing)))}")
    entries = []
    for number in sorted(only or found):
        module = f"tests.chaos.{found[number]}"
        scenario = importlib.import_module(module).SCENARIO
        assert scenario.number == number, f"{module} says that it is number {scenario.number}"
        entries.append(Entry(module=module, scenario=scenario))
    return entries


def names() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(tests.chaos.__path__)]


def table(results: Sequence[ScenarioResult], seconds: float) -> Table:
    shown = Table(title=f"{len(results)} faults in {seconds:.0f} s", show_lines=True)
    shown.add_column("#", justify="right")
    shown.add_column("fault", ratio=3)
    shown.add_column("figures", ratio=5)
    shown.add_column("promises", ratio=2)
    shown.add_column("control: without …", ratio=3)
    shown.add_column("s", justify="right")
    for result in results:
        figures = "; ".join(f"{name} {figure}" for name, figure in result.run.figures.items())
        shown.add_row(
            str(result.scenario.number),
            escape(result.scenario.title),
            escape(figures) or "–",
            held(result.run),
            control(result),
            f"{result.seconds:.0f}",
        )
    return shown


def held(outcome: Outcome) -> str:
    if outcome.broke:
        return "[red]did not finish[/]"
    return f"[red]{len(outcome.violations)} broken[/]" if outcome.violations else "[green]held[/]"


def control(result: ScenarioResult) -> str:
    rule = escape(result.scenario.rule)
    if result.control is None:
        return f"[dim]none: {rule}[/]"
    if result.control.broke:
        return f"[red]did not finish[/]: {rule}"
    return f"[green]fails[/]: {rule}" if result.control.violations else f"[red]finds nothing[/]: {rule}"


def failures(result: ScenarioResult) -> list[str]:
    """The reasons why this scenario fails the suite, in sentences."""
    number = result.scenario.number
    said = [f"{number}: {sentence}" for sentence in result.run.violations]
    if result.run.broke:
        said.append(f"{number}: did not finish: {result.run.broke}")
    if result.control is not None and result.control.broke:
        said.append(f"{number}: the control did not finish: {result.control.broke}")
    elif result.control is not None and not result.control.violations:
        said.append(f"{number}: the control found nothing without the rule ({result.scenario.rule})")
    return said


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--only", default="", metavar="1,3", help="these scenarios alone")
    parser.add_argument("--scale", type=float, default=1, metavar="0.05", help="a part of the full sizes, for a try")
    parser.add_argument("--jobs", type=int, default=2, metavar="2", help="scenarios at a time (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="leave the folders of all runs and say where they are")
    chosen = parser.parse_args(arguments)
    os.environ[SCALE] = str(chosen.scale)
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    entries = scenarios([int(number) for number in chosen.only.split(",") if number])
    root = Path(tempfile.mkdtemp(prefix="sms-chaos-"))
    compiled = compiled_once()
    try:
        return asyncio.run(judged(entries, root, chosen.jobs, console))
    except asyncio.CancelledError:
        console.print("interrupted; its processes have ended")
        return 130
    finally:
        if chosen.keep:
            console.print(f"folders: {root}")
        else:
            shutil.rmtree(root, ignore_errors=True)
        shutil.rmtree(compiled, ignore_errors=True)


def compiled_once() -> Path:
    """Where this and all processes below keep compiled modules, also where the environment forbids it in the source.

    Services are started a thousand times here: each would compile the program anew, which no installed one does.
    """
    place = Path(tempfile.mkdtemp(prefix="sms-chaos-compiled-"))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(place)
    return place


async def judged(entries: Sequence[Entry], root: Path, jobs: int, console: Console) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    started = loop.time()
    results = await Schedule(root, jobs, console).run(entries)
    console.print(table(results, loop.time() - started))
    said = [sentence for result in results for sentence in failures(result)]
    for sentence in said:
        console.print(escape(sentence), style="red", highlight=False)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
