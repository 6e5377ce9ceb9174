"""The kinds of value that people write in YAML: durations, rates, switches, numbers, time zones, networks.

A parser takes the text as written (a scalar of a file is always a string) or, from code and tests, the Python value
itself. It raises :class:`ValueError` with a sentence for the person who edits the file. The sentence does not repeat
the value, because the parser cannot know whether the value is a secret. There are two exceptions: the sentence repeats
a duration without a unit, and it names the right network for a wrong one.
"""

from __future__ import annotations

import difflib
import itertools
import re
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_interface
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from bridge.model.base import DAY, HOUR, MINUTE, SECOND, Ms

FROM_FILE = "from_file"
"""Key of the validation context. It is there if the values come from a file. Code may give values that a file may not:
None for ``off``, port 0."""

DURATION_HELP = "expected a duration such as 5s, 10m, 2h or 3d"
RATE_HELP = "expected a rate such as 10/s or 5 per 10m"
OFF = "off"
_SENDER_NAME = re.compile(r"[A-Za-z0-9 ._-]{1,11}|[0-9]{1,15}")
MAX_DURATION: Ms = 3660 * DAY
_UNITS: dict[str, Ms] = {"d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": 1}
_UNIT_WORDS = {"second": SECOND, "minute": MINUTE, "hour": HOUR, "day": DAY}
# Patterns of written values. The JSON Schema that editors use has them, too, so JavaScript must understand them.
_DURATION = r"([0-9]{1,12}(ms|[dhms]))+"
_RATE = r"\s*([0-9]{1,9})\s*(?:/|\sper\s)\s*([0-9a-z]+)\s*"
_DURATION_PART = re.compile(r"([0-9]+)(ms|[dhms])")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,9})?")


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``count`` times in any period of ``per`` milliseconds."""

    count: int
    per: Ms


def check_sender_name(value: str) -> str:
    """Check a sender name: up to 11 Latin characters or 15 digits, by the platform's document."""
    if not _SENDER_NAME.fullmatch(value) or value != value.strip():
        raise ValueError("expected at most 11 Latin letters, digits, spaces, `.`, `_`, `-`, or at most 15 digits")
    return value


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint ``; did you mean `x`?``, or an empty text if no known word is similar."""
    choices = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(word.casefold(), choices, n=1, cutoff=0.6)
    return f"; did you mean `{choices[found[0]]}`?" if found else ""


def from_file(info: ValidationInfo) -> bool:
    """Whether a person wrote the value in a file."""
    return FROM_FILE in (info.context or ())


def parse_duration(value: object) -> Ms:
    """``5s``, ``10m`` or ``1h30m`` in milliseconds. An integer from code is in milliseconds already."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ValueError("a duration cannot be negative")
        return value
    if not isinstance(value, str):
        raise ValueError(DURATION_HELP)
    if re.fullmatch(r"[0-9]{1,12}", value):
        raise ValueError(f"{value} what? write {value}s, {value}m or {value}h")
    if not re.fullmatch(_DURATION, value):
        raise ValueError(DURATION_HELP)
    parts = [(int(count), _UNITS[unit]) for count, unit in _DURATION_PART.findall(value)]
    sizes = [size for _, size in parts]
    if any(later >= earlier for earlier, later in itertools.pairwise(sizes)):
        raise ValueError(f"{DURATION_HELP}; several parts go from large to small, as in 1h30m")
    total = sum(count * size for count, size in parts)
    if total > MAX_DURATION:
        raise ValueError("too long a duration; the longest is ten years")
    return total


def parse_rate(value: object) -> Rate:
    """``10/s``, ``5 per 10m``, ``3 per hour``."""
    if isinstance(value, Rate):
        return value
    matched = re.fullmatch(_RATE, value) if isinstance(value, str) else None
    if matched is None:
        raise ValueError(RATE_HELP)
    count, period = int(matched[1]), matched[2]
    if count == 0:
        raise ValueError(f"a rate of 0 lets nothing through; {RATE_HELP}")
    try:
        per = _UNIT_WORDS.get(period.removesuffix("s")) or _UNITS.get(period) or parse_duration(period)
    except ValueError:
        raise ValueError(RATE_HELP) from None
    if per == 0:
        raise ValueError(RATE_HELP)
    return Rate(count, per)


def parse_flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else ""
    if word in {"true", "yes", "on"}:
        return True
    if word in {"false", "no", "off"}:
        return False
    raise ValueError("expected true or false (yes, no, on and off will do)")


def parse_whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    raise ValueError("expected a whole number")


