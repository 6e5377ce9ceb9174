from __future__ import annotations

from pathlib import Path

import pytest

from bridge.rules import RuleSet
from tests.unit.rules.support import fired, load, reply, winner

RULES = """
rules:
  - {name: vote, when: {prefix: "7722", keyword: [голос, vote]}, reply: "7722 <{{ args }}>"}
  - {name: long, when: {prefix: "7722"}, reply: "7722 <{{ args }}>"}
  - {name: short, when: {prefix: "77"}, reply: "77 <{{ args }}>"}
  - {name: shop, when: {prefix: Магазин}, reply: "shop <{{ args }}>"}
  - {name: shop-vip, when: {prefix: магазин-вип}, reply: "shop vip <{{ args }}>"}
  - {name: whole, when: {keyword: голос}, reply: "whole <{{ args }}>"}
  - {name: rest, reply: "rest <{{ args }}> <{{ text }}> <{{ prefix }}>"}
"""


@pytest.fixture
def rules(tmp_path: Path) -> RuleSet:
    return load(tmp_path, RULES)


@pytest.mark.parametrize(
    ("prefix", "text", "name", "answer"),
    [
        ("7722", "7722 голос Анна", "vote", "7722 <Анна>"),
        ("7722", "голос Анна", "vote", "7722 <Анна>"),
        ("7722", "#7722: Голос, Анна", "vote", "7722 <Анна>"),
        ("7722", "7722голос Анна", "vote", "7722 <Анна>"),
        ("7722", "привет", "long", "7722 <привет>"),
        ("7722", "7722", "long", "7722 <>"),
        ("77", "77 голос", "short", "77 <голос>"),
        ("77", "7722 голос", "short", "77 <22 голос>"),
        ("", "7722 голос Анна", "vote", "7722 <Анна>"),
        ("", "7722, vote", "vote", "7722 <>"),
        ("", "77 голос", "short", "77 <голос>"),
        ("", "7722голос Анна", "rest", "rest <7722голос Анна> <7722голос Анна> <>"),
        ("", "МАГАЗИН часы", "shop", "shop <часы>"),
        ("", "магазин вип часы", "shop-vip", "shop vip <часы>"),
        ("", "магазины часы", "rest", "rest <магазины часы> <магазины часы> <>"),
        ("", "голос Анна", "whole", "whole <Анна>"),
        (" ", "77 голос", "short", "77 <голос>"),
        ("1234", "7722 голос", "rest", "rest <7722 голос> <7722 голос> <1234>"),
        ("1234", "голос", "whole", "whole <>"),
        ("7722", "голос", "vote", "7722 <>"),
    ],
)
def test_which_prefix_holds_and_what_its_rules_see(
    rules: RuleSet, prefix: str, text: str, name: str, answer: str
) -> None:
    assert winner(rules, text, prefix=prefix) == name
    assert reply(rules, text, prefix=prefix) == answer


def test_only_the_longest_of_overlapping_prefixes_holds_even_if_its_rules_do_not_match(tmp_path: Path) -> None:
    rules = load(
        tmp_path,
        """
rules:
  - {name: short, when: {prefix: "77"}, reply: short}
  - {name: long, when: {prefix: "77-22", keyword: голос}, reply: long}
  - {name: rest, forward: support}
""",
    )
    assert winner(rules, "77-22 голос") == "long"
    assert winner(rules, "77-22 вопрос") == "rest"
    assert winner(rules, "77 22 вопрос") == "rest"
    assert winner(rules, "77 вопрос") == "short"


def test_a_disabled_rules_prefix_does_not_hold(tmp_path: Path) -> None:
    rules = load(
        tmp_path,
        """
rules:
  - {name: short, when: {prefix: "77"}, reply: short}
  - {name: long, enabled: false, when: {prefix: "77-22"}, reply: long}
""",
    )
    assert winner(rules, "77-22 голос") == "short"


def test_only_and_contains_look_behind_the_prefix(tmp_path: Path) -> None:
    rules = load(
        tmp_path,
        """
rules:
  - {name: only, when: {prefix: "77", keyword: стоп, only: true}, reply: x}
  - {name: contains, when: {prefix: "77", contains: "77"}, reply: x}
""",
    )
    assert winner(rules, "77 стоп") == "only"
    assert winner(rules, "77 нужен 77") == "contains"
    assert fired(rules, "77 привет") == ()


def test_a_long_word_behind_a_glued_prefix_costs_nothing(rules: RuleSet) -> None:
    text = "7722" + "я" * 60_000
    assert winner(rules, text, prefix="7722") == "long"
    assert winner(rules, "\u00ad".join(text), prefix="7722") == "long"
