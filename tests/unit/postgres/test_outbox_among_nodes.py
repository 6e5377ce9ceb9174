"""The sending half on a shared store, against the simulated platform: what leaves, and what does not leave any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.app.sending import open_sending
from bridge.config import AccountSettings, Settings
from bridge.model.base import HOUR, SECOND, Ms
from bridge.model.sms import SmsState
from bridge.pipeline.account_channel import AccountChannel
from bridge.pipeline.clock import SystemClock
from bridge.pipeline.cluster import INTAKE, ROLES, STATUS, TELEGRAM, Cluster
from bridge.pipeline.outbox import Outbox
from bridge.pipeline.outcomes import OutcomePolicy
from bridge.pipeline.rate_limit import TokenBucket
from bridge.pipeline.services import Services
from bridge.pipeline.signals import Signals
from bridge.pipeline.suspensions import AccountSuspensions
from bridge.pipeline.worker import IDLE
from bridge.platforms.iba import IbaPlatform
from bridge.sandbox.faults import Fault
from bridge.sandbox.platform import SimulatedPlatform
from bridge.store import locks
from bridge.store.postgres.cluster import LEASE
from bridge.store.postgres.store import PostgresStore
from tests.clock import ManualClock
from tests.contract.builders import NOW, SUBSCRIBER, accept, call, reply, sent
from tests.postgres import needs_postgres
from tests.unit.pipeline.sender import until
from tests.unit.postgres.two_nodes import TwoNodes

pytestmark = needs_postgres


@dataclass(frozen=True, kw_only=True, slots=True)
class Half:
    outbox: Outbox
    cluster: Cluster
    channel: AccountChannel
    clock: ManualClock


@asynccontextmanager
async def half(store: PostgresStore, url: str, **account: object) -> AsyncIterator[Half]:
    clock = ManualClock(NOW)
    services = Services(store=store, signals=Signals(), clock=clock)
    defaults = {"url": url, "login": "demo", "password": "demo", "sender": "MyShop", "rate": "off"}
    settings = AccountSettings(**{**defaults, **account})
    platform = IbaPlatform(settings)
    channel = AccountChannel(
        name="main", settings=settings, platform=platform, bucket=TokenBucket(settings.rate, clock.now())
    )
    cluster = Cluster(services=services, shared_clock=None, name="host:1", roles=frozenset(ROLES))
    await cluster.step()
    policy = OutcomePolicy(suspensions=AccountSuspensions(services), services=services)
    outbox = Outbox(channels={"main": channel}, policy=policy, lease=cluster, services=services)
    try:
        yield Half(outbox=outbox, cluster=cluster, channel=channel, clock=clock)
    finally:
        await outbox.drain(100)
        await platform.close()


async def becomes(both: TwoNodes, state: SmsState) -> None:
    async def is_it() -> bool:
        return bool(await both.value("SELECT state FROM sms") == state)

    await until(is_it)


async def test_what_was_claimed_by_a_bridge_whose_lease_is_over_goes_back_without_a_request(
    both: TwoNodes, platform: SimulatedPlatform
) -> None:
    """It slept in the middle of its claim, say."""
    await both.one.enqueue(reply("k"))
    async with half(both.one, platform.url) as one:
        async with both.locked("SELECT 1 FROM sms"):
            claiming = asyncio.create_task(one.outbox.step())
            await both.waiting()
            await one.clock.advance(LEASE)
        await claiming
        await becomes(both, SmsState.QUEUED)
        assert platform.requests == []
        assert await one.outbox.step() == SECOND
        assert await both.value("SELECT state FROM sms") == SmsState.QUEUED, "nothing is claimed without a lease"
        await one.cluster.step()
        await one.outbox.step()
        await becomes(both, SmsState.SENT)
        assert platform.taken == 1


async def test_what_another_bridge_called_lost_is_sent_when_its_answer_comes(
    both: TwoNodes, platform: SimulatedPlatform
) -> None:
    platform.misbehave(Fault.SLOW, delay=1_000)
    await both.one.enqueue(reply("k"))
    async with half(both.one, platform.url) as one:
        await one.outbox.step()
        await platform.wait_for(lambda simulated: len(simulated.requests) == 1)
        await both.is_gone(both.one)
        assert len(await both.two.recover_sending(NOW)) == 1
        await becomes(both, SmsState.SENT)
    assert platform.taken == 1
    moves = await both.values("SELECT move FROM sms_event ORDER BY id")
    assert moves == ["start", "lose_track", "prove"]


async def test_a_share_is_divided_before_the_router_takes_of_it(both: TwoNodes, platform: SimulatedPlatform) -> None:
    fast = {"rate": "10/s", "connections": 50}
    async with half(both.one, platform.url, **fast) as one, half(both.two, platform.url, **fast) as two:
        assert not two.outbox.reserve("main", 1), "the other has all of it"
        await one.cluster.step()
        assert one.outbox.reserve("main", 20) == 5
        await two.clock.advance(SECOND)
        await two.cluster.step()
        assert not two.outbox.reserve("main", 1), "the other may not have heard of it yet"
        await two.clock.advance(LEASE - SECOND)
        assert not two.outbox.reserve("main", 1), "nothing had gathered for it while it was not one of them"
        await two.clock.advance(SECOND // 2)
        assert two.outbox.reserve("main", 20) == 2


async def test_a_lane_that_another_bridge_holds_is_looked_at_again_soon(
    both: TwoNodes, platform: SimulatedPlatform
) -> None:
    """Nobody says when it is free: the other may have written nothing in it."""
    await both.one.enqueue(reply("k"))
    async with half(both.one, platform.url) as one, half(both.two, platform.url):
        async with both.held(locks.subscriber(SUBSCRIBER)):
            assert await one.outbox.step() == IDLE
            await one.cluster.step()
            assert await one.outbox.step() == SECOND
        assert platform.requests == []
        await one.outbox.step()
        await becomes(both, SmsState.SENT)


# ------------------------------------------------ a start among others


class Ahead(SystemClock):
    """A machine whose clock somebody set wrong."""

    def now(self) -> Ms:
        return super().now() + 3600 * SECOND


def settings(both: TwoNodes, platform: SimulatedPlatform) -> Settings:
    account = AccountSettings(url=platform.url, login="demo", password="demo", sender="MyShop", rate="off")
    return Settings(storage={"url": both.url}, accounts={"main": account}, file=Path("config.yaml"))


async def test_a_machine_whose_clock_is_wrong_goes_by_the_stores_from_the_start(
    both: TwoNodes, platform: SimulatedPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.app.sending.SystemClock", Ahead)
    async with open_sending(settings(both, platform), roles=frozenset(ROLES)) as parts:
        assert abs(parts.clock.now() - await both.now()) < 60 * SECOND
        assert abs(parts.clock.jumped_by()) < 60 * SECOND, "nor is there a jump that would move what waits"


async def test_a_start_calls_nothing_lost_that_another_bridge_sends(
    both: TwoNodes, platform: SimulatedPlatform
) -> None:
    """Also where the others could not report, because the database was away."""
    await both.alive(both.one)
    await sent(both.one, "k")
    await both.is_gone(both.one)
    async with open_sending(settings(both, platform), roles=frozenset(ROLES)):
        assert await both.value("SELECT state FROM sms") == SmsState.SENDING


async def test_the_first_node_to_start_notes_how_long_nothing_ran(both: TwoNodes, platform: SimulatedPlatform) -> None:
    """Its own signs of life would hide it from the one that is to tell of it."""
    stopped = await both.now() - HOUR
    await accept(both.one, call("1", at=stopped))
    async with open_sending(settings(both, platform), roles=frozenset({INTAKE})):
        await accept(both.one, call("2", at=await both.now()))
        async with open_sending(settings(both, platform), roles=frozenset({STATUS})) as parts:
            [outage] = await parts.services.store.unreported_downtimes()
    assert outage.since == stopped


async def test_a_command_is_no_start_of_a_service(both: TwoNodes, platform: SimulatedPlatform) -> None:
    await accept(both.one, call("1", at=await both.now() - HOUR))
    async with open_sending(settings(both, platform)) as parts:
        assert not await parts.services.store.unreported_downtimes()


async def test_without_a_token_the_role_is_left_to_nodes_that_have_one(
    both: TwoNodes, platform: SimulatedPlatform
) -> None:
    async with open_sending(settings(both, platform), roles=frozenset(ROLES)) as parts:
        assert not parts.cluster.leads(TELEGRAM)
        assert (await both.alive(both.one, TELEGRAM)).leads == {TELEGRAM}
