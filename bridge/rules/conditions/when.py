"""``when``: the keys of all conditions, and how they nest in ``any``, ``all`` and ``not``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, ValidationInfo

from bridge.rules.conditions.account import AccountKeys
from bridge.rules.conditions.base import Condition, Keys, Scope
from bridge.rules.conditions.contact import ContactKeys
from bridge.rules.conditions.contains import ContainsKeys
from bridge.rules.conditions.conversation import ConversationKeys
from bridge.rules.conditions.expression import ArgsKeys, TextKeys
from bridge.rules.conditions.groups import AllOf, AnyOf, NoneOf
from bridge.rules.conditions.hours import HoursKeys
from bridge.rules.conditions.keyword import KeywordKeys
from bridge.rules.conditions.limit import LimitEntry
from bridge.rules.conditions.number import FromKeys, ToKeys
from bridge.rules.conditions.only import OnlyKeys
from bridge.rules.values import NotEmpty, Phrase
from bridge.schema import Path

MAX_DEPTH: Final = 8
"""Most levels of ``any``, ``all`` and ``not`` within each other."""

Report = Callable[[Path, str], None]
"""Takes the path of a key and a message about it."""


def _only_directly(value: object, info: ValidationInfo) -> None:
    key = info.field_name
    raise ValueError(f"`{key}` stands directly under `when` and nowhere deeper: it is about the rule as a whole")


_OnlyDirectly = Annotated[None, BeforeValidator(_only_directly)]


class AllConditions(
    # In reverse: pydantic lists the keys of the last base first, and its condition is asked first.
    ConversationKeys,
    ContactKeys,
    HoursKeys,
    ArgsKeys,
    TextKeys,
    ContainsKeys,
    ToKeys,
    FromKeys,
    AccountKeys,
    OnlyKeys,
    KeywordKeys,
):
    """The keys of all conditions. All conditions that are given must hold."""

    any_: Annotated[tuple[ConditionEntry, ...], NotEmpty] | None = Field(default=None, alias="any")
    all_: Annotated[tuple[ConditionEntry, ...], NotEmpty] | None = Field(default=None, alias="all")
    not_: ConditionEntry | None = Field(default=None, alias="not")

    def conditions(self, scope: Scope) -> Iterator[Condition]:
        """All conditions that are given, in the order in which they are checked."""
        for keys in _IN_ORDER:
            if (condition := keys.condition(self, scope)) is not None:
                yield condition
        if self.all_:
            yield AllOf(parts=tuple(part.condition(scope) for part in self.all_))
        if self.any_:
            yield AnyOf(parts=tuple(part.condition(scope) for part in self.any_))
        if self.not_ is not None:
            yield NoneOf(part=self.not_.condition(scope))

    def condition(self, scope: Scope) -> Condition:
        """All conditions that are given, as one."""
        parts = tuple(self.conditions(scope))
        return parts[0] if len(parts) == 1 else AllOf(parts=parts)


_IN_ORDER: Final = tuple(keys for keys in reversed(AllConditions.__bases__) if issubclass(keys, Keys))


class ConditionEntry(AllConditions):
    """The conditions within ``any``, ``all`` or ``not``."""

    prefix: _OnlyDirectly = None
    limit: _OnlyDirectly = None


class WhenEntry(AllConditions):
    """The conditions of a rule. ``prefix`` and ``limit`` are about the rule as a whole."""

    prefix: Phrase | None = None
    limit: LimitEntry | None = None

    def conditions(self, scope: Scope) -> Iterator[Condition]:
        yield from super().conditions(scope)
        if self.limit is not None:
            yield self.limit.condition(scope)


def check(when: WhenEntry, path: Path, report: Report) -> None:
    """Report the mistakes of ``when`` that only several keys together show."""
    _check_depth(when, path, report)
    _check_keys(when, path, report, has_keyword=False)


def _check_keys(entry: AllConditions, path: Path, report: Report, *, has_keyword: bool) -> None:
    has_keyword = has_keyword or bool(entry.keyword)
    for keys in _IN_ORDER:
        for key, message in keys.mistakes(entry, has_keyword=has_keyword):
            report((*path, key), message)
    for at, part in enumerate(entry.any_ or ()):
        _check_keys(part, (*path, "any", at), report, has_keyword=has_keyword)
    known = has_keyword
    for at, part in enumerate(entry.all_ or ()):
        _check_keys(part, (*path, "all", at), report, has_keyword=known)
        known = known or bool(part.keyword)
    if entry.not_ is not None:
        _check_keys(entry.not_, (*path, "not"), report, has_keyword=has_keyword)


def _check_depth(when: AllConditions, path: Path, report: Report) -> None:
    for at in _nested(when, tuple(path)):
        if sum(isinstance(step, str) for step in at[len(path) :]) > MAX_DEPTH:
            report(at, f"is nested more than {MAX_DEPTH} levels deep; say it with fewer `any`, `all` and `not`")
            return


def _nested(entry: AllConditions, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """The path of the conditions and of those within them, at any depth."""
    yield path
    for key, parts in (("any", entry.any_), ("all", entry.all_)):
        for at, part in enumerate(parts or ()):
            yield from _nested(part, (*path, key, at))
    if entry.not_ is not None:
        yield from _nested(entry.not_, (*path, "not"))
