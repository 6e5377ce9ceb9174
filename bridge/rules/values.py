"""Types and checks of single values of a rule file: names, phrases, expressions, texts, days.

A check here needs one value and, for names and numbers, the :class:`~bridge.rules.context.RuleContext` that
:func:`bridge.schema.validate` was given. Checks that need several keys are in :mod:`bridge.rules.conditions` and in
:mod:`bridge.rules.compiler`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    InstanceOf,
    StringConstraints,
    Tag,
    ValidationInfo,
)

from bridge.model.base import Language
from bridge.rules.context import RuleContext
from bridge.rules.templates import Template, compile_template
from bridge.schema import check_sender_name, did_you_mean
from bridge.text import folding
from bridge.text.patterns import Pattern, compile_pattern

CONTEXT = "rules"
"""Key of the validation context that holds the :class:`RuleContext`."""

_TAG = re.compile(r"\w[\w-]{0,63}")
_VALUE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_DAY = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}(?: [0-9]{2}:[0-9]{2})?")


class Strict(BaseModel):
    """A mapping of a rule file. An unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# ------------------------------------------------ names of the configuration


def in_context(check: Callable[[str, RuleContext], None]) -> BeforeValidator:
    """A validator that checks a text against the configuration, if the caller gives one.

    :param check: raises ValueError, with a sentence for the author of the rule.
    """

    def validate(value: object, info: ValidationInfo) -> object:
        context = (info.context or {}).get(CONTEXT)
        if isinstance(context, RuleContext) and isinstance(value, str):
            check(value.strip(), context)
        return value

    return BeforeValidator(validate)


def check_known(name: str, known: Collection[str], noun: str, where: str = "") -> None:
    """Check that the configuration has a name.

    :raises ValueError: the name is unknown.
    :param where: the key of the configuration that holds the names, if the noun does not tell it.
    """
    if name in known:
        return
    hint = f"; several are a list: [{name}]" if "," in name else did_you_mean(name, known)
    if not hint:
        there = f" under {where}" if where else ""
        none = f", since the configuration has no {noun}s{there}"
        hint = f"; known: {', '.join(sorted(known))}" if known else none
    raise ValueError(f"there is no {noun} `{name}`{hint}")


def _check_chat(name: str, context: RuleContext) -> None:
    check_known(name, context.chats, "chat")


# ------------------------------------------------ checks of one value


def not_empty(value: object) -> object:
    if value == [] or value == {}:
        raise ValueError("must not be empty")
    return value


def one_or_many(value: object) -> object:
    """A text becomes a list of one."""
    return not_empty([value] if isinstance(value, str) else value)


def shape(value: object) -> str:
    """``list``, ``keys`` or ``text``: tells the alternatives of a union apart."""
    return "list" if isinstance(value, list) else "keys" if isinstance(value, dict) else "text"


def has_word(value: str) -> str:
    if not folding.analyse(value).words:
        raise ValueError(f"`{value}` has no letter and no digit")
    return value


def tag_name(value: str) -> str:
    if not _TAG.fullmatch(value):
        raise ValueError("expected a tag of letters, digits, `_` and `-`")
    return value.lower()


def _template(value: object) -> Template:
    if not isinstance(value, str):
        raise ValueError("expected a text")
    return compile_template(value)


def _pattern(value: object) -> Pattern:
    if not isinstance(value, str) or not value:
        raise ValueError("expected a regular expression")
    return compile_pattern(value)


def _value_name(value: str) -> str:
    if not _VALUE_NAME.fullmatch(value) or value in {"name", "tags", "own"}:
        raise ValueError(
            "expected a name such as `city`: small Latin letters, digits and `_`, and not `name` or `tags`"
        )
    return value


def _day(value: object) -> datetime:
    """A day or a minute, without its time zone."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("there is no such day or time") from None
    raise ValueError("expected a day such as 2026-06-01, or with a time: 2026-06-01 18:00")


def _end_of(value: object) -> datetime:
    """The end of a written day (the next midnight), or the written minute itself, without its time zone."""
    day = _day(value)
    return day if isinstance(value, str) and ":" in value else day + timedelta(days=1)


# ------------------------------------------------ types of values

Filled = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
NotEmpty = BeforeValidator(not_empty)
OneOrMany = BeforeValidator(one_or_many)

Names = Annotated[tuple[Filled, ...], OneOrMany]
Chats = Annotated[tuple[Annotated[Filled, in_context(_check_chat)], ...], OneOrMany]
Tags = Annotated[tuple[Annotated[Filled, AfterValidator(tag_name)], ...], OneOrMany]
Phrase = Annotated[Filled, AfterValidator(has_word)]
SenderName = Annotated[Filled, AfterValidator(check_sender_name)]
ValueName = Annotated[str, AfterValidator(_value_name)]
Expression = Annotated[InstanceOf[Pattern], BeforeValidator(_pattern)]
Day = Annotated[datetime, BeforeValidator(_day)]
DayEnd = Annotated[datetime, BeforeValidator(_end_of)]
Text = Annotated[InstanceOf[Template], BeforeValidator(_template)]
Texts = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[tuple[Text, ...], NotEmpty, Tag("list")]
    | Annotated[dict[Language, Text], NotEmpty, Tag("keys")],
    Discriminator(shape),
]
"""One text, a list of them, or one for each language."""
