"""What the rules say about a message, before any guard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from bridge.model.base import Ms
from bridge.model.contact import ContactChange, RuleCounter
from bridge.value import value_object


@value_object
class Forward:
    """A rule shows the message in a chat of the configuration."""

    chat: str
    note: str = ""
    silent: bool = False


@value_object
class Reply:
    """A rule answers by SMS. The text is rendered."""

    text: str
    sender_name: str | None = None
    ttl: Ms | None = None
    confirms_opt_out: bool = False
    """A number still gets this one text after the message has opted it out."""


class OptOutEffect(StrEnum):
    """What a rule does about automatic texts to the subscriber."""

    OUT = "out"
    IN = "in"
    ASK_OUT = "ask_out"
    """The text was not clear enough ("Стоп, спасибо"): nothing is sent, and a person decides."""
    ASK_IN = "ask_in"


@value_object
class ContactEffect:
    """What a rule changes of what is known of the subscriber."""

    opt: OptOutEffect | None = None
    tag: tuple[str, ...] = ()
    untag: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)

    def applied_to(self, before: ContactChange) -> ContactChange:
        """What is known of the subscriber after the effect."""
        tags = dict.fromkeys((*before.tags, *self.tag))
        return ContactChange(
            opted_out=self.opted_out(before.opted_out),
            tags=tuple(tag for tag in tags if tag not in self.untag),
            values={**before.values, **self.values},
        )

    def opted_out(self, before: bool) -> bool:
        """Whether the subscriber has opted out after the effect."""
        return {OptOutEffect.OUT: True, OptOutEffect.IN: False}.get(self.opt, before) if self.opt else before


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
    """Why the template could not be rendered. The rule sends nothing; the default chat gets message and error."""
    contact: ContactEffect | None = None
    counted: tuple[RuleCounter, ...] = ()
    """What this match counts as, at the time of receipt."""
    spent: bool = False
    """The rule has a reply, but this subscriber got it as often as ``once`` allows."""
    recovered: str | None = None
    """Why the rule's own texts could not be rendered; its ``on_error`` was done instead."""


@value_object
class Decision:
    """What the rules say about one message."""

    fired: tuple[FiredRule, ...]
    """Empty: no rule matched, and the message goes to the default chat."""
    rules_version: str
