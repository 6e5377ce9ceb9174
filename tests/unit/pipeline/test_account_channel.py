"""The account's rate, pauses and back-off, also when the wall clock jumps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.config import AccountSettings, Rate
from bridge.model.base import DAY, SECOND
from bridge.pipeline.account_channel import AccountChannel
from bridge.pipeline.rate_limit import TokenBucket
from bridge.pipeline.retry import MAX_BACKOFF, backoff
from tests.unit.pipeline.samples import NOON


def channel(**changes: object) -> AccountChannel:
    account = AccountSettings(login="u", password="p", sender="MyShop", connections=4, **changes)
    bucket = TokenBucket(account.rate, NOON)
    return AccountChannel(name="main", settings=account, platform=None, bucket=bucket)  # type: ignore[arg-type]


def test_a_bucket_lets_its_rate_through_and_then_waits() -> None:
    bucket = TokenBucket(Rate(10, SECOND), NOON)
    assert sum(bucket.take(NOON) for _ in range(20)) == 10
    assert bucket.wait(NOON) == 100
    assert not bucket.take(NOON + 99)
    assert bucket.take(NOON + 100)


def test_no_rate_is_no_limit() -> None:
    bucket = TokenBucket(None, NOON)
    assert bucket.free(NOON, 500) == 500
    assert bucket.wait(NOON) == 0


@given(st.lists(st.integers(-DAY, DAY), max_size=30))
def test_a_jumping_clock_never_gives_more_than_a_bucketful_at_once(jumps: list[int]) -> None:
    bucket = TokenBucket(Rate(5, SECOND), NOON)
    now = NOON
    for jump in jumps:
        now += jump
        assert sum(bucket.take(now) for _ in range(50)) <= 5
    assert bucket.wait(now) <= SECOND


def test_a_channel_has_no_more_slots_than_connections() -> None:
    first = channel(rate="off")
    assert first.free_slots(NOON) == 4
    first.in_flight = 3
    assert first.free_slots(NOON) == 1


def test_after_a_failure_one_sms_goes_first_and_the_rest_when_it_was_taken() -> None:
    first = channel()
    due = first.note_not_sent(NOON, 0.0)
    assert first.free_slots(NOON) == 0
    assert first.free_slots(due) == 1
    first.note_accepted()
    assert first.free_slots(due) == 4


def test_a_suspended_account_sends_nothing() -> None:
    suspended = channel()
    suspended.suspended = True
    assert suspended.free_slots(NOON) == 0


def test_a_clock_set_back_by_a_day_does_not_prolong_a_pause() -> None:
    first = channel()
    first.note_not_sent(NOON, 0.0)
    assert first.free_slots(NOON - DAY) == 1


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_no_wait_is_longer_than_the_longest(failures: int, chance: float) -> None:
    assert 0 < backoff(failures, chance) <= MAX_BACKOFF


def test_waits_grow() -> None:
    assert [backoff(n, 0.0) for n in (1, 2, 3, 7, 50)] == [500, 1_000, 2_000, 30_000, 30_000]


def test_requests_that_were_lost_together_are_one_unknown_outcome() -> None:
    first = channel()
    for _ in range(7):
        first.note_unknown(NOON + SECOND, 0.0, started_at=NOON)
    assert first.paused_until <= NOON + 2 * SECOND, "one broken connection is one reason to wait"
    later = first.paused_until
    first.note_unknown(later + SECOND, 0.0, started_at=later)
    assert first.unknowns == 2
    first.note_unknown(later + SECOND, 0.0, started_at=None)
    assert first.unknowns == 3, "of an unknown beginning: counted"


def test_a_share_gains_what_it_was_when_it_was_gained() -> None:
    bucket = TokenBucket(Rate(10, SECOND), NOON)
    bucket.divide(2, 0, NOON)
    assert sum(bucket.take(NOON) for _ in range(20)) == 5
    bucket.divide(1, 0, NOON + SECOND // 2)
    assert sum(bucket.take(NOON + SECOND // 2) for _ in range(20)) == 2, "half a second at half the rate"


def test_what_gathered_in_a_share_that_was_the_others_is_not_spent() -> None:
    bucket, free = TokenBucket(Rate(10, SECOND), NOON), TokenBucket(None, NOON)
    for each in (bucket, free):
        each.divide(2, 0, NOON)
        each.drain(NOON)
    assert not bucket.take(NOON)
    assert bucket.wait(NOON) == 200
    assert free.take(NOON)


def test_a_rate_that_counts_fewer_than_share_it_is_the_firsts_and_goes_on_with_who_is_left() -> None:
    buckets = [TokenBucket(Rate(2, SECOND), NOON) for _ in range(3)]
    for position, bucket in enumerate(buckets):
        bucket.divide(3, position, NOON)
    assert [bucket.take(NOON) for bucket in buckets] == [True, True, False]
    assert buckets[2].wait(NOON + 9 * SECOND) == 0
    assert not buckets[2].take(NOON + 9 * SECOND), "time does not help"
    buckets[2].divide(2, 1, NOON + 9 * SECOND)
    assert not buckets[2].take(NOON + 9 * SECOND), "nothing gathered meanwhile"
    assert buckets[2].take(NOON + 10 * SECOND)


BRIDGES = 4
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 3 * SECOND)),
        st.tuples(st.just("take"), st.integers(0, BRIDGES)),
        st.tuples(st.just("join"), st.just(0)),
        st.tuples(st.just("leave"), st.integers(0, BRIDGES)),
    ),
    max_size=80,
)


@given(EVENTS, st.integers(1, 20))
def test_however_nodes_come_and_go_they_send_no_more_than_one_alone(events: list[tuple[str, int]], count: int) -> None:
    """The others divide before a newcomer takes, and after one that leaves has ended: see Fleet.may_send."""
    now, rate = NOON, Rate(count, SECOND)
    shares, taken = [TokenBucket(rate, now)], []
    for what, number in events:
        if what == "wait":
            now += number
        elif what == "take" and shares:
            share = shares[number % len(shares)]
            while share.take(now):
                taken.append(now)
        elif (what == "join" and len(shares) < BRIDGES) or (what == "leave" and len(shares) > 1):
            if what == "join":
                shares.append(TokenBucket(rate, now))
            else:
                shares.pop(number % len(shares))
            for position, share in enumerate(shares):
                share.divide(len(shares), position, now)
            if what == "join":
                shares[-1].drain(now)
    for first, since in enumerate(taken):
        for last in range(first, len(taken)):
            most = count + (taken[last] - since) * count / SECOND
            assert last - first + 1 <= most + 1e-6
