"""Finds the rules that may match a message. A decision among 10,000 rules then costs as much as one among ten.

The index looks for keywords, words and expressions in a message once, for all rules together. A rule that needs one of
them is a candidate only if it was found. Every other rule is always a candidate. Candidates come in the order of the
files.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from bridge.rules.conditions.base import PATTERN, WORD, Need, View, rarest_needs
from bridge.rules.keywords import Vocabulary
from bridge.rules.rule import Prefix, Rule
from bridge.text import folding
from bridge.text.folding import FoldedText
from bridge.text.patterns import PatternSets
from bridge.value import value_object

_K = TypeVar("_K", bound=Hashable)


@value_object
class Index:
    """Positions of the enabled rules, ascending, grouped by what a message must contain for the rule to match."""

    always: tuple[int, ...]
    """Rules without a prefix and without a need: candidates for every message."""
    by_prefix: Mapping[Prefix, tuple[int, ...]]
    """Rules that need the prefix and nothing else of the text."""
    by_need: Mapping[tuple[Prefix, Need], tuple[int, ...]]
    prefixes: frozenset[Prefix]
    longest_prefix: int
    """In words."""
    vocabulary: Vocabulary
    needs_words: bool
    """Whether any rule is found by a word that may stand anywhere."""
    sources: tuple[str, ...]
    """The expressions of :attr:`patterns`, as keys of :attr:`by_need`."""
    patterns: PatternSets

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> Index:
        always: list[int] = []
        by_prefix: defaultdict[Prefix, list[int]] = defaultdict(list)
        by_need: defaultdict[tuple[Prefix, Need], list[int]] = defaultdict(list)
        for position, rule in enumerate(rules):
            if not rule.enabled:
                continue
            needs = rarest_needs(rule.conditions)
            if needs is not None:
                for need in sorted(needs):
                    by_need[rule.prefix, need].append(position)
            elif rule.prefix:
                by_prefix[rule.prefix].append(position)
            else:
                always.append(position)
        enabled = [rule for rule in rules if rule.enabled]
        prefixes = frozenset(rule.prefix for rule in enabled if rule.prefix)
        used = {need for _, need in by_need}
        patterns = {p.source: p for rule in enabled for p in rule.patterns() if (PATTERN, p.source) in used}
        return cls(
            always=tuple(always),
            by_prefix=_frozen(by_prefix),
            by_need=_frozen(by_need),
            prefixes=prefixes,
            longest_prefix=max(map(len, prefixes), default=0),
            vocabulary=Vocabulary.of(pair for rule in enabled for pair in rule.spellings()),
            needs_words=any(kind == WORD for kind, _ in used),
            sources=tuple(patterns),
            patterns=PatternSets.of(tuple(patterns.values())),
        )

    def prefix_of(self, parameter: str, text: FoldedText) -> Prefix:
        """The prefix of a message; empty: the message has none that a rule names.

        If the platform gave the parameter, it alone decides. Otherwise the longest prefix at the beginning of the text
        is taken.
        """
        if not self.prefixes:
            return ()
        if parameter.strip():
            named = folding.folded_words(parameter)
            return named if named in self.prefixes else ()
        begins = tuple(word.folded for word in text.words[: self.longest_prefix])
        for size in range(len(begins), 0, -1):
            if begins[:size] in self.prefixes:
                return begins[:size]
        return ()

    def candidates(self, prefix: Prefix, whole: View, after_prefix: View) -> Iterator[int]:
        """Positions of the rules that may match, each once, in the order of the files.

        :param whole: the message as rules without a prefix see it.
        :param after_prefix: the message as rules with ``prefix`` see it.
        """
        found = [self.always] if self.always else []
        found += self._needing((), whole)
        if prefix:
            if (rules := self.by_prefix.get(prefix)) is not None:
                found.append(rules)
            found += self._needing(prefix, after_prefix)
        return iter(found[0]) if len(found) == 1 else _each_once(heapq.merge(*found))

    def _needing(self, prefix: Prefix, view: View) -> list[tuple[int, ...]]:
        get = self.by_need.get
        needs: list[Need] = [(match.spelling, match.keyword) for match in view.keywords]
        if self.needs_words:
            needs += [(WORD, word) for word in dict.fromkeys(view.words)]
        if self.sources:
            needs += [(PATTERN, self.sources[at]) for at in self.patterns.fitting(view.text)]
        return [rules for need in needs if (rules := get((prefix, need))) is not None]


def without_prefix(prefix: Prefix, text: FoldedText, *, named: bool) -> FoldedText:
    """The text after the prefix; the whole text if it does not begin with the prefix.

    :param named: the platform named the prefix in its call. Then the prefix may also be glued to the next word
        ("7722голос"): the platform compares characters, not words.
    """
    if tuple(word.folded for word in text.words[: len(prefix)]) == prefix:
        return folding.analyse(text.after(len(prefix)))
    if not named or len(prefix) != 1 or not text.words or not text.words[0].folded.startswith(prefix[0]):
        return text
    cut = folding.end_of_prefix(text.original, text.words[0], prefix[0])
    return text if cut is None else folding.analyse(text.original[cut:])


def _each_once(positions: Iterable[int]) -> Iterator[int]:
    last = -1
    for position in positions:
        if position != last:
            yield position
        last = position


def _frozen(lists: Mapping[_K, list[int]]) -> Mapping[_K, tuple[int, ...]]:
    return {key: tuple(positions) for key, positions in lists.items()}
