"""The windows of ``config.yaml`` as rules use them. Holidays come from a package that is an extra of this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

from bridge.config.settings import HoursSettings
from bridge.rules.moments import Hours, parse_week


def windows(settings: Mapping[str, HoursSettings]) -> dict[str, Hours]:
    """All of them. One whose holidays nobody knows has a ``fault``: it stops the rules that use it and nothing else."""
    return {name: _window(hours) for name, hours in settings.items()}


def _window(settings: HoursSettings) -> Hours:
    week = parse_week(settings.week)
    if not settings.holidays:
        return Hours(timezone=settings.timezone, week=week)
    found = _holidays(settings.holidays)
    if isinstance(found, str):
        return Hours(timezone=settings.timezone, week=week, fault=found)
    return Hours(timezone=settings.timezone, week=week, is_holiday=found)


def _holidays(country: str) -> Callable[[date], bool] | str:
    """Whether a day is a public holiday there; or why that cannot be told."""
    try:
        from holidays import country_holidays
    except ImportError:
        return "its `holidays` need a package that is not installed; pip install 'sms-bridge[holidays]'"
    try:
        days = country_holidays(country)
    except NotImplementedError:
        return f"nobody knows the holidays of `{country}`; leave `holidays` out"
    return days.__contains__
