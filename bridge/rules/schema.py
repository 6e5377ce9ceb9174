"""The shape of a rules file: which keys exist, which come in a later version, what a value looks like.

Only what can be said of one key alone. What needs other keys, other rules or the configuration is in
:mod:`bridge.rules.compiler`.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    InstanceOf,
    StringConstraints,
    Tag,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from bridge.rules.templates import Template, compile_template
from bridge.schema import Duration, Flag, RateValue, Whole
from bridge.text import folding
from bridge.text.patterns import Pattern, compile_pattern

_SENDER_NAME = re.compile(r"[ -~]{1,11}|[0-9]{1,15}")
_TAG = re.compile(r"\w[\w-]{0,63}")
_VALUE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_DAY = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}(?: [0-9]{2}:[0-9]{2})?")


def _refuse(value: object, info: ValidationInfo) -> None:
    key = (info.field_name or "").rstrip("_")
    raise PydanticCustomError("not_available", "`{key}` is not available in this version", {"key": key})


def _one_or_many(value: object) -> object:
    return _not_empty([value] if isinstance(value, str) else value)


def _not_empty(value: object) -> object:
    if value == [] or value == {}:
        raise ValueError("must not be empty")
    return value


def _only_directly(value: object, info: ValidationInfo) -> None:
    key = info.field_name
    raise ValueError(f"`{key}` stands directly under `when` and nowhere deeper: it is about the rule as a whole")


def _template(value: object) -> Template:
    if not isinstance(value, str):
        raise ValueError("expected a text")
    return compile_template(value)


def _pattern(value: object) -> Pattern:
    if not isinstance(value, str) or not value:
        raise ValueError("expected a regular expression")
    return compile_pattern(value)


def _one_edit(value: object) -> object:
    if value not in ("0", "1", 0, 1):
        raise ValueError("expected 1 (one wrong letter is forgiven) or 0")
    return int(str(value))


def tag_name(value: str) -> str:
    if not _TAG.fullmatch(value):
        raise ValueError("expected a tag of letters, digits, `_` and `-`")
    return value.lower()


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
    """The first moment behind a day or a minute that is written."""
    day = _day(value)
    return day if isinstance(value, str) and ":" in value else day + timedelta(days=1)


def _shape(value: object) -> str:
    return "list" if isinstance(value, list) else "keys" if isinstance(value, dict) else "text"


def _has_word(value: str) -> str:
    if not folding.analyse(value).words:
        raise ValueError(f"`{value}` has no letter and no digit")
    return value


def _one_word(value: str) -> str:
    if "," in value:
        raise ValueError(f"several keywords are a list: [{value}]")
    count = len(folding.analyse(_has_word(value)).words)
    if count > 1:
        raise ValueError(f"`{value}` is {count} words, a keyword is one; for several words use `contains`")
    return value


def _sender_name(value: str) -> str:
    if not _SENDER_NAME.fullmatch(value):
        raise ValueError("expected a sender name: up to 11 Latin characters or up to 15 digits")
    return value


Later = Annotated[None, BeforeValidator(_refuse)]
"""A key of the rule language that this version does not have yet."""
Filled = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Phrase = Annotated[Filled, AfterValidator(_has_word)]
KeywordText = Annotated[Filled, AfterValidator(_one_word)]
SenderName = Annotated[Filled, AfterValidator(_sender_name)]
Text = Annotated[InstanceOf[Template], BeforeValidator(_template)]

OnlyDirectly = Annotated[None, BeforeValidator(_only_directly)]
ValueName = Annotated[str, AfterValidator(_value_name)]

_NotEmpty = BeforeValidator(_not_empty)
# Each of these is a string or a list of them.
_OneOrMany = BeforeValidator(_one_or_many)
Names = Annotated[tuple[Filled, ...], _OneOrMany]
Keywords = Annotated[tuple[KeywordText, ...], _OneOrMany]
Phrases = Annotated[tuple[Phrase, ...], _OneOrMany]
Tags = Annotated[tuple[Annotated[Filled, AfterValidator(tag_name)], ...], _OneOrMany]

Expression = Annotated[InstanceOf[Pattern], BeforeValidator(_pattern)]
Typo = Annotated[int, BeforeValidator(_one_edit)]
Day = Annotated[datetime, BeforeValidator(_day)]
DayEnd = Annotated[datetime, BeforeValidator(_end_of)]
Language = Literal["ru", "en"]
Texts = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[tuple[Text, ...], BeforeValidator(_not_empty), Tag("list")]
    | Annotated[dict[Language, Text], BeforeValidator(_not_empty), Tag("keys")],
    Discriminator(_shape),
]
"""One text, a list of them, or one for each language."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OutsideEntry(_Strict):
    """``hours: {outside: office}``."""

    outside: Names = Field(examples=["outside: office"])


