"""Finding the rules worth asking, so that 10,000 of them cost what 10 do.

Keywords, words and expressions are looked for in a message once, for all rules together. A rule that needs one of
them is only asked where it was found; all others are asked one after the other. Both come out merged, in the order
of the files.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from bridge.rules.actions import Actions
from bridge.rules.conditions import PATTERN, WORD, Condition, Need, View, best_needs
from bridge.rules.keywords import Hit, Keyword, Spelling, Vocabulary
from bridge.rules.schedule import Campaign, Phase
from bridge.text import folding
from bridge.text.folding import Folded
from bridge.text.patterns import Pattern, PatternSets
from bridge.value import value_object

_K = TypeVar("_K", bound=Hashable)

Prefix = tuple[str, ...]
"""The folded words of a prefix; empty: none."""


@value_object
class Rule:
    """A rule ready to be asked."""

    name: str
    file: str
    line: int
    enabled: bool
    prefix: Prefix
    keywords: tuple[Keyword, ...]
    """Those directly under ``when``; :attr:`conditions` has them, too."""
    heard: frozenset[tuple[Spelling, str]]
    """Every keyword of the rule, also within ``any`` and ``not``, with the spellings it forgives."""
    patterns: tuple[Pattern, ...]
    """Every ``text`` of the rule."""
    conditions: tuple[Condition, ...]
    """What must hold beside the prefix."""
    actions: Actions
    goes_on: bool
    """``continue``: rules after this one are asked as well."""
    campaign: Campaign | None = None
    before: Actions | None = None
    after: Actions | None = None
    groups: tuple[str, ...] = ()
    """Names that its expressions may put into templates."""
    per_sender: tuple[int, int] | None = None
    """Its ``limit``: how often, in how many milliseconds."""
    total: tuple[int, int] | None = None

    def actions_in(self, phase: Phase) -> Actions:
        instead = {Phase.BEFORE: self.before, Phase.AFTER: self.after}.get(phase)
        return self.actions if instead is None else instead


@value_object
class Index:
    """Positions of enabled rules, ascending, by what they need first."""

    always: tuple[int, ...]
    by_prefix: Mapping[Prefix, tuple[int, ...]]
    """Rules with a prefix that need nothing that can be looked for."""
    by_need: Mapping[tuple[Prefix, Need], tuple[int, ...]]
    prefixes: frozenset[Prefix]
    longest_prefix: int
    """In words."""
    vocabulary: Vocabulary
    needs_words: bool
    """Whether any rule is looked up by a word that may stand anywhere."""
    sources: tuple[str, ...]
    """The expressions of :attr:`patterns`, by which rules are looked up."""
    patterns: PatternSets

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> Index:
        always: list[int] = []
        by_prefix: defaultdict[Prefix, list[int]] = defaultdict(list)
        by_need: defaultdict[tuple[Prefix, Need], list[int]] = defaultdict(list)
        for position, rule in enumerate(rules):
            if not rule.enabled:
                continue
            needs = best_needs(rule.conditions)
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
        patterns = {p.source: p for rule in enabled for p in rule.patterns if (PATTERN, p.source) in used}
        return cls(
            always=tuple(always),
            by_prefix=_frozen(by_prefix),
            by_need=_frozen(by_need),
            prefixes=prefixes,
            longest_prefix=max(map(len, prefixes), default=0),
            vocabulary=Vocabulary.of(pair for rule in enabled for pair in rule.heard),
            needs_words=any(kind == WORD for kind, _ in used),
            sources=tuple(patterns),
            patterns=PatternSets.of(tuple(patterns.values())),
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

    def candidates(self, prefix: Prefix, whole: View, behind: View) -> Iterator[int]:
        """Positions of the rules that may match, each once, in the order of the files.

        :param behind: the message as rules with ``prefix`` see it.
        """
        found = [self.always] if self.always else []
        found += self._needing((), whole)
        if prefix:
            if (rules := self.by_prefix.get(prefix)) is not None:
                found.append(rules)
            found += self._needing(prefix, behind)
        return iter(found[0]) if len(found) == 1 else _each_once(heapq.merge(*found))

    def _needing(self, prefix: Prefix, view: View) -> list[tuple[int, ...]]:
        get = self.by_need.get
        needs: list[Need] = [(hit.spelling, hit.keyword) for hit in view.hits]
        if self.needs_words:
            needs += [(WORD, word) for word in dict.fromkeys(view.words)]
        if self.sources:
            needs += [(PATTERN, self.sources[at]) for at in self.patterns.fitting(view.text)]
        return [rules for need in needs if (rules := get((prefix, need))) is not None]


def hear(vocabulary: Vocabulary, seen: Folded) -> tuple[Hit, ...]:
    """The keywords a text begins with; nothing is looked for where no rule has any."""
    return vocabulary.hear(seen) if vocabulary.known else ()


def without_prefix(prefix: Prefix, text: Folded, *, named: bool) -> Folded:
    """The text behind the prefix; the whole text where the prefix does not stand at its beginning.

    :param named: the platform itself said that the message came by this prefix. Then it may also be glued to
        the next word ("7722голос"): the platform looks at characters, not at words.
    """
    if tuple(word.folded for word in text.words[: len(prefix)]) == prefix:
        return folding.analyse(text.after(len(prefix)))
    if not named or len(prefix) != 1 or not text.words or not text.words[0].folded.startswith(prefix[0]):
        return text
    cut = folding.head_end(text.original, text.words[0], prefix[0])
    return text if cut is None else folding.analyse(text.original[cut:])


def _each_once(positions: Iterable[int]) -> Iterator[int]:
    last = -1
    for position in positions:
        if position != last:
            yield position
        last = position


def _frozen(lists: Mapping[_K, list[int]]) -> Mapping[_K, tuple[int, ...]]:
    return {key: tuple(positions) for key, positions in lists.items()}
