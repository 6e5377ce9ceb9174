"""The conditions of a rule that the index does not already answer. Each is a value with one question.

``prefix`` and ``keyword`` are answered by :mod:`bridge.rules.index`, so that their cost does not grow
with the rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bridge.frozen import frozen
from bridge.rules.context import RuleMessage
from bridge.rules.numbers import Numbers
from bridge.text.folding import Folded


@frozen
class View:
    """A message as one rule sees it: with a prefix, the text begins after it."""

    message: RuleMessage
    seen: Folded
    words: tuple[str, ...]
    """Folded words of ``seen``."""
    receiver: str
    """The number written to, normalised."""


class Condition(Protocol):
    def holds(self, view: View) -> bool: ...


@dataclass(frozen=True, slots=True)
class Only:
    """The keyword stands alone."""

    def holds(self, view: View) -> bool:
        return len(view.words) == 1


@dataclass(frozen=True, slots=True)
class Contains:
    """One of these phrases stands somewhere, word for word."""

    phrases: tuple[tuple[str, ...], ...]

    def holds(self, view: View) -> bool:
        return any(_stands_in(phrase, view.words) for phrase in self.phrases)


@dataclass(frozen=True, slots=True)
class From:
    numbers: Numbers

    def holds(self, view: View) -> bool:
        return view.message.subscriber in self.numbers


@dataclass(frozen=True, slots=True)
class To:
    numbers: Numbers

    def holds(self, view: View) -> bool:
        return view.receiver in self.numbers


@dataclass(frozen=True, slots=True)
class Account:
    names: frozenset[str]

    def holds(self, view: View) -> bool:
        return view.message.account in self.names


def _stands_in(phrase: tuple[str, ...], words: tuple[str, ...]) -> bool:
    if len(phrase) == 1:
        return phrase[0] in words
    size = len(phrase)
    return any(words[at : at + size] == phrase for at in range(len(words) - size + 1))
