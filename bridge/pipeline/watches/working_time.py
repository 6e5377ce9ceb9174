"""The team's working time, for reminders that are sent only while the team is there. Pure: ``now`` is passed in.

The window named ``office`` in the configuration is working time; without one it is always working time.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge.config.settings import HoursSettings
from bridge.model.base import DAY, HOUR, MINUTE, Ms
from bridge.rules.schedule import Hours, hours_by_name

OFFICE = "office"
LONGEST_HOLIDAY: Ms = 14 * DAY
"""The search goes back this far, and further for a long wait, which a week with few hours spreads."""


def office(settings: Mapping[str, HoursSettings]) -> Hours | None:
    return hours_by_name(settings).get(OFFICE)


def worked_since(hours: Hours | None, now: Ms, length: Ms) -> Ms | None:
    """The latest moment since which ``length`` of working time has passed, exact to a minute (from an hour: to five).

    None outside working time, and where there was not that much working time lately.
    """
    if hours is None:
        return now - length
    if not hours.is_open(now):
        return None
    step = MINUTE if length < HOUR else 5 * MINUTE
    at, left = now, length
    while left > 0:
        at -= step
        if now - at > LONGEST_HOLIDAY + 8 * length:
            return None
        if hours.is_open(at):
            left -= step
    return at
