"""``python -m tests.bench.decide``: what one decision costs with 10, 1,000 and 10,000 rules, and loading them.

Of each kind of rule that is looked up and not asked one by one. Only the ratio to ten rules travels to other machines.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bridge.rules import RuleContext, RuleMessage, RuleSet, load_rules

COUNTS = (10, 1_000, 10_000)
KINDS = {
    "keyword": "keyword: {word}",
    "typo, layout, glued": "keyword: {word}, typo: 1, layout: true, glued: true",
    "contains": "contains: {word}",
    "text": "text: '{word}\\s+\\d+'",
    "any": "any: [{{keyword: {word}}}, {{contains: {word}я}}]",
}
_LETTERS = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
_RULES_IN_A_FILE = 4_000
_WARM_UP, _TIMES = 200, 2_000
_NOW = 1_772_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    kind: str
    rules: int
    load_s: float
    median_us: float
    p99_us: float


def word(number: int) -> str:
    """Another one for each number; no two are an edit apart."""
    letters, rest = "", number * 7919
    while rest or not letters:
        rest, at = divmod(rest, len(_LETTERS))
        letters += _LETTERS[at]
    return f"слово{letters}х{number}"


def loaded(kind: str, count: int) -> tuple[RuleSet, float]:
    """The set, and the seconds it took to read and check it."""
    with tempfile.TemporaryDirectory() as name:
        rules = [f"  - {{name: r{n}, when: {{{KINDS[kind].format(word=word(n))}}}, reply: x}}" for n in range(count)]
        rules.append("  - {name: rest, forward: support}")
        for start in range(0, len(rules), _RULES_IN_A_FILE):
            text = "\n".join(["rules:", *rules[start : start + _RULES_IN_A_FILE]])
            Path(name, f"{start:06}.yaml").write_text(text, "utf-8")
        begin = time.perf_counter()
        made = load_rules(Path(name), RuleContext(chats=frozenset({"support"})))
        return made, time.perf_counter() - begin


def figures() -> Iterator[Figure]:
    for kind in KINDS:
        for count in COUNTS:
            rules, load_s = loaded(kind, count)
            texts = (
                f"{word(count - 1)} 12",
                "Добрый день, где мой заказ? 12345",
                f"{word(count - 1)[:-2]}ъ",
                "byaj 12",
            )
            spent = sorted(took for text in texts for took in timed(rules, text))
            median, p99 = spent[len(spent) // 2] / 1000, spent[len(spent) * 99 // 100] / 1000
            yield Figure(kind=kind, rules=count, load_s=load_s, median_us=median, p99_us=p99)


def timed(rules: RuleSet, text: str) -> Iterator[int]:
    """Nanoseconds of each decision."""
    message = RuleMessage(text=text, sender="79083730330", subscriber="79083730330")
    for _ in range(_WARM_UP):
        rules.decide(message, _NOW)
    for _ in range(_TIMES):
        begin = time.perf_counter_ns()
        rules.decide(message, _NOW)
        yield time.perf_counter_ns() - begin


def table() -> Table:
    """The lines that `make bench` shows."""
    found = Table("rules looked up by", "rules", "load, s", "median, µs", "p99, µs", "ratio of medians")
    found.title = "A decision alone, and reading, checking and testing the rule files"
    few = 1.0
    for one in figures():
        few = one.median_us if one.rules == COUNTS[0] else few
        ratio = f"{one.median_us / few:.2f}"
        found.add_row(
            one.kind, f"{one.rules:,}", f"{one.load_s:.2f}", f"{one.median_us:.1f}", f"{one.p99_us:.1f}", ratio
        )
    return found


if __name__ == "__main__":
    Console(width=100).print(table())