class ContactEntry(_Strict):
    """What is known of the sender; all that are given must hold."""

    first_time: Flag | None = None
    opted_out: Flag | None = None
    blocked: Flag | None = None
    tag: Tags = ()


class LimitEntry(_Strict):
    """How often the rule may match."""

    per_sender: RateValue | None = None
    total: RateValue | None = None


ContactFact: TypeAlias = Literal["first_time", "opted_out", "blocked"]
HoursValue = Annotated[
    Annotated[Names, Tag("text")] | Annotated[Names, Tag("list")] | Annotated[OutsideEntry, Tag("keys")],
    Discriminator(_shape),
]
ContactValue = Annotated[
    Annotated[ContactFact, Tag("text")] | Annotated[ContactEntry, Tag("keys")],
    Discriminator(lambda value: "keys" if isinstance(value, dict) else "text"),
]


class ConditionEntry(_Strict):
    """Conditions within ``any``, ``all`` and ``not``: all that are given must hold."""

    keyword: Keywords = ()
    only: Flag = False
    glued: Flag = False
    typo: Typo = 0
    layout: Flag = False
    contains: Phrases = ()
    text: Expression | None = None
    args: Expression | None = None
    from_: Names = Field(default=(), alias="from")
    to: Names = ()
    account: Names = ()
    hours: HoursValue | None = None
    contact: ContactValue | None = None
    conversation: Literal["open", "none"] | None = None
    any_: Annotated[tuple[ConditionEntry, ...], _NotEmpty] | None = Field(default=None, alias="any")
    all_: Annotated[tuple[ConditionEntry, ...], _NotEmpty] | None = Field(default=None, alias="all")
    not_: ConditionEntry | None = Field(default=None, alias="not")
    prefix: OnlyDirectly = None
    limit: OnlyDirectly = None


class WhenEntry(ConditionEntry):
    """Conditions of a rule. These two more decide about the rule as a whole."""

    prefix: Phrase | None = None  # type: ignore[assignment]
    limit: LimitEntry | None = None  # type: ignore[assignment]


class _Named(_Strict):
    name: Filled = Field(examples=["opening-hours"])


class _Conditional(_Strict):
    enabled: Flag = True
    when: WhenEntry = WhenEntry()


class ActionEntry(_Strict):
    """What is done, by a rule or by its ``on_error``."""

    reply: Texts | None = None
    sender_name: SenderName | None = None
    ttl: Duration | None = None
    once: RateValue | None = None
    forward: Names = ()
    note: Text | None = None
    silent: Flag = False
    drop: Flag = False
    opt_out: Flag = False
    opt_in: Flag = False
    tag: Tags = ()
    untag: Tags = ()
    set_: Annotated[dict[ValueName, Text], _NotEmpty] | None = Field(default=None, alias="set")

    call: Later = None
    poll: Later = None
    subscribe: Later = None
    unsubscribe: Later = None
    ask: Later = None


class DefaultsEntry(ActionEntry, _Conditional):
    """What each rule of a file inherits, key by key."""

    from_date: Day | None = None
    until_date: DayEnd | None = None
    before: Texts | None = None
    after: Texts | None = None
    continue_: Flag = Field(default=False, alias="continue")
    on_error: ActionEntry | None = None


class RuleEntry(DefaultsEntry, _Named):
    """One rule."""


class SmsEntry(_Strict):
    """The message of an example."""

    text: str = ""
    from_: str = Field(default="79001234567", alias="from")
    to: str = ""
    prefix: str = ""
    account: str = ""


class ExpectEntry(_Strict):
    """What must come of it."""

    rule: Filled | None = None
    reply: str | None = None
    reply_contains: Names = ()
    no_reply: Flag = False
    forward: Names = ()
    parts: Whole | None = None
    tags: Tags = ()


class SenderEntry(_Strict):
    """What is known of the sender of an example."""

    name: str = ""
    tags: Tags = ()
    language: Language | None = None
    opted_out: Flag = False
    blocked: Flag = False
    first_time: Flag = False


class StepEntry(_Strict):
    """One of several messages of an example."""

    sms: SmsEntry
    expect: ExpectEntry
    at: Day | None = None


class ExampleEntry(_Strict):
    """One of the ``tests``."""

    name: Filled = Field(examples=["opening hours in capitals"])
    sms: SmsEntry | None = None
    expect: ExpectEntry | None = None
    at: Day | None = None
    contact: SenderEntry = SenderEntry()
    conversation: Literal["open", "none"] = "none"
    steps: Annotated[tuple[StepEntry, ...], _NotEmpty] | None = None


class FileEntry(_Strict):
    """A whole file. Rules and tests are checked one by one, so that one mistake does not hide the next."""

    defaults: object = None
    rules: tuple[object, ...] = ()
    tests: tuple[object, ...] = ()
