"""From pydantic's errors to problems: places, words, near misses. The models here are made up to hold every shape."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bridge.schema import Whole, read_yaml, validate


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(Strict):
    text: str
    ttl: Annotated[int, Field(ge=1, le=60)] = 5


class Hours(Strict):
    outside: str


def leaky(value: object) -> object:
    raise ValueError(f"cannot use {value}")


class Rule(Strict):
    name: Annotated[str, Field(min_length=1, examples=["name: hello"])]
    keyword: str | tuple[str, ...] = ()
    hours: str | Hours | None = None
    mode: Literal["first", "all"] = "first"
    reply: Answer | None = None
    by_word: dict[Annotated[str, Field(pattern="^[a-z]+$")], int] = {}
    from_: str = Field(default="", alias="from")
    secret: Annotated[str, BeforeValidator(leaky)] = ""
    stage: Annotated[str, BeforeValidator(leaky)] = ""

    @model_validator(mode="after")
    def _has_something(self) -> Rule:
        if self.name == "empty":
            raise ValueError("does nothing")
        return self


class File(Strict):
    rules: tuple[Rule, ...]
    limit: Whole = 0


def complaints(text: str) -> list[str]:
    made, problems = validate(File, read_yaml(text, "f"))
    assert (made is None) == bool(problems)
    return [str(problem) for problem in sorted(problems)]


def test_what_is_right_becomes_the_model() -> None:
    made, problems = validate(
        File, read_yaml("rules:\n- {name: a, keyword: [x, y], from: '7908*', hours: {outside: office}}", "f")
    )
    assert problems == []
    assert made is not None
    assert made.rules[0].keyword == ("x", "y")
    assert made.rules[0].hours == Hours(outside="office")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("limit: 1", ["f:1:1: missing `rules`"]),
        ("rules:\n- {}", ["f:2:3: rules[0]: missing `name`; for example `name: hello`"]),
        ("rules:\n- {name: ''}", ["f:2:10: rules[0].name: must not be empty"]),
        ("rules:\n- {name: }", ["f:2:4: rules[0].name: has no value; expected a text"]),
        ("rules:\n- name: [a]", ["f:2:9: rules[0].name: expected a text"]),
        ("rules: x", ["f:1:8: rules: expected a list such as [a, b], or lines that begin with `- `"]),
        ("rules: {a: 1}", ["f:1:1: rules: expected a list such as [a, b], or lines that begin with `- `"]),
        ("rules: [x]", ["f:1:9: rules[0]: expected keys with values, as in `key: value`, indented under this one"]),
        ("rules: []\nlimit: many", ["f:2:8: limit: expected a whole number"]),
        ("rules: []\nlimit: 1.5", ["f:2:8: limit: expected a whole number"]),
        ("rules: []\nlimi: 5", ["f:2:1: limi: unknown key `limi`; did you mean `limit`?"]),
        ("rules:\n- {name: a, kyeword: b}", [
            "f:2:13: rules[0].kyeword: unknown key `kyeword`; did you mean `keyword`?",
        ]),
        ("rules:\n- {name: a, form: b}", ["f:2:13: rules[0].form: unknown key `form`; did you mean `from`?"]),
        ("rules:\n- {name: a, reply: {txt: b}}", [
            "f:2:13: rules[0].reply: missing `text`",
            "f:2:21: rules[0].reply.txt: unknown key `txt`; did you mean `text`?",
        ]),
        ("rules:\n- {name: a, reply: {text: b, qqq: c}}", [
            "f:2:30: rules[0].reply.qqq: unknown key `qqq`; known here: text, ttl",
        ]),
        ("rules:\n- {name: a, reply: {text: b, ttl: 70}}", [
            "f:2:35: rules[0].reply.ttl: expected a number of at most 60",
        ]),
        ("rules:\n- {name: a, mode: frist}", [
            "f:2:19: rules[0].mode: expected `first` or `all`; did you mean `first`?",
        ]),
        ("rules:\n- {name: a, by_word: {A: 1}}", ["f:2:23: rules[0].by_word.A: does not fit the pattern ^[a-z]+$"]),
        ("rules:\n- {name: a, by_word: {a: x}}", ["f:2:26: rules[0].by_word.a: expected a whole number"]),
        ("rules:\n- {name: empty}", ["f:2:3: rules[0]: does nothing"]),
    ],
)  # fmt: skip
def test_mistakes_are_told_at_their_place(text: str, expected: list[str]) -> None:
    assert complaints(text) == expected


def test_of_a_union_only_the_form_that_was_meant_is_told() -> None:
    assert complaints("rules:\n- {name: a, keyword: [x, {y: 1}]}") == ["f:2:26: rules[0].keyword[1]: expected a text"]
    assert complaints("rules:\n- {name: a, hours: {outsid: office}}") == [
        "f:2:13: rules[0].hours: missing `outside`",
        "f:2:21: rules[0].hours.outsid: unknown key `outsid`; did you mean `outside`?",
    ]


def test_where_no_form_of_a_union_was_meant_all_are_told() -> None:
    assert complaints("rules:\n- {name: a, keyword: {x: y}}") == [
        "f:2:13: rules[0].keyword: expected a text, or a list such as [a, b], or lines that begin with `- `"
    ]


def test_a_value_under_a_secrets_key_is_blanked_also_in_a_validators_own_words() -> None:
    assert complaints("rules:\n- {name: a, secret: hunter2, stage: dusk}") == [
        "f:2:21: rules[0].secret: cannot use …",
        "f:2:37: rules[0].stage: cannot use dusk",
    ]


def test_a_part_of_a_document_is_checked_at_its_path() -> None:
    document = read_yaml("outer:\n  list:\n  - x\n  - {text: a, tlt: 3}\n", "f")
    made, problems = validate(Answer, document, path=("outer", "list", 1))
    assert made is None
    assert [str(problem) for problem in problems] == [
        "f:4:15: outer.list[1].tlt: unknown key `tlt`; did you mean `ttl`?"
    ]


def test_fields_that_are_no_keys_are_given_and_refused_in_the_file() -> None:
    made, problems = validate(Answer, read_yaml("ttl: 7", "f"), given={"text": "given"})
    assert made == Answer(text="given", ttl=7)
    _, problems = validate(Answer, read_yaml("text: mine", "f"), given={"text": "given"})
    assert [str(problem) for problem in problems] == ["f:1:1: text: unknown key `text`; known here: ttl"]
