"""When: the working hours of the configuration, and the days of a campaign. ``now`` is always passed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from enum import Enum

from bridge.model.base import Ms
from bridge.value import value_object

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60

Span = tuple[int, int]
"""Minutes after midnight, the second not included; one that ends before it begins ends on the next day."""


@value_object
class Hours:
    """A named window of the configuration."""

    timezone: tzinfo
    week: tuple[tuple[Span, ...], ...]
    """For each day from Monday."""
    is_holiday: Callable[[date], bool] | None = None
    """None: no holidays. On one nothing that begins that day is open."""
    fault: str = ""
    """Why no rule can use it here."""

    def hold(self, now: Ms) -> bool:
        """Whether the window is open. Asked of the wall clock, so a change of summer time needs no thought."""
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


def parse_week(week: Mapping[str, tuple[str, ...]]) -> tuple[tuple[Span, ...], ...]:
    """From ``mon-fri: 09:00-18:00``, checked by the configuration. A day that two entries name has both."""
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


class Phase(Enum):
    """Where a moment lies to the days of a campaign."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


@value_object
class Season:
    """From when and until when a rule is meant. Both ends belong to it; None: open."""

    start: datetime | None
    end: datetime | None
    """The first moment that does not belong to it."""

    def phase(self, now: Ms) -> Phase:
        if self.start is not None and now < self.start.timestamp() * 1000:
            return Phase.BEFORE
        if self.end is not None and now >= self.end.timestamp() * 1000:
            return Phase.AFTER
        return Phase.DURING


def _local(now: Ms, timezone: tzinfo) -> datetime:
    return datetime.fromtimestamp(now / 1000, timezone)
