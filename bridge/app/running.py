"""The service from its start to its end: parts are started in order and stopped in reverse.

Start: store (with its lock), what the last run left ``sending``, rules, accounts, loops, Telegram, listeners last: a
callback is taken only when everything behind it stands. Stop: intake first, then routing, then the SMS in flight
within the deadline, then Telegram, the store last. What is not finished stays in the tables and the next start goes
on from there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from bridge import __version__
from bridge.app.rulebook import canned_of, rules_of
from bridge.app.sending import sending
from bridge.app.service import Bridge
from bridge.config import Settings
from bridge.model.base import Ms
from bridge.pipeline.accounts import AccountWatch
from bridge.pipeline.clockwatch import ClockWatch, longest_waits
from bridge.pipeline.cluster import INTAKE, ROLES, ROUTER, SENDER, STATUS, TELEGRAM, WATCH
from bridge.pipeline.commands import Commands
from bridge.pipeline.delivery import DeliveryPoller
from bridge.pipeline.inbox import Inbox
from bridge.pipeline.reload import Reloader, signature
from bridge.pipeline.router import Nowhere, Router
from bridge.pipeline.watches.callback_silence import CallbackSilence
from bridge.pipeline.watches.downtime import DowntimeReport, WaitingUpdates
from bridge.pipeline.watches.drafts import REMINDED_AFTER, DraftReminders
from bridge.pipeline.watches.reminders import ConversationReminders
from bridge.pipeline.watches.working_time import office
from bridge.pipeline.worker import keep_alive
from bridge.platforms import iba_callback
from bridge.ports.clock import Clock
from bridge.web.admin import AdminSocket, socket_path
from bridge.web.server import Listeners
from bridge.web.webhook import WebhookEndpoint

log = structlog.get_logger()


OUTBOX = "outbox"


@asynccontextmanager
async def running(
    settings: Settings, clock: Clock | None = None, roles: frozenset[str] = frozenset(ROLES)
) -> AsyncIterator[Bridge]:
    """The service, from "every callback is taken" to "everything is closed"; with fewer ``roles`` a part of it.

    :raises ConfigError: a rule file cannot be used. :raises BridgeError: the store or a port is taken.
    """
    seen = signature(settings.rules)
    rules, canned = rules_of(settings), canned_of(settings)
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(sending(settings, clock, roles))
        reloader = Reloader(
            rules=rules,
            seen=seen,
            load=lambda: rules_of(settings),
            folder=settings.rules,
            config=settings.file,
            store=parts.store,
            signals=parts.signals,
            clock=parts.clock,
        )
        bridge = Bridge(settings, parts, reloader, canned, roles)
        start_fleet(bridge)
        start_pipeline(bridge, roles)
        if STATUS in roles:
            start_watches(bridge)
        stack.push_async_callback(stop_pipeline, bridge)
        if TELEGRAM in roles:
            start_telegram(bridge)
        await start_admin(bridge, stack)
        await start_listeners(bridge, stack, intake=INTAKE in roles)
        log.info("started", version=__version__, rules=rules.version, accounts=list(settings.accounts))
        yield bridge
        log.info("stopping")


def start_fleet(bridge: Bridge) -> None:
    """What this bridge has to do with others; nothing where the store is its own."""
    cluster, reloader = bridge.sending.cluster, bridge.reloader
    cluster.rules_version = lambda: reloader.rules.version
    if not bridge.settings.storage.shared:
        return
    bridge.loop("fleet", cluster.step)
    cluster.connect()
    cluster.listen("rules", reloader.follow)
    reloader.announce = lambda: cluster.ring("rules")
    bridge.loop("bell", cluster.ringing, cluster.bell)
    bridge.task("hearing", cluster.hearing())
    bridge.loop("lost", bridge.look_for_lost)


def start_pipeline(bridge: Bridge, roles: frozenset[str]) -> None:
    parts, settings = bridge.sending, bridge.settings
    store, signals, clock = parts.store, parts.signals, parts.clock
    cluster = parts.cluster
    router = Router(
        settings=settings,
        store=store,
        rules=lambda: bridge.rules,
        launcher=parts.outbox if SENDER in roles else Nowhere(),
        signals=signals,
        clock=clock,
    )
    delivery = DeliveryPoller(channels=parts.channels, store=store, signals=signals, clock=clock)
    watch = AccountWatch(
        channels=parts.channels,
        suspensions=parts.suspensions,
        store=store,
        leads=lambda: cluster.leads(WATCH),
        signals=signals,
        clock=clock,
    )
    clockwatch = ClockWatch(
        clock=clock,
        store=store,
        channels=parts.channels,
        leads=lambda: cluster.leads(WATCH),
        signals=signals,
        longest=longest_waits(settings),
    )
    bridge.loop("clock", clockwatch.step)
    if ROUTER in roles:
        bridge.loop(ROUTER, clockwatch.undisturbed(router.step), signals.inbound)
    if SENDER in roles:
        bridge.loop(OUTBOX, parts.outbox.step, signals.sms)
    if STATUS in roles:
        bridge.loop("delivery", cluster.when_leader(STATUS, delivery.step))
    bridge.loop("accounts", watch.step)
    bridge.loop("rules", bridge.reloader.step, bridge.reloader.asked)


def start_watches(bridge: Bridge) -> None:
    """What is told to people because nothing happened."""
    parts, settings = bridge.sending, bridge.settings
    store, signals, clock = parts.store, parts.signals, parts.clock
    hours = office(settings.hours)
    cluster = parts.cluster

    async def chats(began: Ms, ended: Ms) -> WaitingUpdates:
        return await bridge.telegram.waited(began, ended) if bridge.telegram is not None else WaitingUpdates()

    arrivals = DowntimeReport(store=store, chats=chats, signals=signals, clock=clock)
    bridge.loop("arrivals", cluster.when_leader(WATCH, arrivals.step))
    after = settings.telegram.remind_after
    drafts = DraftReminders(after=after or REMINDED_AFTER, hours=hours, store=store, signals=signals, clock=clock)
    bridge.loop("drafts", cluster.when_leader(WATCH, drafts.step))
    if after is not None:
        reminders = ConversationReminders(after=after, hours=hours, store=store, signals=signals, clock=clock)
        bridge.loop("reminders", cluster.when_leader(WATCH, reminders.step))
    silences = {
        name: account.callback.silent_after
        for name, account in settings.accounts.items()
        if account.callback.silent_after is not None
    }
    if silences:
        silence = CallbackSilence(after=silences, hours=hours, store=store, signals=signals, clock=clock)
        bridge.loop("silence", cluster.when_leader(WATCH, silence.step))


async def stop_pipeline(bridge: Bridge) -> None:
    """Routing ends first, so that nothing new is born; then what is in flight; then the rest."""
    await bridge.stop(ROUTER, OUTBOX)
    await bridge.sending.outbox.drain(bridge.settings.server.shutdown)
    await bridge.stop()


def start_telegram(bridge: Bridge) -> None:
    """Nothing to do without a token: forwards wait in the store."""
    if not bridge.settings.telegram.token.get_secret_value():
        log.warning("telegram_off", reason="telegram.token is empty; forwards wait in the store")
        return
    # Imported late: python-telegram-bot costs a third of a second that a bridge without Telegram need not pay.
    from bridge.telegram.service import TelegramSide

    parts = bridge.sending
    bridge.telegram = TelegramSide(
        settings=bridge.settings,
        store=parts.store,
        signals=parts.signals,
        clock=parts.clock,
        rulebook=bridge.reloader,
        canned=bridge.canned,
    )
    side, cluster = bridge.telegram, parts.cluster
    bridge.task("telegram", keep_alive("telegram", lambda: cluster.while_leader(TELEGRAM, side.run), parts.clock))
    bridge.task("checkup", look_around(bridge.settings, parts.clock))


async def look_around(settings: Settings, clock: Clock) -> None:
    """What is not well with bot and chats, into the log. A fault of this must not be one of the service."""
    from bridge.telegram.setup.checks import at_start

    try:
        await at_start(settings, clock)
    except Exception as error:
        log.error("checkup_failed", error_class=type(error).__name__)


async def start_admin(bridge: Bridge, stack: AsyncExitStack) -> None:
    parts = bridge.sending
    commands = Commands(settings=bridge.settings, store=parts.store, signals=parts.signals, clock=parts.clock)
    path = socket_path(bridge.settings)
    admin = AdminSocket(path, commands, status=bridge.live, reload=bridge.reloader.reload)
    await admin.start()
    stack.push_async_callback(admin.close)


def webhook_of(bridge: Bridge) -> WebhookEndpoint | None:
    """The route that Telegram calls; None where it is asked for its updates."""
    if bridge.telegram is None or bridge.telegram.webhook is None:
        return None
    from bridge.telegram.updates.webhook import PATH, NoUpdate

    return WebhookEndpoint(
        path=PATH,
        secret=bridge.settings.telegram.webhook_secret,
        take=bridge.telegram.webhook.take,
        refusal=NoUpdate,
    )


async def start_listeners(bridge: Bridge, stack: AsyncExitStack, *, intake: bool) -> None:
    """Last to start and first to stop: an acknowledgement needs everything else."""
    settings, parts = bridge.settings, bridge.sending
    listeners = Listeners(
        settings,
        inbox=Inbox(parts.store, parts.signals, parts.clock),
        protocol=iba_callback,
        health=bridge,
        clock=parts.clock,
        webhook=webhook_of(bridge),
    )
    await listeners.start(intake=intake)
    stack.push_async_callback(listeners.close, settings.server.shutdown / 1000)
    bridge.callback_port = listeners.callback_port
    bridge.web_port = listeners.web_port
