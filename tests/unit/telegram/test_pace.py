"""The budgets of a group and of the bot."""

from __future__ import annotations

from bridge.model.base import SECOND
from bridge.model.post import PostPriority
from bridge.telegram.client.rate_limit import RateBudget

GROUP, OTHER, PERSON = -100, -200, 300
NOON = 1_767_700_800_000


def test_a_group_takes_twenty_a_minute_and_no_more() -> None:
    pace = RateBudget()
    for second in range(20):
        assert pace.wait(GROUP, PostPriority.INBOUND, NOON + second * SECOND) == 0
        pace.note(GROUP, NOON + second * SECOND)
    left = pace.wait(GROUP, PostPriority.INBOUND, NOON + 20 * SECOND)
    assert 40 * SECOND <= left <= 45 * SECOND
    assert pace.wait(GROUP, PostPriority.INBOUND, NOON + 20 * SECOND + left) == 0
    assert pace.wait(OTHER, PostPriority.INBOUND, NOON + 20 * SECOND) == 0


def test_reactions_leave_room_for_new_sms() -> None:
    pace = RateBudget()
    for second in range(14):
        pace.note(GROUP, NOON + second)
    assert pace.wait(GROUP, PostPriority.REACTION, NOON + SECOND) > 0
    assert pace.wait(GROUP, PostPriority.STATUS, NOON + SECOND) == 0
    assert pace.wait(GROUP, PostPriority.INBOUND, NOON + SECOND) == 0


def test_all_chats_together_stay_below_thirty_a_second() -> None:
    pace = RateBudget()
    for chat in range(25):
        pace.note(-chat - 1, NOON)
    assert pace.wait(PERSON, PostPriority.INBOUND, NOON) == SECOND
    assert pace.wait(PERSON, PostPriority.INBOUND, NOON + SECOND) == 0


def test_a_pause_is_for_one_chat() -> None:
    pace = RateBudget()
    pace.pause(GROUP, NOON, 7 * SECOND)
    assert pace.wait(GROUP, PostPriority.INBOUND, NOON) == 7 * SECOND
    assert pace.wait(OTHER, PostPriority.INBOUND, NOON) == 0
    pace.pause(GROUP, NOON, SECOND)
    assert pace.wait(GROUP, PostPriority.INBOUND, NOON) == 7 * SECOND, "a shorter pause takes nothing away"
