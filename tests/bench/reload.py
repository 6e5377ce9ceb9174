"""How long the event loop is away while rules are loaded beside it: ``python -m tests.bench.reload [RULES …]``.

Once with keywords alone, and once with an expression in each rule: those are compiled by RE2, which lets nobody in.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
from pathlib import Path

from bridge.model import SECOND
from bridge.pipeline.reload import undisturbing
from bridge.rules import RuleContext, RuleSet, load_rules

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


async def measure(count: int, condition: str) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rules(folder, count, condition)
        rules = load_rules(folder, CONTEXT)
        gc.collect()
        gc.freeze()
        over, found = asyncio.Event(), list[float]()
        watching = asyncio.create_task(gaps(over, found))
        began = time.perf_counter()
        loaded = await asyncio.to_thread(undisturbing, lambda: load_rules(folder, CONTEXT), folder)
        took = time.perf_counter() - began
        assert isinstance(loaded, RuleSet)
        during = sorted(found)
        found.clear()
        rules = loaded  # lets go of the old set, as the swap does
        await asyncio.sleep(0.1)
        over.set()
        await watching
    middle, longest, after = (during[len(during) // 2], during[-1], max(found))
    shown = "  ".join(
        f"{label} {value * SECOND:6.1f} ms"
        for label, value in (("median", middle), ("longest", longest), ("letting go", after))
    )
    return f"{len(rules.rules):6} rules: {took:5.1f} s  {shown}"


if __name__ == "__main__":
    for wanted in map(int, sys.argv[1:] or ("1000", "10000")):
        for name, condition in CONDITIONS.items():
            sys.stdout.write(f"{name:11} {asyncio.run(measure(wanted, condition))}\n")
