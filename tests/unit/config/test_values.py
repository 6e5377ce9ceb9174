"""Durations, rates, switches and numbers as people write them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from bridge.schema import (
    Duration,
    Flag,
    OptionalDuration,
    OptionalRate,
    Rate,
    parse_duration,
    parse_flag,
    parse_rate,
    read_yaml,
    validate,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5s", 5_000),
        ("10m", 600_000),
        ("2h", 7_200_000),
        ("3d", 259_200_000),
        ("1h30m", 5_400_000),
        ("1m500ms", 60_500),
        ("0s", 0),
    ],
)
def test_a_duration(text: str, expected: int) -> None:
    assert parse_duration(text) == expected


def test_an_integer_in_code_is_milliseconds() -> None:
    assert parse_duration(1500) == 1500


@pytest.mark.parametrize("text", ["", "5", "5 s", "-5s", "1.5h", "5S", "s", "30m2h", "5s5s", "٥s", "9999999999d", "5w"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


@pytest.mark.parametrize("wrong", [None, True, 1.5, [], -1])
def test_what_is_no_duration_in_code(wrong: object) -> None:
    with pytest.raises(ValueError):
        parse_duration(wrong)


def test_a_bare_number_asks_for_its_unit() -> None:
    with pytest.raises(ValueError, match=r"^5 what\? write 5s, 5m or 5h$"):
        parse_duration("5")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10/s", Rate(10, 1_000)),
        ("5 per 10m", Rate(5, 600_000)),
        ("3 per hour", Rate(3, 3_600_000)),
        ("1 per day", Rate(1, 86_400_000)),
        ("20/m", Rate(20, 60_000)),
        ("7 / 30s", Rate(7, 30_000)),
        (" 5\tper  10m ", Rate(5, 600_000)),
    ],
)
def test_a_rate(text: str, expected: Rate) -> None:
    assert parse_rate(text) == expected


@pytest.mark.parametrize("text", ["10/s", "3 per hour", "7 / 30s", " 5\tper  10m "])
def test_an_editor_marks_no_rate_that_is_right(text: str) -> None:
    written = Limits.model_json_schema()["properties"]["rate"]
    assert re.search(written["pattern"], text)


@pytest.mark.parametrize(
    "text", ["", "10", "/s", "0/s", "5 per 0s", "5per10m", "x/s", "5 per", "-5/s", "5 per 10", "2 per 2 h"]
)
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError):
        parse_rate(text)


@given(st.integers(min_value=1, max_value=10**9 - 1), st.sampled_from(["1s", "90s", "2h", "1h30m"]))
def test_every_rate_reads_back(count: int, period: str) -> None:
    assert parse_rate(f"{count} per {period}") == Rate(count, parse_duration(period))


@pytest.mark.parametrize("word", ["true", "yes", "on", "True", "YES"])
def test_words_that_say_yes(word: str) -> None:
    assert parse_flag(word) is True


@pytest.mark.parametrize("word", ["false", "no", "off", "No"])
def test_words_that_say_no(word: str) -> None:
    assert parse_flag(word) is False


@pytest.mark.parametrize("word", ["1", "0", "t", "y", "n", "", "да", None, 1])
def test_other_words_say_nothing(word: object) -> None:
    with pytest.raises(ValueError):
        parse_flag(word)


class Limits(BaseModel):
    gap: Duration = 1
    age: OptionalDuration = 1
    rate: OptionalRate = Rate(1, 1)
    loud: Flag = False


def test_off_lifts_a_limit_in_a_file_and_none_does_in_code() -> None:
    made, problems = validate(Limits, read_yaml("age: off\nrate: off\nloud: on", "f"))
    assert problems == []
    assert made == Limits(age=None, rate=None, loud=True)


def test_an_empty_value_in_a_file_lifts_no_limit() -> None:
    made, problems = validate(Limits, read_yaml("age:\nrate: ~\ngap:\n", "f"))
    assert made is None
    assert [(problem.line, problem.message.split(";")[0]) for problem in sorted(problems)] == [
        (1, "has no value"),
        (2, "has no value"),
        (3, "expected a duration such as 5s, 10m, 2h or 3d"),
    ]


def test_off_is_no_value_where_a_limit_must_be() -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate({"gap": "off"})
