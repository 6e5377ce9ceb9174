"""The team's working time, for what is told only while somebody is there. Pure: ``now`` is passed in.

The window named ``office`` says when that is; without one it is always.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge.config.settings import HoursSettings
from bridge.model.base import DAY, HOUR, MINUTE, Ms
from bridge.rules.schedule import Hours, hours_by_name

OFFICE = "office"
LOOKED_BACK: Ms = 14 * DAY
"""Holidays are shorter. A long wait is looked for further back, as far as a week of few hours spreads it."""


def office(settings: Mapping[str, HoursSettings]) -> Hours | None:
    return hours_by_name(settings).get(OFFICE)


def worked_since(hours: Hours | None, now: Ms, length: Ms) -> Ms | None:
    """The latest moment since which ``length`` of working time has passed; None outside of it, and where there was not
    so much of it lately. Right to a minute, for long waits to five."""
    if hours is None:
        return now - length
    if not hours.is_open(now):
        return None
    step = MINUTE if length < HOUR else 5 * MINUTE
    at, left = now, length
    while left > 0:
        at -= step
        if now - at > LOOKED_BACK + 8 * length:
            return None
        if hours.is_open(at):
            left -= step
    return at
