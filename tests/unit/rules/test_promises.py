"""The cases that must hold whatever else changes: what people were promised about keywords, texts and rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.rules import RuleSet
from tests.unit.rules.support import fired, load, reply, winner

KEYWORDS = """
rules:
  - {name: stop, when: {keyword: [стоп, stop], only: true}, reply: x}
  - {name: end, when: {keyword: [end, yes]}, reply: x}
  - {name: street, when: {keyword: straße}, reply: x}
  - {name: yod, when: {keyword: йод}, reply: x}
  - {name: info, when: {keyword: info}, reply: x}
  - {name: thumb, when: {keyword: "👍🏾"}, reply: x}
  - {name: mouth, when: {keyword: рот}, reply: "{{ args }}"}
  - {name: rest, forward: support, note: "{{ args }}"}
"""


@pytest.fixture
def keywords(tmp_path: Path) -> RuleSet:
    return load(tmp_path, KEYWORDS)


@pytest.mark.parametrize("text", ["CTOП", "стoп", "Стоп.", "«СТОП»", "#стоп", "СТОП\n", "\u00a0стоп", "CTOП!", "STOP"])
def test_all_of_these_are_the_stop_word(keywords: RuleSet, text: str) -> None:
    assert winner(keywords, text) == "stop"


@pytest.mark.parametrize(
    "text", ["Endless thanks", "Yesterday was great", "СТОПОР", "стоп-кран сорвали", "стоп 12345", "не стоп", "5топ"]
)
def test_none_of_these_is_a_keyword(keywords: RuleSet, text: str) -> None:
    assert winner(keywords, text) == "rest"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("STRASSE 5", "street"),
        ("strasse", "street"),
        ("Straße", "street"),
        ("и\u0306од", "yod"),
        ("ЙОД", "yod"),
        ("ＩＮＦＯ", "info"),
        ("👍🏾", "thumb"),
        ("👍🏾!", "thumb"),
        ("👍", "rest"),
        ("POT", "mouth"),
    ],
)
def test_one_word_in_many_writings(keywords: RuleSet, text: str, rule: str) -> None:
    assert winner(keywords, text) == rule


@pytest.mark.parametrize("text", ["Барнаул", "Ёлка СТОП «12» {{ sender }} ＩＮＦＯ", "\u202eинфо 👨‍👩‍👧"])
def test_what_nobody_matched_is_forwarded_as_it_was_written(keywords: RuleSet, text: str) -> None:
    (one,) = fired(keywords, text)
    assert (one.rule, one.forwards[0].note) == ("rest", text)


def test_arguments_are_the_original(keywords: RuleSet) -> None:
    assert reply(keywords, "РОТ  Барнаул, ул. Ёлкина") == "Барнаул, ул. Ёлкина"


def test_nothing_of_the_prefix_is_eaten_where_no_rule_of_it_matches(tmp_path: Path) -> None:
    rules = load(
        tmp_path,
        "rules: [{name: a, when: {prefix: '7722', keyword: x}, reply: x}, {name: rest, reply: '<{{ args }}>'}]",
    )
    assert reply(rules, "7722 голос") == "<7722 голос>"
    assert reply(rules, "7722 голос", prefix="7722") == "<7722 голос>"


def test_of_prefixes_that_overlap_the_longest_holds(tmp_path: Path) -> None:
    rules = load(
        tmp_path,
        """
rules:
  - {name: short, when: {prefix: "77"}, reply: x}
  - {name: long, when: {prefix: "77 22", keyword: голос}, reply: x}
  - {name: rest, forward: support}
""",
    )
    assert [winner(rules, text) for text in ("77 22 голос", "77 голос", "77 22 вопрос")] == ["long", "short", "rest"]


@pytest.mark.parametrize("text", ["{{ 7 * 7 }}", "{% for a in words %}x{% endfor %}", "{{ contact.name }}", "{# #}"])
def test_a_text_from_outside_is_never_a_template(tmp_path: Path, text: str) -> None:
    rules = load(
        tmp_path,
        "rules: [{name: a, when: {text: '(?P<all>(?s:.+))'}, reply: '{{ text }}{{ all }}', "
        "forward: support, note: '{{ args }}'}]",
    )
    (one,) = fired(rules, text)
    assert (one.replies[0].text, one.forwards[0].note) == (text + text, text)


def test_a_nested_expression_does_not_take_longer_than_the_text_is_long(tmp_path: Path) -> None:
    # With an engine that tries every way, one of these texts is the work of many lifetimes.
    rules = load(
        tmp_path,
        r"rules: [{name: a, when: {text: '^(([0-9])+)+$|(\d+\d+)+y|^(\d|\d\d)*z'}, reply: x},"
        " {name: rest, drop: true}]",
    )
    assert winner(rules, "1" * 320 + "!") == "rest"
    assert winner(rules, "1" * 320) == "a"


MEET = """
rules:
  - {{name: mouth, when: {{keyword: РОТ{first}}}, reply: x}}
  - {{name: pot, when: {{keyword: POT{second}}}, reply: x}}
  - {{name: rest, forward: support}}
"""


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        ("", "", 2),
        (", only: true", "", 1),
        (", prefix: '77'", "", 0),
        (", to: '1234'", ", to: '5678'", 0),
        (", to: ['1234', '5678'], only: true", ", to: '5678'", 1),
        (", account: main", ", account: second", 0),
        (", from: '79001112233'", ", from: '79001112234'", 0),
        (", from: '79001112233'", ", from: '7900*'", 1),
    ],
)
def test_keywords_that_look_alike_are_reported_where_one_message_can_be_for_both(
    tmp_path: Path, first: str, second: str, count: int
) -> None:
    warnings = load(tmp_path, MEET.format(first=first, second=second)).warnings
    assert len(warnings) == count, warnings
