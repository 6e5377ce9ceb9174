"""How often a number is answered, also when the clock was set between two answers."""

from __future__ import annotations

from bridge.config import Rate
from bridge.model.base import DAY, MINUTE
from bridge.pipeline.guards import exceeds
from tests.unit.pipeline.samples import NOON

TWICE = Rate(2, 10 * MINUTE)


def test_answers_within_the_time_count_and_older_ones_do_not() -> None:
    assert exceeds(TWICE, [NOON - MINUTE, NOON], NOON)
    assert not exceeds(TWICE, [NOON - 10 * MINUTE, NOON], NOON)
    assert not exceeds(None, [NOON] * 9, NOON)


def test_answers_by_a_clock_that_was_ahead_hold_back_for_a_little_and_not_for_a_day() -> None:
    assert exceeds(TWICE, [NOON + MINUTE, NOON + 2 * MINUTE], NOON)
    assert not exceeds(TWICE, [NOON + DAY, NOON + DAY], NOON)
