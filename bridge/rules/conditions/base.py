"""The base classes of every condition: the keys that a person writes, and the question about a message."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from bridge.model.base import Ms
from bridge.rules.context import RuleContext, RuleMessage
from bridge.rules.keywords import KeywordMatch, Spelling
from bridge.rules.reasons import Reason
from bridge.rules.values import Strict
from bridge.text import folding
from bridge.text.folding import FoldedText
from bridge.value import value_object

WORD = "word"
PATTERN = "pattern"

Need = tuple[str, str]
"""A keyword, word or expression that a message must contain, after its kind (a spelling, :data:`WORD` or
:data:`PATTERN`). The index searches a message for it once for all rules."""
Needs = frozenset[Need] | None
"""A condition can only hold if the message contains one of these; None: the index cannot help."""


@value_object
class View:
    """A message as one rule sees it: for a rule with a prefix, the text begins after the prefix."""

    message: RuleMessage
    folded: FoldedText
    words: tuple[str, ...]
    """The folded words of the text."""
    keywords: tuple[KeywordMatch, ...]
    """The keywords that the text may begin with."""
    receiver: str
    """The number that the subscriber wrote to, normalised."""
    now: Ms

    @property
    def text(self) -> str:
        """The original text, trimmed: expressions search it."""
        return self.folded.after(0)


@value_object
class Captures:
    """The keyword and the groups that the conditions of a rule have found. Later conditions and templates use them."""

    keyword: KeywordMatch | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    """The named groups of expressions."""

    def args(self, view: View) -> str:
        """The text after the keyword, as it was written; without a keyword, the whole text."""
        return view.text if self.keyword is None else self.keyword.args(view.folded)

    def words(self, view: View) -> tuple[str, ...]:
        """The words of :meth:`args`, as they were written."""
        if self.keyword is None or self.keyword.end is None:
            folded, words = view.folded, view.folded.words[0 if self.keyword is None else 1 :]
        else:
            folded = folding.analyse(view.folded.original[self.keyword.end :])
            words = folded.words
        return tuple(folded.original[word.start : word.end] for word in words)


NO_CAPTURES = Captures()


@value_object
class Scope:
    """The facts about a rule that its conditions may use."""

    rule: str
    context: RuleContext
    changes_opt_out: bool
    """The rule opts the sender out or in."""


class Keys(Strict):
    """The keys of one condition as they stand in a file. The type of each key checks its value."""

    def condition(self, scope: Scope) -> Condition | None:
        """The condition that these keys describe; None if none of them is given. The keys have no mistakes."""
        return None

    def mistakes(self, *, has_keyword: bool) -> Iterator[tuple[str, str]]:
        """Each key that contradicts or lacks another key, with a message.

        :param has_keyword: there is a ``keyword`` among the same keys, or in a condition that must hold before them.
        """
        return iter(())


class Condition(ABC):
    """One question about a message."""

    __slots__ = ()

    @property
    def needs(self) -> Needs:
        """The needs of the condition: it can hold only if the message contains one of them."""
        return None

    def inner(self) -> tuple[Condition, ...]:
        """The conditions it is made of."""
        return ()

    @property
    def always_holds(self) -> bool:
        """Whether it holds for every message. Then its author could leave it out."""
        return False

    def excludes(self, other: Condition) -> bool:
        """Whether it is certain that no message meets both conditions."""
        return False

    @abstractmethod
    def met(self, view: View, captures: Captures) -> Captures | None:
        """``captures`` with those of this condition, if it holds; else None."""

    @abstractmethod
    def why(self, view: View, captures: Captures) -> Reason:
        """Why it holds. Only called if it does."""

    @abstractmethod
    def why_not(self, view: View, captures: Captures) -> Reason:
        """Why it does not hold. Only called if it does not."""


def met_by(conditions: Sequence[Condition], view: View, captures: Captures = NO_CAPTURES) -> Captures | None:
    """The captures of all the conditions, if every one holds; else None."""
    for condition in conditions:
        met = condition.met(view, captures)
        if met is None:
            return None
        captures = met
    return captures


def why(conditions: Sequence[Condition], view: View, captures: Captures = NO_CAPTURES) -> tuple[Reason, ...]:
    """The reason of each condition. Only called if all of them hold."""
    reasons: list[Reason] = []
    for condition in conditions:
        reasons.append(condition.why(view, captures))
        captures = condition.met(view, captures) or captures
    return tuple(reasons)


def why_not(conditions: Sequence[Condition], view: View, captures: Captures = NO_CAPTURES) -> Reason:
    """The reason of the first condition that does not hold."""
    for condition in conditions:
        met = condition.met(view, captures)
        if met is None:
            return condition.why_not(view, captures)
        captures = met
    return Reason()


def all_within(conditions: Iterable[Condition]) -> Iterator[Condition]:
    """The conditions, and those they are made of, at any depth."""
    for condition in conditions:
        yield condition
        yield from all_within(condition.inner())


_RAREST_FIRST = (Spelling.EXACT, PATTERN, WORD)


def rarest_needs(conditions: Sequence[Condition]) -> Needs:
    """The needs of the condition that the fewest messages meet. The index finds a rule by these needs."""
    known = [condition.needs for condition in conditions if condition.needs is not None]
    return min(known, key=_commonness, default=None)


def _commonness(needs: frozenset[Need]) -> int:
    kinds = {kind if kind in _RAREST_FIRST else Spelling.EXACT for kind, _ in needs}
    return max((_RAREST_FIRST.index(kind) for kind in kinds), default=0)
