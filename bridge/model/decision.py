"""What the rules say about a message; pure wishes, before any guard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from bridge.model.base import Ms
from bridge.model.contact import RuleCounter
from bridge.value import value_object


@value_object
class Forward:
    """A rule's wish to show the message in a chat of the configuration."""

    chat: str
    note: str = ""
    silent: bool = False


@value_object
class Reply:
    """A rule's wish to answer by SMS, rendered."""

    text: str
    sender_name: str | None = None
    ttl: Ms | None = None
    confirms_opt_out: bool = False
    """The one text that a number still gets after this very message has opted it out."""


class OptOutEffect(StrEnum):
    """What a rule wants done about automatic texts to the sender."""

    OUT = "out"
    IN = "in"
    ASK_OUT = "ask_out"
    """The text was not clear enough ("Стоп, спасибо"): a person is to decide, nothing is sent."""
    ASK_IN = "ask_in"


@value_object
class ContactEffect:
    """What a rule wants changed of what is known of the sender."""

    opt: OptOutEffect | None = None
    tag: tuple[str, ...] = ()
    untag: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)


@value_object
class FiredRule:
    """One rule that matched and what it wants, in file order."""

    rule: str
    file: str
    line: int
    replies: tuple[Reply, ...] = ()
    forwards: tuple[Forward, ...] = ()
    drop: bool = False
    error: str | None = None
    """The template could not be rendered: nothing of this rule is sent, the default chat gets the message and this."""
    contact: ContactEffect | None = None
    counted: tuple[RuleCounter, ...] = ()
    """What is to be counted of this match, with the time of receipt."""
    spent: bool = False
    """There is a reply, but this sender has had it as often as ``once`` allows."""
    recovered: str | None = None
    """Why the rule's own texts could not be made; what it does here is its ``on_error``."""


@value_object
class Decision:
    """What the rules say about one message; pure, before any guard."""

    fired: tuple[FiredRule, ...]
    """Empty where nothing matched: the message goes to the default chat and is counted."""
    rules_version: str
