"""The sending half alone: a real store, the real adapter, the simulated platform; steps are taken by the test."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.config import AccountSettings
from bridge.model.base import Ms, SmsId
from bridge.model.sms import NewSms, Origin, Priority, Sms, SmsState
from bridge.pipeline.account_channel import AccountChannel
from bridge.pipeline.clock import SystemClock
from bridge.pipeline.cluster import ROLES, Cluster
from bridge.pipeline.outbox import Outbox
from bridge.pipeline.outcomes import OutcomePolicy
from bridge.pipeline.rate_limit import TokenBucket
from bridge.pipeline.services import Services
from bridge.pipeline.signals import Signals
from bridge.pipeline.suspensions import AccountSuspensions
from bridge.platforms.iba import IbaPlatform
from bridge.ports.clock import Clock
from bridge.ports.store import Store
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from bridge.store import open_store
from tests.clock import ManualClock

LOOK_AGAIN = 0.005
"""Seconds between two looks at something that tells nobody when it changes; every wait is bounded by a time limit."""
BUSY: Ms = 40
"""How long the store waits for a lock here: a locked file is told of at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sender:
    path: Path
    platform: SimulatedPlatform
    services: Services
    channel: AccountChannel
    suspensions: AccountSuspensions
    policy: OutcomePolicy
    outbox: Outbox

    @property
    def store(self) -> Store:
        return self.services.store

    @property
    def signals(self) -> Signals:
        return self.services.signals

    @property
    def clock(self) -> Clock:
        return self.services.clock

    async def order(self, key: str, recipient: str = "79990000001", *, text: str = "раз", account: str = "main") -> Sms:
        return await self.store.enqueue(
            NewSms(
                key=key,
                account=account,
                recipient=recipient,
                sender_name="MyShop",
                text=text,
                parts=1,
                origin=Origin.COMMAND,
                priority=Priority.PERSON,
                due_at=self.clock.now(),
            )
        )

    async def row(self, sms_id: SmsId) -> Sms:
        sms = await self.store.get_sms(sms_id)
        assert sms is not None
        return sms

    async def becomes(self, sms_id: SmsId, state: SmsState) -> Sms:
        await until(lambda: self._is(sms_id, state))
        return await self.row(sms_id)

    async def _is(self, sms_id: SmsId, state: SmsState) -> bool:
        return (await self.row(sms_id)).state is state

    async def quiet(self) -> None:
        """Until nothing is in flight."""

        async def empty() -> bool:
            return self.outbox.under_way == 0

        await until(empty, clock=self.clock)

    @contextmanager
    def away(self) -> Iterator[None]:
        """The store cannot write, as with a full disk; reading goes on."""
        other = sqlite3.connect(self.path, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            yield
        finally:
            other.close()


async def until(condition: Callable[[], Awaitable[object]], *, clock: Clock | None = None, seconds: float = 8) -> None:
    """Bounded by real time: what is waited for happens on sockets and in the store's thread."""
    try:
        async with asyncio.timeout(seconds):
            while not await condition():
                await asyncio.sleep(LOOK_AGAIN)
                if isinstance(clock, ManualClock):
                    await clock.advance(50)
    except TimeoutError:
        raise AssertionError(f"did not come about within {seconds} s") from None


@asynccontextmanager
async def sender(
    folder: Path, *, clock: Clock | None = None, busy: Ms = BUSY, **account: object
) -> AsyncIterator[Sender]:
    clock = clock or SystemClock()
    platform = SimulatedPlatform(clock=clock, account=SimulatedAccount(sender_names=None))
    await platform.start()
    path = folder / "bridge.db"
    signals = Signals()
    store = await open_store(path, clock=clock, on_work=signals.wake, busy_timeout=busy)
    defaults = {"url": platform.url, "login": "demo", "password": "demo", "sender": "MyShop", "rate": "off"}
    settings = AccountSettings(**{**defaults, **account})
    adapter = IbaPlatform(settings)
    services = Services(store=store, signals=signals, clock=clock)
    channel = AccountChannel(
        name="main", settings=settings, platform=adapter, bucket=TokenBucket(settings.rate, clock.now())
    )
    suspensions = AccountSuspensions(services)
    policy = OutcomePolicy(suspensions=suspensions, services=services)
    cluster = Cluster(services=services, shared_clock=None, name="one", roles=frozenset(ROLES))
    await cluster.step()
    outbox = Outbox(channels={"main": channel}, policy=policy, lease=cluster, services=services)
    try:
        yield Sender(
            path=path,
            platform=platform,
            services=services,
            channel=channel,
            suspensions=suspensions,
            policy=policy,
            outbox=outbox,
        )
    finally:
        await outbox.drain(100)
        await adapter.close()
        await store.close()
        await platform.stop()