def parse_number(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    raise ValueError("expected a number such as 500 or 99.50")


def parse_zone(value: object) -> zoneinfo.ZoneInfo:
    if isinstance(value, zoneinfo.ZoneInfo):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("expected a time zone such as Europe/Moscow")
    try:
        return zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        # An unknown name raises one class; a folder of the database ("Europe") and a path out of it raise others.
        hint = did_you_mean(value, zoneinfo.available_timezones())
    raise ValueError(f"no such time zone; expected one such as Europe/Moscow{hint}")


def parse_network(value: object) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        interface = ip_interface(str(value))
    except ValueError:
        raise ValueError("expected an address or a network such as 10.0.0.1 or 10.0.0.0/8") from None
    network = interface.network
    if int(interface) != int(network.network_address):
        raise ValueError(f"the address has bits outside of its network; did you mean `{network}`?")
    return network


def _is_off(help_text: str, value: object, info: ValidationInfo) -> bool:
    """Whether the value is ``off``. An empty value in a file is a mistake: a limit must not vanish by an oversight."""
    if value is None and from_file(info):
        raise ValueError(f"has no value; {help_text}, or off")
    return value is None or value == OFF


def _optional_duration(value: object, info: ValidationInfo) -> Ms | None:
    if _is_off(DURATION_HELP, value, info):
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        raise ValueError(f"{error}, or off" if str(error) == DURATION_HELP else str(error)) from None


def _optional_rate(value: object, info: ValidationInfo) -> Rate | None:
    if _is_off(RATE_HELP, value, info):
        return None
    try:
        return parse_rate(value)
    except ValueError as error:
        raise ValueError(f"{error}, or off") from None


@dataclass(frozen=True, slots=True)
class Between:
    """A whole number from ``low`` to ``high``.

    :param off: the value may also be ``off``, which becomes None.
    :param zero_in_code: code may also give 0, such as an ephemeral port in tests. A file may not.
    """

    low: int
    high: int
    off: bool = False
    zero_in_code: bool = False

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        whole: CoreSchema = core_schema.int_schema(ge=self.low, le=self.high)
        written = core_schema.union_schema([whole, core_schema.literal_schema([OFF])]) if self.off else whole
        return core_schema.with_info_before_validator_function(
            self._parse, handler(source), json_schema_input_schema=written
        )

    def _parse(self, value: object, info: ValidationInfo) -> int | None:
        help_text = f"expected a number from {self.low} to {self.high}"
        if self.off and _is_off(help_text, value, info):
            return None
        try:
            number = parse_whole(value)
        except ValueError:
            number = self.low - 1
        if self.low <= number <= self.high or (number == 0 and self.zero_in_code and not from_file(info)):
            return number
        raise ValueError(f"{help_text}, or off" if self.off else help_text)


@dataclass(frozen=True, slots=True)
class Shortest:
    """The shortest duration that a file may give. Code and tests may give a shorter one."""

    least: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_after_validator_function(self._check, handler(source))

    def _check(self, value: Ms | None, info: ValidationInfo) -> Ms | None:
        if value is not None and from_file(info) and value < parse_duration(self.least):
            raise ValueError(f"too short; the shortest is {self.least}")
        return value


_DurationText = Annotated[str, Field(pattern=f"^{_DURATION}$")]
_DurationOrOff = Annotated[str, Field(pattern=f"^(off|{_DURATION})$")]
_RateText = Annotated[str, Field(pattern=f"^{_RATE}$")]
_RateOrOff = Annotated[str, Field(pattern=f"^(off|{_RATE})$")]

Duration = Annotated[Ms, BeforeValidator(parse_duration, json_schema_input_type=_DurationText)]
OptionalDuration = Annotated[Ms | None, BeforeValidator(_optional_duration, json_schema_input_type=_DurationOrOff)]
RateValue = Annotated[Rate, BeforeValidator(parse_rate, json_schema_input_type=_RateText)]
OptionalRate = Annotated[Rate | None, BeforeValidator(_optional_rate, json_schema_input_type=_RateOrOff)]
Flag = Annotated[bool, BeforeValidator(parse_flag, json_schema_input_type=bool | Literal["yes", "no", "on", "off"])]
"""Use this for every switch: pydantic's own ``bool`` also takes ``1``, ``t`` and ``y`` from a string."""
Whole = Annotated[int, BeforeValidator(parse_whole)]
TimeZone = Annotated[zoneinfo.ZoneInfo, BeforeValidator(parse_zone)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(parse_network)]
