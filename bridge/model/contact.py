"""What is known of a subscriber."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from bridge.frozen import frozen
from bridge.model.base import Ms


@frozen
class Contact:
    """What is known of a subscriber. ``version`` grows with every change and with every automatic reply."""

    subscriber: str
    version: int
    first_seen_at: Ms | None = None
    name: str = ""
    opted_out: bool = False
    blocked: bool = False
    robot_paused_until: Ms = 0
    """Automatic replies are held back until then: a person took over."""
    tags: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    """What rules have ``set``; ``language`` chooses among the texts of a reply."""
    robot_off: bool = False
    """A person switched automatic replies off for this number, until one switches them on again."""


@frozen
class RecentReply:
    """An automatic reply that counts against the guards' budgets."""

    at: Ms
    text: str


class Counted(StrEnum):
    """What of a rule is counted, for its ``limit`` and its ``once``."""

    MATCH = "match"
    REPLY = "reply"


@frozen
class Use:
    """A match or a reply of a rule that counts them."""

    rule: str
    what: Counted
    at: Ms
    """The time of receipt of the message."""


@frozen
class ContactChange:
    """What is known of a subscriber from now on."""

    opted_out: bool
    tags: tuple[str, ...]
    values: Mapping[str, str]
