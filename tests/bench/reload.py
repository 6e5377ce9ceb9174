"""How long the event loop is away while rules are loaded beside it: ``python -m tests.bench.reload``.

Once with keywords alone, and once with an expression in each rule: those are compiled by RE2, which lets nobody in.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bridge.pipeline.reload import load_in_background
from bridge.rules import RuleContext, RuleSet, load_rules

COUNTS = (1_000, 10_000)
PER_FILE = 1000
STEP_SECONDS = 0.001
CONDITIONS = {
    "keywords": "{{keyword: [слово{0}, word{0}]}}",
    "expressions": r"{{text: '^слово{0}\s+(?P<more>\w+)'}}",
}
CONTEXT = RuleContext(chats=frozenset({"support"}))


def write_rules(folder: Path, count: int, condition: str) -> None:
    """Rules with this condition and a template, every tenth with a test."""
    for first in range(0, count, PER_FILE):
        numbers = range(first, min(first + PER_FILE, count))
        lines = ["rules:"]
        for number in numbers:
            lines += [
                f"  - name: rule-{number}",
                f"    when: {condition.format(number)}",
                f'    reply: "Ответ номер {number} для {{{{ words[0] }}}}"',
            ]
        lines.append("tests:")
        for number in numbers[::10]:
            lines.append(f"  - {{name: t{number}, sms: {{text: слово{number} да}}, expect: {{rule: rule-{number}}}}}")
        (folder / f"{first:06}.yaml").write_text("\n".join(lines), "utf-8")


async def gaps(until: asyncio.Event, found: list[float]) -> None:
    """Seconds that each turn of the loop came late."""
    last = time.perf_counter()
    while not until.is_set():
        await asyncio.sleep(STEP_SECONDS)
        now = time.perf_counter()
        found.append(now - last - STEP_SECONDS)
        last = now


async def measure(count: int, condition: str) -> tuple[float, float, float, float]:
    """Seconds: of the load; the loop's median and longest delay meanwhile; its longest while the old set is let go."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rules(folder, count, condition)
        rules = load_rules(folder, CONTEXT)
        gc.collect()
        gc.freeze()
        over, found = asyncio.Event(), list[float]()
        watching = asyncio.create_task(gaps(over, found))
        began = time.perf_counter()
        loaded = await asyncio.to_thread(load_in_background, lambda: load_rules(folder, CONTEXT), folder)
        took = time.perf_counter() - began
        assert isinstance(loaded, RuleSet)
        during = sorted(found)
        found.clear()
        rules = loaded  # lets go of the old set, as the swap does
        await asyncio.sleep(0.1)
        over.set()
        await watching
    assert len(rules.rules) == count
    return took, during[len(during) // 2], during[-1], max(found)


def table() -> Table:
    """The lines that `make bench` shows."""
    shown = Table("a reload", "rules", "load, s", "loop late: median, ms", "longest, ms", "letting go, ms")
    shown.title = "The event loop while rules are loaded beside it"
    for count in COUNTS:
        for name, condition in CONDITIONS.items():
            took, *late = asyncio.run(measure(count, condition))
            shown.add_row(name, f"{count:,}", f"{took:.1f}", *(f"{seconds * 1000:.1f}" for seconds in late))
    return shown


if __name__ == "__main__":
    Console(width=100).print(table())
