"""The outgoing half, and what a start finds unfinished of it. Enough for a command that sends one SMS."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from bridge.config import Settings
from bridge.model.answers import Reason
from bridge.model.base import Ms
from bridge.model.sms import Change, Move, SmsState
from bridge.pipeline import escalations
from bridge.pipeline.account_channel import AccountChannel
from bridge.pipeline.clock import SharedClock, SteadyClock, SystemClock
from bridge.pipeline.cluster import TELEGRAM, Cluster
from bridge.pipeline.outbox import Outbox
from bridge.pipeline.outcomes import OutcomePolicy
from bridge.pipeline.rate_limit import TokenBucket
from bridge.pipeline.signals import Signals
from bridge.pipeline.suspensions import AccountSuspensions
from bridge.pipeline.watches.downtime import note_outage
from bridge.platforms.iba import IbaPlatform
from bridge.ports.clock import Clock
from bridge.ports.store import Store
from bridge.store import open_storage
from bridge.value import value_object

log = structlog.get_logger()


@value_object
class Sending:
    """The outgoing half: enough for the command line to send one SMS without a service."""

    store: Store
    signals: Signals
    channels: Mapping[str, AccountChannel]
    suspensions: AccountSuspensions
    outbox: Outbox
    clock: SteadyClock
    cluster: Cluster


@asynccontextmanager
async def sending(
    settings: Settings, clock: Clock | None = None, roles: frozenset[str] = frozenset()
) -> AsyncIterator[Sending]:
    """Open the store and everything that sends. Nothing is sent until ``outbox.step`` is called.

    ``roles``: what this process is for, where others share the store.
    :raises StoreLocked: another bridge runs on this SQLite file.
    """
    # A clock that was passed in is the tests', which set it.
    shared_clock = SharedClock(SystemClock()) if settings.storage.shared and clock is None else None
    clock = SteadyClock(shared_clock or clock or SystemClock())
    async with AsyncExitStack() as stack:
        store = await open_storage(settings.storage.url, clock=clock)
        stack.push_async_callback(store.close)
        signals = Signals()
        # Whoever has no token must not keep the duty from those who have one.
        able = roles if settings.telegram.token.get_secret_value() else roles - {TELEGRAM}
        cluster = Cluster(
            store=store, signals=signals, clock=clock, shared_clock=shared_clock, name=process_name(), roles=able
        )
        await cluster.step()
        stack.push_async_callback(cluster.leave)
        # Nothing has been measured yet: what this machine believed until now is no jump, and nothing waits by it.
        clock.take_over(clock.jumped_by())
        if roles:
            await note_outage(store, clock.now())
        await settle_restored(store, clock.now())
        channels: dict[str, AccountChannel] = {}
        for name, account in settings.accounts.items():
            platform = IbaPlatform(account)
            stack.push_async_callback(platform.close)
            bucket = TokenBucket(account.rate, clock.now())
            channels[name] = AccountChannel(name=name, settings=account, platform=platform, bucket=bucket)
        suspensions = AccountSuspensions(store=store, signals=signals, clock=clock)
        for channel in channels.values():
            await suspensions.load(channel)
        policy = OutcomePolicy(store=store, suspensions=suspensions, clock=clock)
        outbox = Outbox(channels=channels, store=store, policy=policy, lease=cluster, signals=signals, clock=clock)
        if not settings.storage.shared:  # else too little is known of the others so far; Bridge.look_for_lost does it
            await find_lost(outbox)
        await ask_about_unknown(settings, store, clock.now())
        await refuse_homeless(settings, store, clock.now())
        yield Sending(
            store=store,
            signals=signals,
            channels=channels,
            suspensions=suspensions,
            outbox=outbox,
            clock=clock,
            cluster=cluster,
        )


def process_name() -> str:
    """For people: where it runs."""
    return f"{socket.gethostname()}:{os.getpid()}"


async def find_lost(outbox: Outbox) -> int:
    """What bridges that are gone were sending is unknown from now on, and to be put to people."""
    lost = await outbox.recover()
    if lost:
        log.warning("interrupted_sends", count=lost)
    return lost


async def settle_restored(store: Store, now: Ms) -> None:
    """Before anything else looks at it: a copy must not do again what the store it was taken from has done since."""
    restored = await store.settle_restored(now, escalations.about_restored)
    if restored is not None:
        numbers = {"sms": restored.sms, "inbound": restored.inbound, "updates": restored.updates}
        log.warning("store_restored", taken_at=restored.taken_at, **numbers)


async def ask_about_unknown(settings: Settings, store: Store, now: Ms) -> None:
    """Every unknown outcome has its question in a chat, also where a crash came between the two. Written once each."""
    unknown = await store.list_sms([SmsState.UNCERTAIN], limit=1_000)
    posts = [
        post
        for sms in unknown
        for post in escalations.about_unknown(sms, settings.accounts.get(sms.account), sms.reason)
    ]
    # At once, so that they share their commits: a kill under load leaves many.
    await asyncio.gather(*(store.add_post(post, now) for post in posts))


async def refuse_homeless(settings: Settings, store: Store, now: Ms) -> None:
    """What waits for an account that left the configuration can never go: it fails visibly instead of waiting."""
    for sms in await store.list_sms([SmsState.QUEUED], limit=10_000):
        if sms.account not in settings.accounts:
            posts = escalations.about_failed(sms, Reason.NO_ACCOUNT, sms.account)
            change = Change(reason=Reason.NO_ACCOUNT, detail=sms.account, posts=posts)
            await store.move(sms.id, Move.REFUSE_QUEUED, now, change)
