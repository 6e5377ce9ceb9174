"""``text`` and ``args``: an expression fits the text, or the text after the keyword. Named groups are captured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bridge.rules.conditions.base import PATTERN, Captures, Condition, Keys, Needs, Scope, View
from bridge.rules.reasons import Reason, Wording
from bridge.rules.template_checks import RESERVED_NAMES
from bridge.rules.values import Expression
from bridge.text.patterns import Pattern
from bridge.value import value_object

_FITS = Wording(en="`{pattern}` fits", ru="`{pattern}` подходит")
_DIFFERS = Wording(en="`{pattern}` does not fit", ru="`{pattern}` не подходит")
_FITS_ARGS = Wording(en="`{pattern}` fits `{args}`", ru="`{pattern}` подходит к `{args}`")
_DIFFERS_FROM_ARGS = Wording(en="`{pattern}` does not fit `{args}`", ru="`{pattern}` не подходит к `{args}`")


class TextKeys(Keys):
    text: Expression | None = None

    def mistakes(self, *, has_keyword: bool) -> Iterator[tuple[str, str]]:
        yield from _group_mistakes("text", self.text)

    def condition(self, scope: Scope) -> Condition | None:
        return None if self.text is None else TextFits(pattern=self.text)


class ArgsKeys(Keys):
    args: Expression | None = None

    def mistakes(self, *, has_keyword: bool) -> Iterator[tuple[str, str]]:
        if self.args is not None and not has_keyword:
            yield "args", "needs a `keyword` beside it; for the whole text use `text`"
        yield from _group_mistakes("args", self.args)

    def condition(self, scope: Scope) -> Condition | None:
        return None if self.args is None else ArgsFit(pattern=self.args)


@value_object
class TextFits(Condition):
    """The expression fits the text."""

    pattern: Pattern

    @property
    def needs(self) -> Needs:
        return frozenset({(PATTERN, self.pattern.source)})

    @property
    def always_holds(self) -> bool:
        return self.pattern.always_fits()

    def met(self, view: View, captures: Captures) -> Captures | None:
        return _with_groups(captures, self.pattern.search(view.text))

    def why(self, view: View, captures: Captures) -> Reason:
        return Reason(key="text", wording=_FITS, params={"pattern": self.pattern.source})

    def why_not(self, view: View, captures: Captures) -> Reason:
        return Reason(key="text", wording=_DIFFERS, params={"pattern": self.pattern.source})


@value_object
class ArgsFit(Condition):
    """The expression fits the text after the keyword."""

    pattern: Pattern

    def met(self, view: View, captures: Captures) -> Captures | None:
        return _with_groups(captures, self.pattern.search(captures.args(view)))

    def why(self, view: View, captures: Captures) -> Reason:
        return self._reason(_FITS_ARGS, captures.args(view))

    def why_not(self, view: View, captures: Captures) -> Reason:
        return self._reason(_DIFFERS_FROM_ARGS, captures.args(view))

    def _reason(self, wording: Wording, args: str) -> Reason:
        return Reason(key="args", wording=wording, params={"pattern": self.pattern.source, "args": args})


def _group_mistakes(key: str, pattern: Pattern | None) -> Iterator[tuple[str, str]]:
    """Report named groups that cannot become variables of the rule's templates."""
    for group in pattern.groups if pattern is not None else ():
        if not group.isidentifier():
            yield key, f"the group `{group}` cannot be a variable; begin its name with a letter"
        elif group in RESERVED_NAMES:
            yield key, f"the group `{group}` has the name of a variable that is there already; call it something else"


def _with_groups(captures: Captures, groups: Mapping[str, str] | None) -> Captures | None:
    if not groups:
        return captures if groups is not None else None
    return Captures(keyword=captures.keyword, groups={**captures.groups, **groups})
