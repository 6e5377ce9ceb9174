"""The keys of a rules file as classes: which keys exist, and what a value looks like.

Conditions define their own keys (:mod:`bridge.rules.conditions`). Checks that need several keys of a rule, or other
rules, are in :mod:`bridge.rules.compiler`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from bridge.model.base import Language
from bridge.rules.conditions.campaign import CampaignKeys
from bridge.rules.conditions.when import WhenEntry
from bridge.rules.values import (
    Chats,
    Day,
    Filled,
    Names,
    NotEmpty,
    SenderName,
    Strict,
    Tags,
    Text,
    Texts,
    ValueName,
)
from bridge.schema import Duration, Flag, RateValue, Whole


def _refuse(value: object, info: ValidationInfo) -> None:
    key = (info.field_name or "").rstrip("_")
    raise PydanticCustomError("not_available", "`{key}` is not available in this version", {"key": key})


Reserved = Annotated[None, BeforeValidator(_refuse)]
"""A key that a later version will have."""


class _Named(Strict):
    name: Filled = Field(examples=["opening-hours"])


class _Conditional(Strict):
    enabled: Flag = True
    when: WhenEntry = WhenEntry()


class ActionEntry(Strict):
    """The actions of a rule, or of its ``on_error``."""

    reply: Texts | None = None
    sender_name: SenderName | None = None
    ttl: Duration | None = None
    once: RateValue | None = None
    forward: Chats = ()
    note: Text | None = None
    silent: Flag = False
    drop: Flag = False
    opt_out: Flag = False
    opt_in: Flag = False
    tag: Tags = ()
    untag: Tags = ()
    set_: Annotated[dict[ValueName, Text], NotEmpty] | None = Field(default=None, alias="set")

    call: Reserved = None
    poll: Reserved = None
    subscribe: Reserved = None
    unsubscribe: Reserved = None
    ask: Reserved = None


class DefaultsEntry(CampaignKeys, ActionEntry, _Conditional):
    """The keys that each rule of a file inherits, one by one."""

    continue_: Flag = Field(default=False, alias="continue")
    on_error: ActionEntry | None = None


class RuleEntry(DefaultsEntry, _Named):
    """One rule."""


class SmsEntry(Strict):
    """The message of an example."""

    text: str = ""
    from_: str = Field(default="79001234567", alias="from")
    to: str = ""
    prefix: str = ""
    account: str = ""


class ExpectEntry(Strict):
    """The result that an example expects."""

    rule: Filled | None = None
    reply: str | None = None
    reply_contains: Names = ()
    no_reply: Flag = False
    forward: Names = ()
    parts: Whole | None = None
    tags: Tags = ()


class SenderEntry(Strict):
    """The known facts about the sender of an example."""

    name: str = ""
    tags: Tags = ()
    language: Language | None = None
    opted_out: Flag = False
    blocked: Flag = False
    first_time: Flag = False


class StepEntry(Strict):
    """One of several messages of an example."""

    sms: SmsEntry
    expect: ExpectEntry
    at: Day | None = None


class ExampleEntry(Strict):
    """One of the ``tests`` of a file."""

    name: Filled = Field(examples=["opening hours in capitals"])
    sms: SmsEntry | None = None
    expect: ExpectEntry | None = None
    at: Day | None = None
    contact: SenderEntry = SenderEntry()
    conversation: Literal["open", "none"] = "none"
    steps: Annotated[tuple[StepEntry, ...], NotEmpty] | None = None


class FileEntry(Strict):
    """A whole file. Rules and tests are validated one by one, so that one mistake does not hide the next."""

    defaults: object = None
    rules: tuple[object, ...] = ()
    tests: tuple[object, ...] = ()
