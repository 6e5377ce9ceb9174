"""The limits of a group and of the bot."""

from __future__ import annotations

from bridge.model.base import SECOND, Ms
from bridge.model.post import PostPriority
from bridge.telegram.client.rate_limit import RateLimiter
from tests.clock import ManualClock

GROUP, OTHER, PERSON = -100, -200, 300


async def sent(limiter: RateLimiter, clock: ManualClock, count: int, *, every: Ms) -> None:
    """``count`` messages to the group, none of which has to wait."""
    for _ in range(count):
        assert limiter.wait(GROUP, PostPriority.INBOUND) == 0
        await limiter.take(GROUP, PostPriority.INBOUND)
        await clock.advance(every)


async def test_a_group_takes_twenty_a_minute_and_no_more() -> None:
    clock = ManualClock()
    limiter = RateLimiter(clock)
    await sent(limiter, clock, 20, every=SECOND)
    left = limiter.wait(GROUP, PostPriority.INBOUND)
    assert 40 * SECOND <= left <= 45 * SECOND
    assert limiter.wait(OTHER, PostPriority.INBOUND) == 0
    await clock.advance(left)
    assert limiter.wait(GROUP, PostPriority.INBOUND) == 0


async def test_reactions_leave_room_for_new_sms() -> None:
    clock = ManualClock()
    limiter = RateLimiter(clock)
    await sent(limiter, clock, 14, every=1)
    await clock.advance(SECOND)
    assert limiter.wait(GROUP, PostPriority.REACTION) > 0
    assert limiter.wait(GROUP, PostPriority.STATUS) == 0
    assert limiter.wait(GROUP, PostPriority.INBOUND) == 0


async def test_all_chats_together_stay_below_thirty_a_second() -> None:
    clock = ManualClock()
    limiter = RateLimiter(clock)
    for chat in range(25):
        await limiter.take(-chat - 1, PostPriority.INBOUND)
    assert limiter.wait(PERSON, PostPriority.INBOUND) == SECOND
    await clock.advance(SECOND)
    assert limiter.wait(PERSON, PostPriority.INBOUND) == 0


async def test_a_pause_is_for_one_chat() -> None:
    limiter = RateLimiter(ManualClock())
    limiter.pause(GROUP, 7 * SECOND)
    assert limiter.wait(GROUP, PostPriority.INBOUND) == 7 * SECOND
    assert limiter.wait(OTHER, PostPriority.INBOUND) == 0
    limiter.pause(GROUP, SECOND)
    assert limiter.wait(GROUP, PostPriority.INBOUND) == 7 * SECOND, "a shorter pause takes nothing away"
