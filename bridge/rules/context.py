"""What rules are checked against and what they are asked about: the only ways by which the outside gets in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, tzinfo

from bridge.model.base import Ms
from bridge.model.contact import RuleCounter
from bridge.rules.schedule import Hours
from bridge.value import value_object


@value_object
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
    """What the template variable ``date`` is written in, and ``from_date`` and ``until_date`` are read in."""
    hours: Mapping[str, Hours] = field(default_factory=dict)
    """Named windows for ``hours``."""
    language: str = ""
    """Of a reply with several, the one for a contact whose language nobody knows; empty: the first."""


@value_object
class ContactFacts:
    """What conditions and texts may know of the sender."""

    tags: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    """What rules have ``set``."""
    language: str = ""
    first_time: bool = False
    """Nothing came from this number before."""
    opted_out: bool = False
    blocked: bool = False


@value_object
class Uses:
    """How often rules were counted before this message: what :attr:`RuleSet.counting` asks for."""

    by_sender: Mapping[tuple[str, RuleCounter], tuple[Ms, ...]] = field(default_factory=dict)
    """For a rule's name and what was counted: when, for this sender."""
    totals: Mapping[str, int] = field(default_factory=dict)
    """For a rule's name: its matches for all senders within the period of its own limit."""

    def of_sender(self, rule: str, what: RuleCounter, since: Ms) -> int:
        """How often within the time after ``since``."""
        return sum(at > since for at in self.by_sender.get((rule, what), ()))


@value_object
class Counting:
    """What must be read before a message is decided, so that limits hold."""

    sender: Ms = 0
    """How far back the uses of one sender matter; 0: not at all."""
    totals: Mapping[str, Ms] = field(default_factory=dict)
    """Rules limited over all senders, each with its period."""


@value_object
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
    id: int = 0
    """Of a list of replies it chooses the one."""
    contact: ContactFacts = ContactFacts()
    conversation_open: bool = False
    """A person of the team wrote to this number within ``guards.takeover``."""
    uses: Uses = Uses()
