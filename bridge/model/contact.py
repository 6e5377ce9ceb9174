"""Facts about a subscriber, and the counted uses of rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from bridge.model.base import Ms
from bridge.value import value_object


@value_object
class Contact:
    """The facts about a subscriber. ``version`` grows with every change and with every automatic reply."""

    subscriber: str
    version: int
    first_seen_at: Ms | None = None
    name: str = ""
    opted_out: bool = False
    blocked: bool = False
    robot_paused_until: Ms = 0
    """A person took over: automatic replies are held back until then."""
    tags: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    """The values that rules ``set``. The value of ``language`` selects the text of a reply."""
    robot_off: bool = False
    """A person switched automatic replies off for this number. A person switches them on again."""


@value_object
class RecentReply:
    """An automatic reply that counts against the guards' budgets."""

    at: Ms
    text: str


class RuleCounter(StrEnum):
    """The kinds of uses of a rule that are counted, for its ``limit`` and its ``once``."""

    MATCH = "match"
    REPLY = "reply"


@value_object
class RuleUse:
    """One counted use of a rule: a match or a reply."""

    rule: str
    what: RuleCounter
    at: Ms
    """When the message that the rule was used for was received."""


@value_object
class ContactChange:
    """The new values of the facts that rules can change about a subscriber."""

    opted_out: bool
    tags: tuple[str, ...]
    values: Mapping[str, str]
