"""What is known of a subscriber, and what is counted of rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from bridge.model.base import Ms
from bridge.value import value_object


@value_object
class Contact:
    """What is known of a subscriber. ``version`` grows with every change and with every automatic reply."""

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
    """What rules have ``set``; ``language`` chooses among the texts of a reply."""
    robot_off: bool = False
    """A person switched automatic replies off for this number. A person switches them on again."""


@value_object
class RecentReply:
    """An automatic reply that counts against the guards' budgets."""

    at: Ms
    text: str


class RuleCounter(StrEnum):
    """What is counted of a rule, for its ``limit`` and its ``once``."""

    MATCH = "match"
    REPLY = "reply"


@value_object
class RuleUse:
    """A match or a reply of a rule that counts them."""

    rule: str
    what: RuleCounter
    at: Ms
    """When the message was received."""


@value_object
class ContactChange:
    """What is known of a subscriber from now on."""

    opted_out: bool
    tags: tuple[str, ...]
    values: Mapping[str, str]
