"""Who is alive, and who does what only one may do."""

from __future__ import annotations

import asyncio

from bridge.store import locks
from bridge.store.postgres.cluster import LEASE, NODES_KEPT, SEND_LEASE
from bridge.store.statement import Statement
from tests.postgres import needs_postgres
from tests.unit.postgres.two_nodes import TwoNodes

pytestmark = needs_postgres


async def test_a_singleton_role_has_one_holder_while_that_node_reports(both: TwoNodes) -> None:
    assert (await both.alive(both.one, "telegram")).leads == {"telegram"}
    assert (await both.alive(both.two, "telegram")).leads == frozenset()
    assert (await both.alive(both.one, "telegram")).leads == {"telegram"}
    assert (await both.alive(both.two, "telegram", "watch")).leads == {"watch"}


async def test_a_singleton_role_is_taken_over_when_the_lease_has_expired(both: TwoNodes) -> None:
    await both.alive(both.one, "telegram")
    await both.is_not_heard_of(both.one)
    assert (await both.alive(both.two, "telegram")).leads == {"telegram"}
    back = await both.alive(both.one, "telegram")
    assert back.leads == frozenset(), "it was another's meanwhile"
    assert [node.leads for node in back.nodes if node.id == both.two._node] == [{"telegram"}]


async def test_a_node_that_was_away_has_its_singleton_role_again_if_it_is_free(both: TwoNodes) -> None:
    await both.alive(both.one, "telegram")
    await both.is_not_heard_of(both.one)
    assert (await both.alive(both.one, "telegram")).leads == {"telegram"}


async def test_a_node_that_leaves_gives_up_all_roles_at_once(both: TwoNodes) -> None:
    await both.alive(both.one, "telegram", "watch")
    await both.one.leave()
    there = await both.alive(both.two, "telegram", "watch")
    assert there.leads == {"telegram", "watch"}
    assert [node.id for node in there.nodes] == [both.two._node]


async def test_a_singleton_role_that_is_not_wanted_any_more_is_free(both: TwoNodes) -> None:
    await both.alive(both.one, "telegram", "watch")
    assert (await both.alive(both.one, "watch")).leads == {"watch"}
    assert (await both.alive(both.two, "telegram", "watch")).leads == {"telegram"}


async def test_of_two_that_report_at_the_same_moment_one_sees_the_other(both: TwoNodes) -> None:
    async with both.held(locks.CLUSTER):
        reports = [asyncio.create_task(both.alive(store, "telegram")) for store in (both.one, both.two)]
        await both.waiting(2)
    first, second = await asyncio.gather(*reports)
    assert sorted(len(lease.nodes) for lease in (first, second)) == [1, 2]
    assert sorted(len(lease.leads) for lease in (first, second)) == [0, 1]


async def test_leases_are_counted_on_the_databases_clock(both: TwoNodes) -> None:
    before = await both.now()
    lease = await both.alive(both.one)
    after = await both.now()
    assert lease.now is not None
    assert before <= lease.now <= after, "whatever the clock of this bridge shows"
    ends = await both.beside.fetchrow("SELECT alive_until, sends_until FROM node")
    assert tuple(ends) == (lease.now + LEASE, lease.now + SEND_LEASE)
    assert (lease.expires_in, lease.sends_expire_in, lease.id) == (LEASE, SEND_LEASE, both.one._node)


async def test_who_is_gone_for_long_is_forgotten_and_others_are_not(both: TwoNodes) -> None:
    await both.alive(both.one)
    await both.run("UPDATE node SET sends_until = $1", await both.now() - NODES_KEPT + 60_000)
    await both.alive(both.two)
    assert await both.value("SELECT count(*) FROM node") == 2
    await both.run("UPDATE node SET sends_until = $1 WHERE id = $2", 0, both.one._node)
    await both.alive(both.two)
    assert await both.values("SELECT id FROM node") == [both.two._node]


async def test_a_bridge_stopped_in_the_middle_of_its_report_does_not_cost_the_others_their_leases(
    both: TwoNodes,
) -> None:
    """It holds what all report under; the server lets go of it in time for another try."""
    limit = await both.one.writer.run(lambda tx: tx.one(Statement("SHOW idle_in_transaction_session_timeout")))
    wait = await both.one.writer.run(lambda tx: tx.one(Statement("SHOW lock_timeout")))
    assert limit is not None
    assert wait is not None
    assert (limit[0], wait[0]) == ("5s", "5s")
