"""Working time: what counts while somebody is there."""

from __future__ import annotations

import pytest

from bridge.config.settings import HoursSettings
from bridge.model.base import DAY, HOUR, MINUTE, Ms
from bridge.pipeline.watches.working_time import office, worked_since
from tests.clock import TUESDAY_NOON

# 9 to 18 in Moscow are 6 to 15 in UTC.
OFFICE = office({"office": HoursSettings(week={"mon-fri": "09:00-18:00"})})
NINE: Ms = TUESDAY_NOON - 6 * HOUR
QUARTER: Ms = 15 * MINUTE


@pytest.mark.parametrize(
    ("now", "since"),
    [
        pytest.param(TUESDAY_NOON, TUESDAY_NOON - QUARTER, id="in the middle of the day"),
        pytest.param(NINE + 5 * MINUTE, NINE - DAY + 9 * HOUR - 10 * MINUTE, id="ten minutes of yesterday count"),
        pytest.param(NINE + QUARTER, NINE, id="a morning's first quarter of an hour"),
        pytest.param(NINE + 9 * HOUR, None, id="nobody is there any more"),
        pytest.param(NINE - MINUTE, None, id="nobody is there yet"),
        pytest.param(NINE - DAY + MINUTE, NINE - 4 * DAY + 9 * HOUR - 14 * MINUTE, id="a weekend does not count"),
    ],
)
def test_only_working_time_passes(now: Ms, since: Ms | None) -> None:
    assert worked_since(OFFICE, now, QUARTER) == since


def test_without_an_office_it_is_always_working_time() -> None:
    assert office({"night": HoursSettings(week={"mon-sun": "22:00-06:00"})}) is None
    assert worked_since(None, TUESDAY_NOON, QUARTER) == TUESDAY_NOON - QUARTER


def test_a_window_that_is_never_open_ends_the_search() -> None:
    assert worked_since(office({"office": HoursSettings(week={"tue": "15:00-15:01"})}), TUESDAY_NOON, HOUR) is None
