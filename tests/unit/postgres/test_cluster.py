"""What a bridge counts on between two reports: its own clock says so, and not even the store is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace

import pytest

from bridge.errors import StoreError, StoreUnavailable
from bridge.model.base import SECOND, Ms
from bridge.model.cluster import LeaseStatus
from bridge.model.work import Work
from bridge.pipeline.clock import SharedClock, SteadyClock
from bridge.pipeline.cluster import LEASE_MARGIN, REPORT_EVERY, ROLES, SENDER, TELEGRAM, Cluster
from bridge.pipeline.services import Services
from bridge.pipeline.signals import Signals
from bridge.ports.cluster import ClusterStore
from bridge.store import locks
from bridge.store.postgres.cluster import LEASE
from bridge.store.postgres.store import PostgresStore
from tests.clock import ManualClock
from tests.postgres import needs_postgres
from tests.unit.postgres.two_nodes import TwoNodes

pytestmark = needs_postgres


@dataclass(frozen=True, slots=True)
class SetForth:
    """The database's clock, after somebody set it: the server moved to another machine."""

    store: PostgresStore
    ahead: Callable[[], Ms]

    async def report_alive(self, *, name: str, roles: frozenset[str], rules: str, wanted: Sequence[str]) -> LeaseStatus:
        lease = await self.store.report_alive(name=name, roles=roles, rules=rules, wanted=wanted)
        assert lease.now is not None
        return replace(lease, now=lease.now + self.ahead())

    async def leave(self) -> None:
        await self.store.leave()

    def notify(self, work: Work) -> None:
        self.store.notify(work)

    async def listen(self, on_work: Callable[[Set[Work]], None]) -> None:
        await self.store.listen(on_work)


@dataclass(slots=True)
class Deaf:
    """Its reports arrive, and their answers do not."""

    store: PostgresStore
    hears: bool = True

    async def report_alive(self, *, name: str, roles: frozenset[str], rules: str, wanted: Sequence[str]) -> LeaseStatus:
        lease = await self.store.report_alive(name=name, roles=roles, rules=rules, wanted=wanted)
        if not self.hears:
            raise StoreUnavailable("cut off")
        return lease

    async def leave(self) -> None:
        await self.store.leave()

    def notify(self, work: Work) -> None:
        self.store.notify(work)

    async def listen(self, on_work: Callable[[Set[Work]], None]) -> None:
        await self.store.listen(on_work)


