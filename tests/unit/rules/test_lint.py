from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from bridge.rules.schedule import Hours, parse_week
from tests.unit.rules.support import CONTEXT, load

HOURS = replace(CONTEXT, hours={"office": Hours(timezone=UTC, week=parse_week({"mon-fri": ("09:00-18:00",)}))})


def warnings(directory: Path, *rules: str) -> list[tuple[int, str]]:
    """Of a set that ends in a catch-all: the line of each warning and what it says."""
    lines = ["rules:", *(f"  - {{{rule}}}" for rule in rules), "  - {name: rest, forward: support}"]
    return [(one.line, one.message) for one in load(directory, "\n".join(lines)).warnings]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("keyword: a, only: true", "keyword: a, only: true"),
        ("keyword: [a, b], to: '12'", "keyword: a, to: '12', only: true"),
        ("contains: a", "contains: a, from: vip"),
        ("text: 'a+'", "text: 'a+', keyword: b"),
        ("keyword: заказ, typo: 1", "keyword: заказ"),
        ("text: '.*'", "keyword: a"),
        ("hours: {outside: office}", "hours: {outside: office}, keyword: a"),
        ("prefix: '77'", "prefix: '77', contains: a"),
        ("any: [{keyword: a}, {keyword: b}]", "any: [{keyword: a}, {keyword: b}], only: false"),
    ],
)
def test_a_rule_that_asks_for_no_more_than_an_earlier_one_never_gets_its_turn(
    tmp_path: Path, first: str, second: str
) -> None:
    text = f"rules:\n  - {{name: a, when: {{{first}}}, reply: x}}\n  - {{name: b, when: {{{second}}}, reply: y}}\n"
    found = load(tmp_path, text + "  - {name: rest, forward: support}\n", HOURS).warnings
    assert any(one.line == 3 and "can never match: `a`" in one.message for one in found), found


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("keyword: a, only: true", "keyword: a"),
        ("keyword: заказ", "keyword: заказ, typo: 1"),
        ("contains: a", "contains: b"),
        ("text: 'a+'", "text: 'b+'"),
        ("keyword: a, to: '12'", "keyword: a, to: '13'"),
        ("not: {keyword: a}", "keyword: a"),
        ("contact: {tag: vip}", "contact: {tag: new}"),
        ("prefix: '77', keyword: a", "keyword: a"),
    ],
)
def test_a_rule_that_can_get_its_turn_is_not_complained_about(tmp_path: Path, first: str, second: str) -> None:
    assert not warnings(tmp_path, f"name: a, when: {{{first}}}, reply: x", f"name: b, when: {{{second}}}, reply: y")


def test_a_rule_over_the_days_of_a_campaign_takes_nothing_for_good(tmp_path: Path) -> None:
    assert not warnings(
        tmp_path,
        "name: a, when: {keyword: a}, until_date: 2026-01-01, reply: x",
        "name: b, when: {keyword: a}, reply: y",
    )


def test_typos_that_two_rules_forgive(tmp_path: Path) -> None:
    found = warnings(
        tmp_path,
        "name: a, when: {keyword: заказ, typo: 1}, reply: x",
        "name: b, when: {keyword: [закат, рассвет], typo: 1}, reply: x",
        "name: c, when: {keyword: завод}, reply: x",
    )
    assert [line for line, _ in found] == [3]
    assert "is one letter away from" in found[0][1]
    assert not warnings(tmp_path, "name: a, when: {keyword: [заказ, заказы], typo: 1}, reply: x")


def test_a_keyword_that_is_anothers_in_the_other_layout(tmp_path: Path) -> None:
    found = warnings(
        tmp_path,
        "name: a, when: {keyword: [инфо, да], layout: true}, reply: x",
        "name: b, when: {keyword: byaj}, reply: x",
    )
    assert [line for line, _ in found] == [3]
    assert "`byaj` is `инфо` of `a`" in found[0][1]


def test_an_expression_that_fits_everything(tmp_path: Path) -> None:
    ((line, message),) = warnings(tmp_path, "name: a, when: {text: 'а*', from: vip}, reply: x")
    assert (line, message) == (2, "the expression `а*` fits every text; leave it out")


@pytest.mark.parametrize(
    "rule",
    [
        "name: a, when: {keyword: a}, reply: [x, 'We are open – call']",
        "name: a, when: {keyword: a}, reply: {en: 'We are open – call', ru: да}",
        "name: a, when: {keyword: a}, from_date: 2026-01-01, reply: x, before: 'We are open – call'",
        "name: a, when: {keyword: a}, reply: x, on_error: {reply: 'We are open – call'}",
    ],
)
def test_costly_characters_are_found_in_every_text_that_may_be_sent(tmp_path: Path, rule: str) -> None:
    ((line, message),) = warnings(tmp_path, rule)
    assert line == 2
    assert message.startswith("without – the reply would be GSM-7")


@pytest.mark.parametrize(
    ("reply", "warned"),
    [
        ("“Привет”", True),
        ("„Привет, {{ args }}“", True),
        ("‘Привет’", True),
        ("«Привет»", False),
        ("“Да” или “нет”", False),
        ("Ответьте “да”", False),
        ("{{ args }} “да”", False),
        ("”", False),
    ],
)
def test_quotes_that_are_none_in_yaml_are_part_of_the_text(tmp_path: Path, reply: str, warned: bool) -> None:
    found = warnings(tmp_path, f"name: a, when: {{keyword: a}}, reply: '{reply}'")
    assert [line for line, message in found if "are sent with it" in message] == ([2] if warned else [])
