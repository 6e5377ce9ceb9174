"""The shape of a rules file: which keys exist, which come in a later version, what a value looks like.

Only what can be said of one key alone. What needs other keys, other rules or the configuration is in
:mod:`bridge.rules.compiler`.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    StringConstraints,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from bridge.rules.templates import Template, compile_template
from bridge.schema import Duration, Flag, Whole
from bridge.text import folding

_SENDER_NAME = re.compile(r"[ -~]{1,11}|[0-9]{1,15}")


def _refuse(value: object, info: ValidationInfo) -> None:
    key = (info.field_name or "").rstrip("_")
    raise PydanticCustomError("not_available", "`{key}` is not available in this version", {"key": key})


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _template(value: object) -> Template:
    if isinstance(value, list | dict):
        raise ValueError("several texts in one place are not available in this version; write one text")
    if not isinstance(value, str):
        raise ValueError("expected a text")
    return compile_template(value)


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

# Each of these is a string or a list of them.
_OneOrMany = BeforeValidator(_one_or_many)
Names = Annotated[tuple[Filled, ...], _OneOrMany, Field(min_length=1)]
Keywords = Annotated[tuple[KeywordText, ...], _OneOrMany, Field(min_length=1)]
Phrases = Annotated[tuple[Phrase, ...], _OneOrMany, Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WhenEntry(_Strict):
    """Conditions: all that are given must hold."""

    prefix: Phrase | None = None
    keyword: Keywords = ()
    only: Flag = False
    contains: Phrases = ()
    from_: Names = Field(default=(), alias="from")
    to: Names = ()
    account: Names = ()

    text: Later = None
    args: Later = None
    hours: Later = None
    contact: Later = None
    conversation: Later = None
    limit: Later = None
    any_: Later = Field(default=None, alias="any")
    all_: Later = Field(default=None, alias="all")
    not_: Later = Field(default=None, alias="not")
    glued: Later = None
    typo: Later = None
    layout: Later = None


class RuleEntry(_Strict):
    name: Filled = Field(examples=["opening-hours"])
    enabled: Flag = True
    when: WhenEntry = WhenEntry()
    reply: Text | None = None
    sender_name: SenderName | None = None
    ttl: Duration | None = None
    forward: Names = ()
    note: Text | None = None
    silent: Flag = False
    drop: Flag = False
    continue_: Flag = Field(default=False, alias="continue")

    call: Later = None
    poll: Later = None
    subscribe: Later = None
    unsubscribe: Later = None
    opt_out: Later = None
    opt_in: Later = None
    tag: Later = None
    untag: Later = None
    set_: Later = Field(default=None, alias="set")
    ask: Later = None
    on_error: Later = None
    once: Later = None
    from_date: Later = None
    until_date: Later = None
    before: Later = None
    after: Later = None
    glued: Later = None
    typo: Later = None
    layout: Later = None


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

    tags: Later = None


class ExampleEntry(_Strict):
    """One of the ``tests``."""

    name: Filled = Field(examples=["opening hours in capitals"])
    sms: SmsEntry
    expect: ExpectEntry

    at: Later = None
    contact: Later = None
    conversation: Later = None
    steps: Later = None


class FileEntry(_Strict):
    """A whole file. Rules and tests are checked one by one, so that one mistake does not hide the next."""

    rules: tuple[object, ...] = ()
    tests: tuple[object, ...] = ()

    defaults: Later = None
