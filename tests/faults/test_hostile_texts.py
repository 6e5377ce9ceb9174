"""Texts made to be slow: decided, answered and shown like any other. Work is counted in calls here, not in time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.rules.conditions.base import Captures, View
from bridge.rules.conditions.groups import AnyOf
from bridge.rules.engine import RuleSet
from bridge.rules.loader import load_rules
from bridge.text import folding
from tests.chaos.hostile_texts import LENGTH, fill, texts
from tests.chaos.s13_hostile_texts import RULES, SLOW, decisions, in_service, rule_sets, seconds
from tests.chaos.sabotage import naive_pattern
from tests.unit.docs.test_rules_docs import CONTEXT

pytestmark = pytest.mark.faults

SHORTER = 4
"""Times that the shorter text is shorter."""
SPARE = 1.5
"""A cost that grows faster than the text by more than this factor grows by its square."""


@pytest.fixture
def every_condition(tmp_path: Path) -> RuleSet:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.yaml").write_text(RULES, encoding="utf-8")
    return load_rules(tmp_path / "rules", CONTEXT)


@pytest.fixture
def condition_as_it_was() -> Iterator[None]:
    before = AnyOf.met
    yield
    AnyOf.met = before  # type: ignore[method-assign]


def calls(work: Callable[[], object]) -> float:
    """How many functions are called, Python's own included; after a first time, which may fill caches."""
    work()
    count = 0

    def counting(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event.endswith("call")

    before = sys.getprofile()
    sys.setprofile(counting)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def grows_too_fast(rules: RuleSet, *names: str) -> list[str]:
    short = decisions({"rules": rules}, 100, cost=calls, names=names)
    long = decisions({"rules": rules}, 100 * SHORTER, cost=calls, names=names)
    return [name for name in long if long[name] > SPARE * SHORTER * short[name] + 200]


def test_every_rule_decides_every_text() -> None:
    def once(work: Callable[[], object]) -> float:
        work()
        return 0

    assert len(decisions(rule_sets(), 300, cost=once)) > 1_000


def test_work_grows_with_the_text_and_no_faster(every_condition: RuleSet) -> None:
    assert grows_too_fast(every_condition) == []


def test_a_condition_that_looks_from_every_place_to_every_other_is_found_out(
    every_condition: RuleSet, condition_as_it_was: None
) -> None:
    def met(_: AnyOf, view: View, captures: Captures) -> Captures | None:
        text = view.message.text
        x = any(text.startswith("x", end) for start in range(len(text)) for end in range(start, len(text)))
        return captures if x else None

    AnyOf.met = met  # type: ignore[method-assign]
    assert grows_too_fast(every_condition, "digits") == ["rules: digits", "rules: digits by its prefix"]


def test_a_backtracking_pattern_is_found_out_by_the_clock(every_condition: RuleSet, condition_as_it_was: None) -> None:
    naive_pattern.spoil()
    took = decisions({"rules": every_condition}, 400, cost=seconds, names=["one digit"])
    assert max(took.values()) >= SLOW


async def test_the_service_answers_and_shows_such_texts(tmp_path: Path) -> None:
    findings = await in_service(tmp_path, every=15, held_up=float("inf"))
    assert findings.violations == []


def test_they_are_many_and_of_full_length() -> None:
    found = texts(("часы",))
    assert len(found) > 60
    assert max(map(len, found.values())) == LENGTH
    assert sum(len(text) == LENGTH for text in found.values()) > 50


def test_no_text_grows_into_a_book() -> None:
    for name, text in texts().items():
        assert len(folding.fold(text)) <= 4 * len(text), name
    assert folding.fold("\ufdfa") == "\ufdfa"


def test_marks_without_end_are_sorted_in_pieces_and_still_make_one_word() -> None:
    found = folding.analyse("а" + fill("\u0301\u0316", LENGTH))
    assert [(word.start, word.end) for word in found.words] == [(0, LENGTH + 1)]
    assert folding.fold("а\u0316\u0301") == folding.fold("а\u0301\u0316")
