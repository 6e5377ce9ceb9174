"""The numbers that ``from`` and ``to`` name: exact ones, ``7908*``, a country ``+7``, a list of the configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable

import phonenumbers

from bridge.rules.context import RuleContext
from bridge.schema import did_you_mean
from bridge.text import folding, phones
from bridge.value import value_object

_COUNTRY = re.compile(r"\+\d{1,3}")
_DECORATION = re.compile(r"[\s()\-.+]")


@value_object
class NumberPatterns:
    """A set of numbers, each written in one of these forms."""

    exact: frozenset[str] = frozenset()
    """Normalised digits and short numbers."""
    names: frozenset[str] = frozenset()
    """Senders that are names, folded."""
    globs: tuple[tuple[str, ...], ...] = ()
    """Numbers with stars, cut at the stars: ``7908*`` is ``("7908", "")``."""
    countries: tuple[str, ...] = ()
    """Country codes without ``+``."""

    def disjoint(self, other: NumberPatterns) -> bool:
        """Whether it is certain that no number is in both. False if either set has a star or a country."""
        open_ended = self.globs or self.countries or other.globs or other.countries
        return not open_ended and self.exact.isdisjoint(other.exact) and self.names.isdisjoint(other.names)

    def __contains__(self, number: str) -> bool:
        """Whether a number is in the set.

        :param number: normalised.
        """
        if number in self.exact or any(_glob_matches(pieces, number) for pieces in self.globs):
            return True
        if self.names and folding.fold(number) in self.names:
            return True
        # Short numbers have no country: 7722 is not a number of +7.
        return bool(self.countries) and phones.can_be_answered(number, ()) and number.startswith(self.countries)


class BadNumber(ValueError):
    """A number that has none of the known forms. The message is for the author of the rule."""


def compile_numbers(values: Iterable[str], context: RuleContext) -> NumberPatterns:
    """All numbers that the values name.

    :raises BadNumber: for the first value that has none of the forms, or that names a list that does not exist.
    """
    numbers = NumberPatterns()
    for value in values:
        name = value.strip()
        if name in context.lists:
            for entry in context.lists[name]:
                numbers = _union(numbers, _compile_entry(entry.strip(), context.region))
        elif any(char.isalpha() for char in name):
            raise BadNumber(_unknown_list(name, context.lists))
        else:
            numbers = _union(numbers, _compile_entry(name, context.region))
    return numbers


def _compile_entry(value: str, region: str) -> NumberPatterns:
    if any(char.isalpha() for char in value):
        return NumberPatterns(names=frozenset({folding.fold(value)}))
    if "*" in value:
        pattern = _DECORATION.sub("", value)
        if not pattern.replace("*", "").isdecimal():
            raise BadNumber(f"`{value}` is no pattern of numbers; write digits and `*`, as in `7908*`")
        return NumberPatterns(globs=(tuple(pattern.split("*")),))
    if _COUNTRY.fullmatch(value):
        code = value.removeprefix("+")
        if int(code) not in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            raise BadNumber(f"`{value}` is no country code; for numbers that begin so write `{code}*`")
        return NumberPatterns(countries=(code,))
    number = phones.normalise(value, region)
    if not number.isdecimal():
        forms = "`+79001234567`, `7908*`, `+7` or the name of a list"
        raise BadNumber(f"`{value}` is no number; write {forms}")
    return NumberPatterns(exact=frozenset({number}))


def _union(one: NumberPatterns, other: NumberPatterns) -> NumberPatterns:
    return NumberPatterns(
        exact=one.exact | other.exact,
        names=one.names | other.names,
        globs=one.globs + other.globs,
        countries=one.countries + other.countries,
    )


def _unknown_list(name: str, lists: Iterable[str]) -> str:
    hint = did_you_mean(name, lists) or " under `lists` (senders of letters are named in a list, too)"
    return f"there is no list `{name}`{hint}"


def _glob_matches(pieces: tuple[str, ...], number: str) -> bool:
    """Whether the number consists of the pieces, in this order, with anything between them.

    Takes linear time: each piece is searched once, from the end of the piece before it.
    """
    first, *middle, last = pieces
    if not number.startswith(first) or not number.endswith(last) or len(number) < len(first) + len(last):
        return False
    at, end = len(first), len(number) - len(last)
    for piece in middle:
        found = number.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True
