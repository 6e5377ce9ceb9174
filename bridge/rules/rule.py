"""A compiled rule: its conditions, and the actions that follow if all of them hold."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.rules.actions import Actions
from bridge.rules.conditions.base import Condition, all_within
from bridge.rules.conditions.expression import TextFits
from bridge.rules.conditions.keyword import BeginsWithKeyword
from bridge.rules.conditions.limit import WithinLimit
from bridge.rules.keywords import Keyword, Spelling
from bridge.rules.schedule import Campaign, Phase
from bridge.rules.templates import Template
from bridge.text.patterns import Pattern
from bridge.value import value_object

Prefix = tuple[str, ...]
"""The folded words of a prefix; empty: no prefix."""


@value_object
class Rule:
    """A rule of a file. It was checked and has no mistakes."""

    name: str
    file: str
    line: int
    enabled: bool
    prefix: Prefix
    conditions: tuple[Condition, ...]
    """All of these must hold, as well as the prefix."""
    actions: Actions
    continues: bool
    """``continue``: the search goes on with the rules after this one."""
    campaign: Campaign | None = None
    before: Actions | None = None
    """The actions before the campaign; None: those of the campaign itself."""
    after: Actions | None = None
    groups: tuple[str, ...] = ()
    """The named groups of its expressions, which its templates may use."""
    limit: WithinLimit | None = None

    def actions_in(self, phase: Phase) -> Actions:
        instead = {Phase.BEFORE: self.before, Phase.AFTER: self.after}.get(phase)
        return self.actions if instead is None else instead

    def all_actions(self) -> Iterator[Actions]:
        """The actions for every phase and for a failure."""
        for actions in (self.actions, self.actions.on_error, self.before, self.after):
            if actions is not None:
                yield actions

    def templates(self) -> Iterator[Template]:
        """Every text of the rule that may hold a placeholder."""
        for actions in (self.actions, self.before, self.after):
            if actions is not None:
                yield from actions.templates()

    @property
    def keyword(self) -> BeginsWithKeyword | None:
        """The ``keyword`` directly under ``when``."""
        return next((one for one in self.conditions if isinstance(one, BeginsWithKeyword)), None)

    @property
    def keywords(self) -> tuple[Keyword, ...]:
        """The keywords directly under ``when``."""
        return self.keyword.keywords if self.keyword is not None else ()

    def spellings(self) -> Iterator[tuple[Spelling, str]]:
        """Every keyword of the rule, at any depth, with each spelling that is forgiven for it."""
        for condition in all_within(self.conditions):
            if isinstance(condition, BeginsWithKeyword):
                yield from condition.needs

    def patterns(self) -> Iterator[Pattern]:
        """Every ``text`` of the rule, at any depth."""
        for condition in all_within(self.conditions):
            if isinstance(condition, TextFits):
                yield condition.pattern
