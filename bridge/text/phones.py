"""Normalises phone numbers, tells which can be answered, and masks them for logs.

A normalised number is the digits of the international number without ``+``. Short numbers and senders that are names
have no such form and stay as they are. Nothing here raises, whatever the platform or a person wrote.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache
from typing import Final

import phonenumbers

_MIN_DIGITS: Final = 7
"""A number with fewer digits is a short number: a service that an ordinary number cannot answer."""
_MAX_DIGITS: Final = 15
"""Most digits of a number, by E.164."""
_MAX_WRITTEN: Final = 40
"""Most characters of a written number, with brackets and spaces."""
_MAX_NAME_SHOWN: Final = 11
"""Most characters of a sender that is a name, by the SMS standard."""
_DIGITS = re.compile(r"\d+")
_RUSSIAN_MOBILE = re.compile(r"79[0-9]{9}")


def normalise(raw: str, region: str) -> str:
    """The digits of the international number without ``+``. Short numbers and names stay as they are, trimmed.

    Bare digits can be one number in the region and another one abroad: 84912345678 is a landline in Ryazan and a mobile
    in Vietnam. Then the mobile wins, because SMS come from mobiles and an answer must not reach a stranger. Only a
    person writes a number with spaces or brackets. Then the number in the region wins.

    :param region: the country (``RU``) of numbers without a country code. A ``+`` is always followed by such a code.
    """
    trimmed = raw.strip()
    if region == "RU" and _RUSSIAN_MOBILE.fullmatch(trimmed):
        return trimmed  # nearly every number of the platform has this form, so this saves the look-up
    return trimmed if len(trimmed) > _MAX_WRITTEN else _normalise(trimmed, region)


@lru_cache(maxsize=8192)
def _normalise(trimmed: str, region: str) -> str:
    digits = _digits(trimmed)
    if len(digits) < _MIN_DIGITS or _has_letter(trimmed):
        return trimmed
    if len(digits) > _MAX_DIGITS + 3:  # longer than any number with a dialling prefix
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


def can_be_answered(number: str, own: Collection[str]) -> bool:
    """Whether an automatic reply makes sense: the number is not a name, a short number or one of our own."""
    digits = number.strip().removeprefix("+")
    if not digits.isascii() or not digits.isdecimal() or not _MIN_DIGITS <= len(digits) <= _MAX_DIGITS:
        return False
    return all(digits != _digits(mine) for mine in own)


def mask(number: str) -> str:
    """The number as logs show it: ``7999•••1122``. A short number shows only its ends. A name is shortened, and long
    numbers in it are masked."""
    if number.isascii() and number.isdecimal():
        return _mask_digits(number)
    visible = "".join(char for char in number.strip() if char.isprintable())
    if _has_letter(visible):
        name = _DIGITS.sub(lambda run: _mask_digits(run[0]) if len(run[0]) >= _MIN_DIGITS else run[0], visible)
        return name if len(name) <= _MAX_NAME_SHOWN else name[:_MAX_NAME_SHOWN] + "…"
    return _mask_digits(_digits(visible))


def _mask_digits(digits: str) -> str:
    if len(digits) > _MAX_DIGITS:  # not a number, so no part of it is shown
        return "•••"
    if len(digits) >= 11:
        shown = 4
    elif len(digits) >= _MIN_DIGITS:
        shown = 2
    else:
        shown = 1 if len(digits) > 2 else 0
    return f"{digits[:shown]}•••{digits[len(digits) - shown :]}"


@lru_cache(maxsize=1024)
def _digits(text: str) -> str:
    """The digits of a number in ASCII. Full-width and Arabic digits are converted."""
    return "".join(str(unicodedata.decimal(char)) for char in text if char.isdecimal())


def _has_letter(text: str) -> bool:
    return any(char.isalpha() for char in text)


def _parse(number: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    """The parsed number, or None if no numbering plan has it."""
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
