"""The team's working time, for reminders that are sent only while the team is there. Pure: ``now`` is passed in.

Working time is the window named ``office`` in the configuration. Without such a window it is always working time.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge.config.settings import HoursSettings
from bridge.model.base import DAY, HOUR, MINUTE, Ms
from bridge.rules.schedule import Hours, hours_by_name

OFFICE = "office"
MAX_HOLIDAY: Ms = 14 * DAY
"""The search goes back this far, plus eight times the length of the wait: a week with few working hours stretches a
long wait."""


def office(settings: Mapping[str, HoursSettings]) -> Hours | None:
    """The hours of the window ``office``; None without one."""
    return hours_by_name(settings).get(OFFICE)


def worked_since(hours: Hours | None, now: Ms, length: Ms) -> Ms | None:
    """The latest time since which ``length`` milliseconds of working time have passed.

    It is exact to one minute; if ``length`` is an hour or more, to five minutes. None outside working time, and if
    there was not so much working time lately.
    """
    if hours is None:
        return now - length
    if not hours.is_open(now):
        return None
    step = MINUTE if length < HOUR else 5 * MINUTE
    at, left = now, length
    while left > 0:
        at -= step
        if now - at > MAX_HOLIDAY + 8 * length:
            return None
        if hours.is_open(at):
            left -= step
    return at
