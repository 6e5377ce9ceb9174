"""What rules are checked against and what they are asked about: the only ways by which the outside gets in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, tzinfo

from bridge.frozen import frozen
from bridge.model import Ms


@frozen
class RuleContext:
    """The part of the configuration that rules may refer to."""

    chats: frozenset[str]
    """Names that ``forward`` may use."""
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Named lists of numbers for ``from`` and ``to``."""
    region: str = "RU"
    accounts: frozenset[str] | None = None
    """Names that ``account`` may use; None: not checked."""
    timezone: tzinfo = UTC
    """What the template variable ``date`` is written in."""


@frozen
class RuleMessage:
    """An inbound message as rules see it."""

    text: str
    sender: str
    """As the platform wrote it."""
    subscriber: str
    """Normalised; what ``from`` is compared with."""
    receiver: str = ""
    prefix: str = ""
    account: str = ""
    date: Ms | None = None
    """The platform's time of the message; None: the time of receipt stands in for it."""
    contact_name: str = ""
