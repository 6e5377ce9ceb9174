"""Working hours of the configuration, and the days of a campaign. Pure: the time is always a parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from enum import Enum

from bridge.config.settings import HoursSettings
from bridge.model.base import Ms
from bridge.value import value_object

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60

Span = tuple[int, int]
"""Start and end in minutes after midnight; the end is not included. If the end is not after the start, the span ends
on the next day."""


@value_object
class Hours:
    """Named working hours of the configuration: a week of open spans in one time zone."""

    timezone: tzinfo
    week: tuple[tuple[Span, ...], ...]
    """The spans of each day, from Monday."""
    is_holiday: Callable[[date], bool] | None = None
    """Whether a day is a holiday, on which no span begins; None: there are no holidays."""
    fault: str = ""
    """Why rules cannot use these hours; empty: they can."""

    def is_open(self, now: Ms) -> bool:
        """Whether ``now`` is within a span. Compares wall-clock times, so summer time needs no special care."""
        local = _local(now, self.timezone)
        minute = local.hour * 60 + local.minute
        if any(start <= minute < (end if end > start else _DAY_MINUTES) for start, end in self._spans(local.date())):
            return True
        yesterday = local.date() - timedelta(days=1)
        return any(end <= start and minute < end for start, end in self._spans(yesterday))

    def _spans(self, day: date) -> tuple[Span, ...]:
        if self.is_holiday is not None and self.is_holiday(day):
            return ()
        return self.week[day.weekday()]


def hours_by_name(settings: Mapping[str, HoursSettings]) -> dict[str, Hours]:
    """All hours of the configuration. If the holidays are unknown, the hours have a ``fault``; only rules that use
    them are refused."""
    return {name: _hours(each) for name, each in settings.items()}


def _hours(settings: HoursSettings) -> Hours:
    week = parse_week(settings.week)
    if not settings.holidays:
        return Hours(timezone=settings.timezone, week=week)
    found = _holidays(settings.holidays)
    if isinstance(found, str):
        return Hours(timezone=settings.timezone, week=week, fault=found)
    return Hours(timezone=settings.timezone, week=week, is_holiday=found)


def _holidays(country: str) -> Callable[[date], bool] | str:
    """A test for the country's public holidays, or the reason why there is none."""
    try:
        from holidays import country_holidays
    except ImportError:
        return "its `holidays` need a package that is not installed; pip install 'sms-bridge[holidays]'"
    try:
        days = country_holidays(country)
    except NotImplementedError:
        return f"nobody knows the holidays of `{country}`; leave `holidays` out"
    return days.__contains__


def parse_week(week: Mapping[str, tuple[str, ...]]) -> tuple[tuple[Span, ...], ...]:
    """The spans of each day, from entries such as ``mon-fri: 09:00-18:00``. A day that two entries name has the spans
    of both. The configuration has checked the form of the entries."""
    spans: list[list[Span]] = [[] for _ in DAYS]
    for days, times in week.items():
        first, _, last = days.partition("-")
        begin, count = DAYS.index(first), (DAYS.index(last or first) - DAYS.index(first)) % 7 + 1
        for at in range(begin, begin + count):
            spans[at % 7].extend(_span(written) for written in times)
    return tuple(tuple(sorted(day)) for day in spans)


def _span(written: str) -> Span:
    (start, end) = (_minutes(clock) for clock in written.split("-"))
    return start, end


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _local(now: Ms, timezone: tzinfo) -> datetime:
    return datetime.fromtimestamp(now / 1000, timezone)


class Phase(Enum):
    """Where a moment lies: before, during or after a campaign."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


@value_object
class Campaign:
    """The time for which a rule is meant."""

    start: datetime | None
    """The first moment of the campaign; None: it has always been on."""
    end: datetime | None
    """The first moment after the campaign; None: it never ends."""

    def phase(self, now: Ms) -> Phase:
        if self.start is not None and now < self.start.timestamp() * 1000:
            return Phase.BEFORE
        if self.end is not None and now >= self.end.timestamp() * 1000:
            return Phase.AFTER
        return Phase.DURING
