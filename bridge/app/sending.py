"""Opens the store and the parts that send, and settles what the last run left unfinished.

This is enough for a command that sends one SMS. The service adds the other parts.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from bridge.config import Settings
from bridge.model.answers import SmsReason
from bridge.model.base import Ms
from bridge.model.sms import Change, Move, Sms, SmsState
from bridge.pipeline import escalations
from bridge.pipeline.account_channel import AccountChannel
from bridge.pipeline.clock import SharedClock, SteadyClock, SystemClock
from bridge.pipeline.cluster import TELEGRAM, Cluster
from bridge.pipeline.outbox import Outbox
from bridge.pipeline.outcomes import OutcomePolicy
from bridge.pipeline.rate_limit import TokenBucket
from bridge.pipeline.services import Services
from bridge.pipeline.signals import Signals
from bridge.pipeline.suspensions import AccountSuspensions
from bridge.pipeline.watches.downtime import note_downtime
from bridge.platforms.choice import platform_of
from bridge.ports.clock import Clock
from bridge.ports.store import Store
from bridge.store import open_storage
from bridge.value import value_object

log = structlog.get_logger()

PAGE = 1_000
"""How many SMS are read at a time."""


@value_object
class Sending:
    """The sending half of the service."""

    services: Services
    channels: Mapping[str, AccountChannel]
    suspensions: AccountSuspensions
    outbox: Outbox
    clock: SteadyClock
    cluster: Cluster


@asynccontextmanager
async def open_sending(
    settings: Settings, clock: Clock | None = None, roles: frozenset[str] = frozenset()
) -> AsyncIterator[Sending]:
    """Open the store and the parts that send. No SMS is sent until ``outbox.step`` is called.

    ``roles``: the roles of this process in the cluster.
    :raises StoreLocked: another service runs on this SQLite file.
    """
    # Tests pass a clock that they set.
    shared_clock = SharedClock(SystemClock()) if settings.storage.is_postgresql and clock is None else None
    clock = SteadyClock(shared_clock or clock or SystemClock())
    async with AsyncExitStack() as stack:
        signals = Signals()
        store = await open_storage(settings.storage.url, clock=clock, on_work=signals.wake)
        stack.push_async_callback(store.close)
        services = Services(store=store, signals=signals, clock=clock)
        # A node without a token must not hold the role of Telegram, or a node with a token could not get it.
        able = roles if settings.telegram.token.get_secret_value() else roles - {TELEGRAM}
        cluster = Cluster(services=services, shared_clock=shared_clock, name=process_name(), roles=able)
        await cluster.step()
        stack.push_async_callback(cluster.leave)
        # The clock was not used yet, so a difference to the shared time is not a jump.
        clock.take_over(clock.jumped_by())
        if roles:
            await note_downtime(store, clock.now())
        await settle_restored(store, clock.now())
        channels: dict[str, AccountChannel] = {}
        for name, account in settings.accounts.items():
            platform = platform_of(account)
            stack.push_async_callback(platform.close)
            bucket = TokenBucket(account.rate, clock.now())
            channels[name] = AccountChannel(name=name, settings=account, platform=platform, bucket=bucket)
        suspensions = AccountSuspensions(services)
        for channel in channels.values():
            await suspensions.load(channel)
        policy = OutcomePolicy(suspensions=suspensions, services=services)
        outbox = Outbox(channels=channels, policy=policy, lease=cluster, services=services)
        # On PostgreSQL too little is known of other nodes yet; Bridge.recover_others does it.
        if not settings.storage.is_postgresql:
            await recover_lost(outbox)
        await ask_about_unknown(settings, store, clock.now())
        await refuse_without_account(settings, store, clock.now())
        yield Sending(
            services=services,
            channels=channels,
            suspensions=suspensions,
            outbox=outbox,
            clock=clock,
            cluster=cluster,
        )


def process_name() -> str:
    """Host and process id, as shown to people."""
    return f"{socket.gethostname()}:{os.getpid()}"


async def recover_lost(outbox: Outbox) -> int:
    """Call unknown the SMS that were being sent by nodes that are gone. Returns how many."""
    lost = await outbox.recover()
    if lost:
        log.warning("sends_interrupted", count=lost)
    return lost


async def settle_restored(store: Store, now: Ms) -> None:
    """Call unknown the SMS that may have left since the copy was made, if the store was put back from a copy.

    Runs before other code reads the store.
    """
    restored = await store.settle_restored(now, escalations.about_restored)
    if restored is not None:
        numbers = {"sms": restored.sms, "inbound": restored.inbound, "updates": restored.updates}
        log.warning("store_restored", taken_at=restored.taken_at, **numbers)


async def ask_about_unknown(settings: Settings, store: Store, now: Ms) -> None:
    """Write the question about every unknown outcome that has none yet, because a crash came before it was written."""
    async for batch in pages(store, SmsState.UNCERTAIN):
        posts = [
            post
            for sms in batch
            for post in escalations.about_unknown(sms, settings.accounts.get(sms.account), sms.reason)
        ]
        # They are started together, so that they share commits. A kill under load leaves many.
        await asyncio.gather(*(store.add_post(post, now) for post in posts))


async def refuse_without_account(settings: Settings, store: Store, now: Ms) -> None:
    """Fail the SMS that wait for an account that is not configured any more, because they cannot be sent."""
    async for batch in pages(store, SmsState.QUEUED):
        for sms in batch:
            if sms.account not in settings.accounts:
                posts = escalations.about_failed(sms, SmsReason.NO_ACCOUNT, sms.account)
                change = Change(reason=SmsReason.NO_ACCOUNT, detail=sms.account, posts=posts)
                await store.move(sms.id, Move.REFUSE_QUEUED, now, change)


async def pages(store: Store, state: SmsState) -> AsyncIterator[Sequence[Sms]]:
    """Read all SMS in this state, the newest first, a page at a time."""
    before = None
    while page := await store.list_sms([state], limit=PAGE, before=before):
        yield page
        before = page[-1].id
