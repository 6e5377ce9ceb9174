"""The conditions of a rule. Each is a value with one question, and says why the answer was yes or no.

``prefix`` alone is answered by :mod:`bridge.rules.index`: it decides which text a rule sees at all. What a condition
needs to be worth asking (a keyword, a word, an expression that fits) it tells the index by :attr:`Condition.needs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Protocol

from bridge.model.base import Ms
from bridge.rules.context import RuleMessage
from bridge.rules.keywords import Hit, Spelling
from bridge.rules.number_patterns import Numbers
from bridge.text import folding
from bridge.text.folding import Folded
from bridge.text.patterns import Pattern
from bridge.value import value_object

WORD = "word"
PATTERN = "pattern"

Need = tuple[str, str]
"""Something that can be looked for in a message once for all rules: a spelling and a keyword, a word, a pattern."""
Needs = frozenset[Need] | None
"""A condition can only hold where one of these is found; None: nothing can be said beforehand."""


@value_object
class View:
    """A message as one rule sees it: with a prefix, the text begins after it."""

    message: RuleMessage
    seen: Folded
    words: tuple[str, ...]
    """Folded words of ``seen``."""
    hits: tuple[Hit, ...]
    """Keywords that ``seen`` begins with."""
    receiver: str
    """The number written to, normalised."""
    now: Ms

    @property
    def text(self) -> str:
        """What expressions are asked of: the original, trimmed."""
        return self.seen.after(0)


@value_object
class Found:
    """What the conditions of a rule have found on their way: it goes into templates and into later conditions."""

    hit: Hit | None = None
    groups: Mapping[str, str] = field(default_factory=dict)

    def args(self, view: View) -> str:
        return view.text if self.hit is None else self.hit.args(view.seen)

    def words(self, view: View) -> tuple[str, ...]:
        """The words of :meth:`args`, as they were written."""
        if self.hit is None or self.hit.end is None:
            seen, words = view.seen, view.seen.words[0 if self.hit is None else 1 :]
        else:
            seen = folding.analyse(view.seen.original[self.hit.end :])
            words = seen.words
        return tuple(seen.original[word.start : word.end] for word in words)


NOTHING = Found()
_SPELT = {
    Spelling.GLUED: "with a number beside it",
    Spelling.LAYOUT: "typed in the other keyboard layout",
    Spelling.TYPO: "with one wrong letter",
}


class Condition(Protocol):
    @property
    def needs(self) -> Needs: ...

    def met(self, view: View, found: Found) -> Found | None:
        """What is found now, if the condition holds; else None."""
        ...

    def why(self, view: View, found: Found) -> str:
        """Why it holds, for people: a key of the rule and what was there. Asked only where it does."""
        ...

    def why_not(self, view: View, found: Found) -> str:
        """Why it does not hold, for people: a key of the rule and what was there instead."""
        ...


@value_object
class Keywords:
    """The text begins with one of these words, spelt in one of the ways that the rule forgives."""

    spellings: Mapping[Spelling, frozenset[str]]
    written: tuple[str, ...]

    @property
    def needs(self) -> Needs:
        return frozenset((spelling, word) for spelling, words in self.spellings.items() for word in words)

    def met(self, view: View, found: Found) -> Found | None:
        for hit in view.hits:
            if hit.keyword in self.spellings.get(hit.spelling, ()):
                return Found(hit=hit, groups=found.groups)
        return None

    def why(self, view: View, found: Found) -> str:
        met = self.met(view, found)
        if met is None or met.hit is None:
            return ""
        if met.hit.spelling is Spelling.EXACT:
            return f"keyword: the first word is {met.hit.keyword}"
        return f"keyword: the text begins with {met.hit.keyword}, {_SPELT[met.hit.spelling]}"

    def why_not(self, view: View, found: Found) -> str:
        first = f"the first word is {view.words[0]}" if view.words else "there is no word"
        return f"keyword: {first}, not {_listed(self.written)}"


@value_object
class Only:
    """The keyword stands alone, but for words of courtesy where the rule puts these to a person."""

    besides: frozenset[str] = frozenset()
    """Folded words that may stand beside it."""
    needs: Needs = None

    def met(self, view: View, found: Found) -> Found | None:
        hit = found.hit
        if hit is None or hit.end is None:
            alone = len(view.words) <= 1 or self.besides.issuperset(view.words[1:])
        else:
            alone = all(word.folded in self.besides for word in hit.rest(view.seen))
        return found if alone else None

    def why(self, view: View, found: Found) -> str:
        rest = found.words(view)
        return f"only: but for {' '.join(rest)} the keyword stands alone" if rest else "only: the keyword stands alone"

    def why_not(self, view: View, found: Found) -> str:
        return "only: the keyword does not stand alone"


@value_object
class Contains:
    """One of these phrases stands somewhere, word for word."""

    phrases: tuple[tuple[str, ...], ...]
    written: tuple[str, ...]

    @property
    def needs(self) -> Needs:
        return frozenset((WORD, phrase[0]) for phrase in self.phrases)

    def met(self, view: View, found: Found) -> Found | None:
        return found if any(_stands_in(phrase, view.words) for phrase in self.phrases) else None

    def why(self, view: View, found: Found) -> str:
        stands = next(phrase for phrase in self.phrases if _stands_in(phrase, view.words))
        return f"contains: {' '.join(stands)} is in the text"

    def why_not(self, view: View, found: Found) -> str:
        return f"contains: none of {_listed(self.written)} in the text"


@value_object
class Text:
    """An expression fits the text."""

    pattern: Pattern

    @property
    def needs(self) -> Needs:
        return frozenset({(PATTERN, self.pattern.source)})

    def met(self, view: View, found: Found) -> Found | None:
        return _with_groups(found, self.pattern.search(view.text))

    def why(self, view: View, found: Found) -> str:
        return f"text: `{self.pattern.source}` fits"

    def why_not(self, view: View, found: Found) -> str:
        return f"text: `{self.pattern.source}` does not fit"


@value_object
class Args:
    """An expression fits what follows the keyword."""

    pattern: Pattern
    needs: Needs = None

    def met(self, view: View, found: Found) -> Found | None:
        return _with_groups(found, self.pattern.search(found.args(view)))

    def why(self, view: View, found: Found) -> str:
        return f"args: `{self.pattern.source}` fits `{found.args(view)}`"

    def why_not(self, view: View, found: Found) -> str:
        return f"args: `{self.pattern.source}` does not fit `{found.args(view)}`"


@value_object
class From:
    numbers: Numbers
    needs: Needs = None

    def met(self, view: View, found: Found) -> Found | None:
        return found if view.message.subscriber in self.numbers else None

    def why(self, view: View, found: Found) -> str:
        return f"from: {view.message.subscriber or 'the sender'} is one of these"

    def why_not(self, view: View, found: Found) -> str:
        return f"from: {view.message.subscriber or 'the sender'} is none of these"


@value_object
class To:
    numbers: Numbers
    needs: Needs = None

    def met(self, view: View, found: Found) -> Found | None:
        return found if view.receiver in self.numbers else None

    def why(self, view: View, found: Found) -> str:
        return f"to: {view.receiver or 'the number written to'} is one of these"

    def why_not(self, view: View, found: Found) -> str:
        return f"to: {view.receiver or 'the number written to'} is none of these"


@value_object
class Account:
    names: frozenset[str]
    needs: Needs = None

    def met(self, view: View, found: Found) -> Found | None:
        return found if view.message.account in self.names else None

    def why(self, view: View, found: Found) -> str:
        return f"account: it came by {view.message.account}"

    def why_not(self, view: View, found: Found) -> str:
        return f"account: it came by {view.message.account or 'none'}, not {_listed(sorted(self.names))}"


@value_object
class AllOf:
    """Each of these holds; what an earlier one found is known to the later ones."""

    parts: tuple[Condition, ...]

    @property
    def needs(self) -> Needs:
        return best_needs(self.parts)

    def met(self, view: View, found: Found) -> Found | None:
        return met_by(self.parts, view, found)

    def why(self, view: View, found: Found) -> str:
        return why(self.parts, view, found)

    def why_not(self, view: View, found: Found) -> str:
        return why_not(self.parts, view, found)


@value_object
class AnyOf:
    """One of these holds; the first that does says what is found."""

    parts: tuple[Condition, ...]

    @property
    def needs(self) -> Needs:
        together: frozenset[Need] = frozenset()
        for part in self.parts:
            if part.needs is None:
                return None
            together |= part.needs
        return together

    def met(self, view: View, found: Found) -> Found | None:
        return next((met for part in self.parts if (met := part.met(view, found)) is not None), None)

    def why(self, view: View, found: Found) -> str:
        return next(part.why(view, found) for part in self.parts if part.met(view, found) is not None)

    def why_not(self, view: View, found: Found) -> str:
        return f"any: {'; '.join(part.why_not(view, found) for part in self.parts)}"


@value_object
class NoneOf:
    part: Condition
    needs: Needs = None

    def met(self, view: View, found: Found) -> Found | None:
        return found if self.part.met(view, found) is None else None

    def why(self, view: View, found: Found) -> str:
        return f"not: {self.part.why_not(view, found)}"

    def why_not(self, view: View, found: Found) -> str:
        return f"not: {self.part.why(view, found)}"


def met_by(parts: Sequence[Condition], view: View, found: Found = NOTHING) -> Found | None:
    """What they find together, if all of them hold."""
    for part in parts:
        met = part.met(view, found)
        if met is None:
            return None
        found = met
    return found


def why(parts: Sequence[Condition], view: View, found: Found = NOTHING) -> str:
    """The reason of each, where all of them hold."""
    reasons: list[str] = []
    for part in parts:
        reasons.append(part.why(view, found))
        found = part.met(view, found) or found
    return "; ".join(reasons)


def why_not(parts: Sequence[Condition], view: View, found: Found = NOTHING) -> str:
    """The reason of the first that does not hold."""
    for part in parts:
        met = part.met(view, found)
        if met is None:
            return part.why_not(view, found)
        found = met
    return ""


_WORTH = (Spelling.EXACT, PATTERN, WORD)
"""What is rarest in messages comes first."""


def best_needs(parts: Sequence[Condition]) -> Needs:
    """Of conditions that must all hold, the one to look the rule up by."""
    known = [part.needs for part in parts if part.needs is not None]
    return min(known, key=_commonness, default=None)


def _commonness(needs: frozenset[Need]) -> int:
    kinds = {kind if kind in _WORTH else Spelling.EXACT for kind, _ in needs}
    return max((_WORTH.index(kind) for kind in kinds), default=0)


def _with_groups(found: Found, groups: Mapping[str, str] | None) -> Found | None:
    if not groups:
        return found if groups is not None else None
    return Found(hit=found.hit, groups={**found.groups, **groups})


def _stands_in(phrase: tuple[str, ...], words: tuple[str, ...]) -> bool:
    if len(phrase) == 1:
        return phrase[0] in words
    size = len(phrase)
    return any(words[at : at + size] == phrase for at in range(len(words) - size + 1))


def _listed(values: Sequence[str]) -> str:
    shown = ", ".join(values[:5])
    return f"{shown}, …" if len(values) > 5 else shown
