"""The decision of the rules about a message. The guards are asked after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from bridge.model.base import Ms
from bridge.model.contact import ContactChange, RuleCounter
from bridge.value import value_object


@value_object
class Forward:
    """A rule's order to show the message in a chat of the configuration."""

    chat: str
    note: str = ""
    silent: bool = False


@value_object
class Reply:
    """A rule's order to answer by SMS. The text is rendered."""

    text: str
    sender_name: str | None = None
    ttl: Ms | None = None
    confirms_opt_out: bool = False
    """The number gets this one text although the same message has opted it out."""


class OptOutEffect(StrEnum):
    """The effect of a rule on the opt-out of the subscriber."""

    OUT = "out"
    IN = "in"
    ASK_OUT = "ask_out"
    """The text was not clear enough ("Стоп, спасибо"): nothing is sent, and a person decides."""
    ASK_IN = "ask_in"


@value_object
class ContactEffect:
    """The changes of a rule to the facts about the subscriber."""

    opt: OptOutEffect | None = None
    tag: tuple[str, ...] = ()
    untag: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)

    def applied_to(self, before: ContactChange) -> ContactChange:
        """The facts about the subscriber after the effect."""
        tags = dict.fromkeys((*before.tags, *self.tag))
        return ContactChange(
            opted_out=self.opted_out(before.opted_out),
            tags=tuple(tag for tag in tags if tag not in self.untag),
            values={**before.values, **self.values},
        )

    def opted_out(self, before: bool) -> bool:
        """Whether the subscriber has opted out after the effect."""
        return self.opt is OptOutEffect.OUT if self.opt in (OptOutEffect.OUT, OptOutEffect.IN) else before


@value_object
class FiredRule:
    """A rule that matched, and what it does. Rules fire in file order."""

    rule: str
    file: str
    line: int
    replies: tuple[Reply, ...] = ()
    forwards: tuple[Forward, ...] = ()
    drop: bool = False
    error: str | None = None
    """Why the template could not be rendered. The rule sends nothing. The default chat gets message and error."""
    contact: ContactEffect | None = None
    counted: tuple[RuleCounter, ...] = ()
    """The uses that this match counts as. They count at the time when the message was received."""
    spent: bool = False
    """The rule has a reply, but this subscriber has already got it as often as ``once`` allows."""
    recovered: str | None = None
    """Why the rule's own texts could not be rendered. Its ``on_error`` was carried out instead."""


@value_object
class Decision:
    """The decision of the rules about one message."""

    fired: tuple[FiredRule, ...]
    """Empty: no rule matched, and the message goes to the default chat."""
    rules_version: str
