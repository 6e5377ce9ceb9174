"""The input of the rules: the configuration they are checked against, and the message they decide about.

Rules see nothing else of the program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, tzinfo
from typing import Final

from bridge.model.base import Ms
from bridge.model.contact import RuleCounter
from bridge.rules.schedule import Hours
from bridge.value import value_object

LANGUAGE_VALUE: Final = "language"
"""The value of a contact that chooses among the texts of a reply: ``set: {language: en}``."""


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
    """Time zone of the template variable ``date``, and of ``from_date`` and ``until_date``."""
    hours: Mapping[str, Hours] = field(default_factory=dict)
    """Named working hours for ``hours``."""
    language: str = ""
    """Language of replies to a contact whose language is unknown; empty: the first language of each reply."""


@value_object
class ContactFacts:
    """The facts about the sender that conditions and templates may use."""

    tags: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    """The values that rules have ``set``."""
    language: str = ""
    first_time: bool = False
    """This is the first message from this number."""
    opted_out: bool = False
    blocked: bool = False


@value_object
class Uses:
    """The earlier uses of each rule, as far back as :attr:`RuleSet.counting` asks."""

    by_sender: Mapping[tuple[str, RuleCounter], tuple[Ms, ...]] = field(default_factory=dict)
    """The times at which this sender increased a counter of a rule, by the name of the rule and the counter."""
    totals: Mapping[str, int] = field(default_factory=dict)
    """The matches of a rule for all senders, within the period of its ``limit``, by the name of the rule."""

    def of_sender(self, rule: str, what: RuleCounter, since: Ms) -> int:
        """How often this sender increased the counter after ``since``."""
        return sum(at > since for at in self.by_sender.get((rule, what), ()))


@value_object
class Counting:
    """Which counters must be read before a decision, and how far back, so that the limits of rules hold."""

    sender: Ms = 0
    """How far back the uses of one sender count, in milliseconds; 0: no rule counts them."""
    totals: Mapping[str, Ms] = field(default_factory=dict)
    """The period of each rule whose ``limit`` is for all senders together, in milliseconds, by the name of the rule."""


@value_object
class RuleMessage:
    """An inbound message as rules see it."""

    text: str
    sender: str
    """As the platform wrote it."""
    subscriber: str
    """The sender's number, normalised. ``from`` is compared with it."""
    receiver: str = ""
    prefix: str = ""
    account: str = ""
    date: Ms | None = None
    """The time of the message, as the platform gives it; None: the time of receipt is used."""
    contact_name: str = ""
    id: int = 0
    """The id of the message. It chooses among several texts of a reply."""
    contact: ContactFacts = ContactFacts()
    conversation_open: bool = False
    """A person of the team wrote to this number within ``guards.takeover``."""
    uses: Uses = Uses()
