"""Phone numbers as they are compared, answered and shown in logs.

A number is kept as the digits of its international form without ``+``. Short numbers and senders made of
letters have no such form and stay as they came. Nothing here raises, whatever the platform or a person
wrote.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache
from typing import Final

import phonenumbers

_SHORTEST: Final = 7
"""Fewer digits than that are a short number: a service that cannot be answered from an ordinary number."""
_LONGEST: Final = 15
"""E.164."""
_WRITTEN: Final = 40
"""No number takes more characters, brackets and spaces included."""
_NAME_SHOWN: Final = 11
"""A sender of letters has at most 11 characters on the air."""
_DIGITS = re.compile(r"\d+")
_RUSSIAN_MOBILE = re.compile(r"79[0-9]{9}")


def normalise(raw: str, region: str) -> str:
    """Digits of the international number without ``+``; short numbers and names as they are, trimmed.

    ``region`` (``RU``) says how a number without country code is read; a leading ``+`` is always
    followed by one. Bare digits can be a number at home and another abroad (84912345678: a landline in
    Ryazan, a mobile in Vietnam). There the mobile wins, since SMS come from mobiles and an answer must
    not reach a stranger. A number written with spaces or brackets was written by a person: home wins.
    """
    trimmed = raw.strip()
    if region == "RU" and _RUSSIAN_MOBILE.fullmatch(trimmed):
        return trimmed  # the form in which the platform writes nearly every subscriber: no need to ask the plans
    return trimmed if len(trimmed) > _WRITTEN else _normalise(trimmed, region)


@lru_cache(maxsize=8192)
def _normalise(trimmed: str, region: str) -> str:
    digits = _digits(trimmed)
    if len(digits) < _SHORTEST or _has_letter(trimmed):
        return trimmed
    if len(digits) > _LONGEST + 3:  # longer than any number with any dialling prefix
        return digits
    if unicodedata.normalize("NFKC", trimmed).startswith("+"):
        return _international(_parse(f"+{digits}", None)) or digits
    home = _parse(digits, region)
    if _international(home) == digits or _is_mobile(home):
        return _international(home) or digits
    abroad = _parse(f"+{digits}", None)
    if home is None or (_is_mobile(abroad) and trimmed == digits):
        return _international(abroad) or _international(home) or digits
    return _international(home) or digits


def answerable(number: str, own: Collection[str]) -> bool:
    """Whether an automatic reply to ``number`` makes sense: no letters, no short number, none of our own."""
    bare = number.strip().removeprefix("+")
    if not bare.isascii() or not bare.isdecimal() or not _SHORTEST <= len(bare) <= _LONGEST:
        return False
    return all(bare != _digits(mine) for mine in own)


def mask(number: str) -> str:
    """What a log may show: ``7999•••1122``; of a short number the ends; a name shortened, digits masked."""
    if number.isascii() and number.isdecimal():
        return _mask_digits(number)
    visible = "".join(char for char in number.strip() if char.isprintable())
    if _has_letter(visible):
        name = _DIGITS.sub(lambda run: _mask_digits(run[0]) if len(run[0]) >= _SHORTEST else run[0], visible)
        return name if len(name) <= _NAME_SHOWN else name[:_NAME_SHOWN] + "…"
    return _mask_digits(_digits(visible))


def _mask_digits(digits: str) -> str:
    if len(digits) > _LONGEST:  # no number at all: nothing of it is worth showing
        return "•••"
    if len(digits) >= 11:
        shown = 4
    elif len(digits) >= _SHORTEST:
        shown = 2
    else:
        shown = 1 if len(digits) > 2 else 0
    return f"{digits[:shown]}•••{digits[len(digits) - shown :]}"


@lru_cache(maxsize=1024)
def _digits(text: str) -> str:
    """ASCII digits of a number in any writing: full-width and Arabic digits are the same numbers."""
    return "".join(str(unicodedata.decimal(char)) for char in text if char.isdecimal())


def _has_letter(text: str) -> bool:
    return any(char.isalpha() for char in text)


def _parse(number: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    """A number that exists by the numbering plans, or None."""
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    return parsed if phonenumbers.is_valid_number(parsed) else None


def _international(number: phonenumbers.PhoneNumber | None) -> str | None:
    if number is None:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")


def _is_mobile(number: phonenumbers.PhoneNumber | None) -> bool:
    kinds = {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}
    return number is not None and phonenumbers.number_type(number) in kinds
