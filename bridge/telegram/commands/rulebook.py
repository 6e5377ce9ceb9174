"""What commands need of the rules in force: to read them, and to have them loaded anew. ``app`` passes it in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridge.errors import Problem
from bridge.rules import RuleSet


class Reloaded(Protocol):
    """What came of loading the rules anew."""

    @property
    def version(self) -> str:
        """Of the rules that are in force now."""

    @property
    def changed(self) -> bool: ...

    @property
    def rules(self) -> int: ...

    @property
    def problems(self) -> Sequence[Problem]:
        """Why the old ones stay; empty where they were loaded."""


class Rulebook(Protocol):
    @property
    def rules(self) -> RuleSet:
        """Those in force; asked for once for each piece of work."""

    async def reload(self) -> Reloaded:
        """Load the files as they are now; a set with a mistake leaves the old one in force. Never raises."""
