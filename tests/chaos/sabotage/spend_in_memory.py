"""Counts the parts of automatic replies in memory and not in the store: a new process begins at zero."""

from __future__ import annotations

from collections import Counter

from bridge.store.repositories import contacts, inbox
from bridge.store.transaction import Tx

_parts: Counter[str] = Counter()


def spent(tx: Tx, day: str) -> int:
    return _parts[day]


class InMemory(contacts.SpendBudget):
    def write(self) -> None:
        _parts.update(self._added)


def apply() -> None:
    contacts.spent_parts = spent
    inbox.spent_parts = spent  # type: ignore[attr-defined]
    inbox.SpendBudget = InMemory  # type: ignore[attr-defined]