def cluster(
    store: ClusterStore, clock: ManualClock, roles: Sequence[str] = ROLES, *, shared_clock: SharedClock | None = None
) -> Cluster:
    return Cluster(
        services=Services(store=store, signals=Signals(), clock=clock),  # type: ignore[arg-type]
        shared_clock=shared_clock,
        name="host:1",
        roles=frozenset(roles),
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def steps(one: Cluster, clock: ManualClock, count: int) -> None:
    for _ in range(count):
        await clock.advance(REPORT_EVERY)
        await one.step()


async def test_before_its_first_report_a_bridge_may_do_nothing(both: TwoNodes, clock: ManualClock) -> None:
    one = cluster(both.one, clock)
    assert not one.leads(TELEGRAM)
    assert not one.may_send()
    assert not one.may_recover_others()


async def test_a_singleton_role_lasts_by_the_nodes_own_clock_and_is_given_up_before_others_take_it(
    both: TwoNodes, clock: ManualClock
) -> None:
    one = cluster(both.one, clock)
    await one.step()
    await clock.advance(LEASE - LEASE_MARGIN - 1)
    assert one.leads(TELEGRAM)
    await clock.advance(1)
    assert not one.leads(TELEGRAM)
    assert one.may_send(), "the others still count on it"
    await clock.advance(LEASE_MARGIN)
    assert not one.may_send(), "the others divide the rate without it from now on"


async def test_a_lease_counts_from_when_it_was_asked_for(both: TwoNodes, clock: ManualClock) -> None:
    one = cluster(both.one, clock)
    await one.step()
    await clock.advance(REPORT_EVERY)
    async with both.held(locks.CLUSTER):
        hangs = asyncio.create_task(one.step())
        await both.waiting()
        assert one.leads(TELEGRAM), "what was said before holds as long as it was said to"
        await clock.advance(LEASE - REPORT_EVERY - LEASE_MARGIN)
        assert not one.leads(TELEGRAM)
    await hangs
    assert one.leads(TELEGRAM)
    await clock.advance(REPORT_EVERY)
    assert not one.leads(TELEGRAM), "the answer came late; the lease did not begin with it"


async def test_a_report_that_fails_changes_nothing_of_what_was_said(both: TwoNodes, clock: ManualClock) -> None:
    one = cluster(both.one, clock)
    await one.step()
    await both.run("ALTER TABLE node RENAME TO elsewhere")
    with pytest.raises(StoreError):
        await one.step()
    assert one.leads(TELEGRAM)
    await clock.advance(LEASE)
    assert not one.leads(TELEGRAM)
    await both.run("ALTER TABLE elsewhere RENAME TO node")
    await one.step()
    assert one.leads(TELEGRAM)


async def test_a_bridge_judges_others_after_it_has_reported_for_a_lease_without_a_gap(
    both: TwoNodes, clock: ManualClock
) -> None:
    one = cluster(both.one, clock)
    await one.step()
    await steps(one, clock, 3)
    assert not one.may_recover_others()
    await steps(one, clock, 1)
    assert one.may_recover_others()
    await clock.advance(LEASE + SECOND)  # it slept, or the store was away
    assert not one.may_recover_others()
    await one.step()
    assert not one.may_recover_others(), "the others may have been away, too"
    await steps(one, clock, 3)
    assert not one.may_recover_others()
    await steps(one, clock, 1)
    assert one.may_recover_others()


async def test_nobody_is_judged_just_after_the_stores_clock_was_set_forth(both: TwoNodes, clock: ManualClock) -> None:
    began, set_by = clock.monotonic(), [0]
    one = cluster(SetForth(both.one, lambda: clock.monotonic() - began + set_by[0]), clock)
    await one.step()
    await steps(one, clock, 4)
    assert one.may_recover_others()
    set_by[0] = 60 * SECOND
    await steps(one, clock, 1)
    assert not one.may_recover_others()
    await steps(one, clock, 4)
    assert one.may_recover_others()


async def test_a_newcomer_sends_when_those_who_send_know_of_it(both: TwoNodes, clock: ManualClock) -> None:
    one, two = cluster(both.one, clock), cluster(both.two, clock)
    await one.step()
    assert (one.may_send(), one.senders, one.position, one.joined) == (True, 1, 0, 0)
    await two.step()
    assert (two.may_send(), two.senders, two.position, two.joined) == (False, 2, 1, 1)
    assert (one.may_send(), one.senders) == (True, 1)
    for _ in range(3):
        await steps(one, clock, 1)
        await two.step()
    assert not two.may_send(), "that the other reported does not say that it was told"
    await clock.advance(SECOND)
    assert (two.may_send(), two.senders, one.senders) == (True, 2, 2)
    assert (one.position, one.joined, two.joined) == (0, 0, 1)


async def test_one_that_is_not_told_of_a_newcomer_has_stopped_when_that_begins(
    both: TwoNodes, clock: ManualClock
) -> None:
    deaf = Deaf(both.one)
    one, two = cluster(deaf, clock), cluster(both.two, clock)
    await one.step()
    await two.step()
    deaf.hears = False
    for _ in range(LEASE // SECOND):
        assert not two.may_send()
        assert one.senders == 1, "it has all of the rate to itself, as far as it knows"
        await clock.advance(SECOND)
        with pytest.raises(StoreError):
            await one.step()
        await two.step()
    assert (one.may_send(), two.may_send()) == (False, True)
    deaf.hears = True
    await one.step()
    assert one.senders == 2


async def test_a_newcomer_waits_for_no_one_who_is_gone(both: TwoNodes, clock: ManualClock) -> None:
    one, two = cluster(both.one, clock), cluster(both.two, clock)
    await one.step()
    await two.step()
    await both.is_not_heard_of(both.one)
    await two.step()
    assert (two.may_send(), two.senders) == (True, 1)


async def test_a_newcomer_waits_for_no_one_who_does_not_send(both: TwoNodes, clock: ManualClock) -> None:
    one, two = cluster(both.one, clock, ("intake", "router")), cluster(both.two, clock)
    await one.step()
    await two.step()
    assert (two.may_send(), two.senders, two.joined) == (True, 1, 0)


async def test_a_bridge_that_was_not_heard_of_comes_as_a_newcomer(both: TwoNodes, clock: ManualClock) -> None:
    asleep = ManualClock()
    one, two = cluster(both.one, clock), cluster(both.two, asleep)
    await one.step()
    await two.step()
    await asleep.advance(REPORT_EVERY)
    await two.step()
    await asleep.advance(LEASE - REPORT_EVERY)
    assert two.may_send()
    await asleep.advance(REPORT_EVERY)
    assert not two.may_send()
    await two.step()
    assert (two.may_send(), two.joined) == (False, 2), "the other divided nothing meanwhile, and does not know yet"
    await asleep.advance(REPORT_EVERY)
    await two.step()
    await asleep.advance(LEASE - REPORT_EVERY)
    assert two.may_send()


async def test_when_one_leaves_the_rate_is_the_others(both: TwoNodes, clock: ManualClock) -> None:
    one, two = cluster(both.one, clock), cluster(both.two, clock, [SENDER])
    await one.step()
    await two.step()
    await one.step()
    assert one.senders == 2
    await two.leave()
    await one.step()
    assert one.senders == 1


class Part:
    """Something with loops of its own."""

    def __init__(self) -> None:
        self.begun = 0
        self.running = False

    async def run(self) -> None:
        self.begun += 1
        self.running = True
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.running = False


async def test_a_part_ends_with_its_lease_without_any_word_and_begins_again(both: TwoNodes, clock: ManualClock) -> None:
    one, part = cluster(both.one, clock), Part()
    task = asyncio.create_task(one.while_leader(TELEGRAM, part.run))
    try:
        await clock.advance(0)
        assert part.begun == 0
        async with both.held(
            locks.CLUSTER
        ):  # so that its looks are not a whole number of seconds after the lease began
            slow = asyncio.create_task(one.step())
            await both.waiting()
            await clock.advance(SECOND // 2)
        await slow
        await clock.advance(0)
        assert part.running
        await clock.advance(LEASE - LEASE_MARGIN - SECOND // 2 - 1)
        assert part.running
        await clock.advance(1)
        assert not part.running, "not a look later: the margin is for what is under way to end"
        await one.step()
        await clock.advance(0)
        assert (part.running, part.begun) == (True, 2)
        await both.is_not_heard_of(both.one)
        await cluster(both.two, clock).step()
        await one.step()
        await clock.advance(0)
        assert not part.running, "it is another's"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert not part.running


async def test_a_part_that_fails_says_so(both: TwoNodes, clock: ManualClock) -> None:
    one = cluster(both.one, clock)
    await one.step()

    async def fails() -> None:
        raise ValueError

    with pytest.raises(ValueError):
        await one.while_leader(TELEGRAM, fails)


async def test_what_only_one_does_is_left_alone_by_the_other(both: TwoNodes, clock: ManualClock) -> None:
    one, two = cluster(both.one, clock), cluster(both.two, clock)
    await one.step()
    await two.step()
    done: list[Cluster] = []

    async def step(who: Cluster) -> Ms:
        done.append(who)
        return 7

    waits = [await each.when_leader(TELEGRAM, lambda each=each: step(each))() for each in (one, two)]  # type: ignore[misc]
    assert done == [one]
    assert waits == [7, REPORT_EVERY]


async def test_the_time_is_the_stores_and_a_slow_answer_does_not_tell_it(both: TwoNodes, clock: ManualClock) -> None:
    shared = SharedClock(clock)
    one = cluster(both.one, clock, shared_clock=shared)
    wrong_by = abs(shared.now() - await both.now())
    assert wrong_by > 3600 * SECOND, "this machine's clock is wrong"
    await one.step()
    assert abs(shared.now() - await both.now()) < 60 * SECOND
    told = shared.now() - clock.monotonic()
    async with both.held(locks.CLUSTER):
        slow = asyncio.create_task(one.step())
        await both.waiting()
        await clock.advance(4 * SECOND)
    await slow
    assert shared.now() - clock.monotonic() == told


async def test_a_machines_wrong_clock_is_no_jump(both: TwoNodes, clock: ManualClock) -> None:
    shared = SharedClock(clock)
    steady = SteadyClock(shared)
    services = Services(store=both.one, signals=Signals(), clock=steady)
    one = Cluster(services=services, shared_clock=shared, name="host:1", roles=frozenset(ROLES))
    await one.step()
    assert abs(steady.jumped_by()) > 3600 * SECOND
    steady.take_over(steady.jumped_by())
    assert abs(steady.now() - await both.now()) < 60 * SECOND
