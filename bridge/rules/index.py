"""Finding the rules worth asking, so that 10,000 keywords cost what 10 do.

A message has one first word, and one more behind a prefix that holds. Rules with a keyword are looked up by
these, all others are asked one after the other; both come out merged, in the order of the files.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from bridge.frozen import frozen
from bridge.rules.actions import Actions
from bridge.rules.conditions import Condition
from bridge.text import folding
from bridge.text.folding import Folded

_K = TypeVar("_K", bound=Hashable)

Prefix = tuple[str, ...]
"""The folded words of a prefix; empty: none."""


@frozen
class Keyword:
    folded: str
    written: str


@frozen
class Rule:
    """A rule ready to be asked."""

    name: str
    file: str
    line: int
    enabled: bool
    prefix: Prefix
    keywords: tuple[Keyword, ...]
    conditions: tuple[Condition, ...]
    """What must hold beside prefix and keyword."""
    actions: Actions
    goes_on: bool
    """``continue``: rules after this one are asked as well."""


@frozen
class Index:
    """Positions of enabled rules, ascending, by what they need first."""

    always: tuple[int, ...]
    by_prefix: Mapping[Prefix, tuple[int, ...]]
    """Rules with a prefix and no keyword."""
    by_keyword: Mapping[tuple[Prefix, str], tuple[int, ...]]
    prefixes: frozenset[Prefix]
    longest_prefix: int
    """In words."""

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> Index:
        always: list[int] = []
        by_prefix: defaultdict[Prefix, list[int]] = defaultdict(list)
        by_keyword: defaultdict[tuple[Prefix, str], list[int]] = defaultdict(list)
        for position, rule in enumerate(rules):
            if not rule.enabled:
                continue
            if rule.keywords:
                for folded in dict.fromkeys(keyword.folded for keyword in rule.keywords):
                    by_keyword[rule.prefix, folded].append(position)
            elif rule.prefix:
                by_prefix[rule.prefix].append(position)
            else:
                always.append(position)
        prefixes = frozenset(rule.prefix for rule in rules if rule.enabled and rule.prefix)
        return cls(
            always=tuple(always),
            by_prefix=_frozen(by_prefix),
            by_keyword=_frozen(by_keyword),
            prefixes=prefixes,
            longest_prefix=max(map(len, prefixes), default=0),
        )

    def prefix_of(self, parameter: str, text: Folded) -> Prefix:
        """The one prefix that holds for a message, or the empty one.

        The platform's parameter decides where there is one; else the longest prefix the text begins with.
        """
        if not self.prefixes:
            return ()
        if parameter.strip():
            named = tuple(word.folded for word in folding.analyse(parameter).words)
            return named if named in self.prefixes else ()
        begins = tuple(word.folded for word in text.words[: self.longest_prefix])
        for size in range(len(begins), 0, -1):
            if begins[:size] in self.prefixes:
                return begins[:size]
        return ()

    def candidates(self, prefix: Prefix, whole: str | None, behind: str | None) -> Iterator[int]:
        """Positions of the rules whose prefix and keyword hold, in the order of the files.

        :param whole: the first folded word of the text.
        :param behind: the first one behind the prefix.
        """
        found: list[Iterable[int]] = [self.always]
        if whole is not None:
            found.append(self.by_keyword.get(((), whole), ()))
        if prefix:
            found.append(self.by_prefix.get(prefix, ()))
            if behind is not None:
                found.append(self.by_keyword.get((prefix, behind), ()))
        return heapq.merge(*found)


def without_prefix(prefix: Prefix, text: Folded, *, named: bool) -> Folded:
    """The text behind the prefix; the whole text where the prefix does not stand at its beginning.

    :param named: the platform itself said that the message came by this prefix. Then it may also be glued to
        the next word ("7722голос"): the platform looks at characters, not at words.
    """
    if tuple(word.folded for word in text.words[: len(prefix)]) == prefix:
        return folding.analyse(text.after(len(prefix)))
    if not named or len(prefix) != 1 or not text.words or not text.words[0].folded.startswith(prefix[0]):
        return text
    first = text.words[0]
    for cut in range(first.start + 1, min(first.end, first.start + 4 * len(prefix[0]))):
        if folding.fold(text.original[first.start : cut]) == prefix[0]:
            return folding.analyse(text.original[cut:])
    return text


def _frozen(lists: Mapping[_K, list[int]]) -> Mapping[_K, tuple[int, ...]]:
    return {key: tuple(positions) for key, positions in lists.items()}
