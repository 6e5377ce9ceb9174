"""Starts the parts of the service in order and stops them in reverse.

Order of a start: rules; the store with its lock; accounts; SMS that the last run left ``sending``; loops; Telegram; and
the listeners last, so that a callback is taken only when everything behind it runs. Order of a stop: intake; routing;
the SMS in flight, within the deadline; the other loops and Telegram; the store last. Unfinished work stays in the
tables for the next start.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Set
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from bridge import __version__
from bridge.app.rulebook import canned_of, rules_of
from bridge.app.sending import open_sending
from bridge.app.service import Bridge
from bridge.config import Settings
from bridge.model.base import Ms
from bridge.model.work import Work
from bridge.pipeline.account_watch import AccountWatch
from bridge.pipeline.clockwatch import ClockWatch, longest_waits
from bridge.pipeline.cluster import INTAKE, ROLES, ROUTER, SENDER, STATUS, TELEGRAM, WATCH
from bridge.pipeline.commands import Commands
from bridge.pipeline.delivery import DeliveryPoller
from bridge.pipeline.inbox import Inbox
from bridge.pipeline.reload import Reloader, signature
from bridge.pipeline.router import Router
from bridge.pipeline.routing import NoSender, Routing
from bridge.pipeline.watches.callback_silence import CallbackSilence
from bridge.pipeline.watches.downtime import DowntimeReport, WaitingUpdates
from bridge.pipeline.watches.reminders import Reminders
from bridge.pipeline.watches.working_time import office
from bridge.pipeline.worker import Step, keep_alive
from bridge.platforms.choice import callbacks_of
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
    """Run the service while the context lasts. Inside it, callbacks are taken.

    ``roles``: the roles of this process; by default all.
    :raises ConfigError: a rule file cannot be used. :raises BridgeError: the store or a port is taken.
    """
    seen = signature(settings.rules)
    rules, canned = rules_of(settings), canned_of(settings)
    async with AsyncExitStack() as stack:
        sending = await stack.enter_async_context(open_sending(settings, clock, roles))
        reloader = Reloader(
            rules=rules,
            seen=seen,
            load=lambda: rules_of(settings),
            folder=settings.rules,
            config=settings.file,
            services=sending.services,
        )
        bridge = Bridge(settings, sending, reloader, canned, roles)
        start_cluster(bridge)
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


def start_cluster(bridge: Bridge) -> None:
    """Start the loops that coordinate this node with others. If the store belongs to it alone, none are started."""
    services, cluster, reloader = bridge.sending.services, bridge.sending.cluster, bridge.reloader
    cluster.rules_version = lambda: reloader.rules.version
    if not bridge.settings.storage.is_postgresql:
        return
    bridge.loop("cluster", cluster.step)
    reloader.announce = lambda: services.store.notify(Work.RULES)

    def on_work(work: Set[Work]) -> None:
        services.signals.wake(work)
        if Work.RULES in work:
            reloader.follow()

    bridge.task("listen", services.store.listen(on_work))
    bridge.loop("recovery", bridge.recover_others)


def start_pipeline(bridge: Bridge, roles: frozenset[str]) -> None:
    """Start the loops of the pipeline that belong to these roles."""
    sending, settings = bridge.sending, bridge.settings
    services, channels, cluster = sending.services, sending.channels, sending.cluster

    def leads() -> bool:
        return cluster.leads(WATCH)

    launcher = sending.outbox if SENDER in roles else NoSender()
    routing = Routing(settings=settings, rules=lambda: bridge.rules, launcher=launcher, services=services)
    delivery = DeliveryPoller(channels=channels, services=services)
    accounts = AccountWatch(channels=channels, suspensions=sending.suspensions, leads=leads, services=services)
    clock_watch = ClockWatch(
        clock=sending.clock, channels=channels, leads=leads, longest=longest_waits(settings), services=services
    )
    bridge.loop("clock", clock_watch.step)
    bridge.inbox = Inbox(services, routing if ROUTER in roles else None, clock_watch.steady)
    if ROUTER in roles:
        router = Router(routing=routing, services=services)
        bridge.loop(ROUTER, clock_watch.without_clock_change(router.step), services.signals.inbound)
    if SENDER in roles:
        bridge.loop(OUTBOX, sending.outbox.step, services.signals.sms)
    if STATUS in roles:
        bridge.loop("delivery", cluster.when_leader(STATUS, delivery.step))
    bridge.loop("accounts", accounts.step)
    bridge.loop("rules", bridge.reloader.step, bridge.reloader.requested)


def start_watches(bridge: Bridge) -> None:
    """Start the watches, which tell the team that something expected did not happen."""
    services, settings = bridge.sending.services, bridge.settings
    hours = office(settings.hours)

    def watch(name: str, step: Step) -> None:
        bridge.loop(name, bridge.sending.cluster.when_leader(WATCH, step))

    async def count_updates(since: Ms, until: Ms) -> WaitingUpdates:
        return await bridge.telegram.waiting_updates(since, until) if bridge.telegram is not None else WaitingUpdates()

    watch("downtime", DowntimeReport(count_updates=count_updates, services=services).step)
    watch("reminders", Reminders(after=settings.telegram.remind_after, hours=hours, services=services).step)
    silent_after = {
        name: account.callback.silent_after
        for name, account in settings.accounts.items()
        if account.callback.silent_after is not None
    }
    if silent_after:
        watch("silence", CallbackSilence(after=silent_after, hours=hours, services=services).step)


async def stop_pipeline(bridge: Bridge) -> None:
    """Stop routing and claiming, so that no new SMS leaves. Then wait for the SMS in flight. Then stop the rest."""
    await bridge.inbox.idle()
    await bridge.stop(ROUTER, OUTBOX)
    await bridge.sending.outbox.drain(bridge.settings.server.shutdown)
    await bridge.stop()


def start_telegram(bridge: Bridge) -> None:
    """Start Telegram. Without a token it does not start, and forwards wait in the store."""
    if not bridge.settings.telegram.token.get_secret_value():
        log.warning("telegram_disabled", reason="telegram.token is empty; forwards wait in the store")
        return
    # Imported late: python-telegram-bot takes a third of a second to import, which a node without Telegram saves.
    from bridge.telegram.service import TelegramService

    sending = bridge.sending
    bridge.telegram = TelegramService(bridge.settings, sending.services, rulebook=bridge.reloader, canned=bridge.canned)
    telegram, cluster = bridge.telegram, sending.cluster
    bridge.task("telegram", keep_alive("telegram", lambda: cluster.while_leader(TELEGRAM, telegram.run), sending.clock))
    bridge.task("startup_checks", startup_checks(bridge.settings, sending.clock))


async def startup_checks(settings: Settings, clock: Clock) -> None:
    """Log what is wrong with bot and chats. A failure of the checks is only logged: the service goes on."""
    from bridge.telegram.setup.checks import report_at_start

    try:
        await report_at_start(settings, clock)
    except Exception as error:
        log.error("startup_checks_failed", error_class=type(error).__name__)


async def start_admin(bridge: Bridge, stack: AsyncExitStack) -> None:
    """Open the admin socket, over which commands reach this service."""
    sending = bridge.sending
    commands = Commands(settings=bridge.settings, services=sending.services)
    path = socket_path(bridge.settings)
    admin = AdminSocket(path, commands, status=bridge.live, reload=bridge.reloader.reload)
    await admin.start()
    stack.push_async_callback(admin.close)


def webhook_of(bridge: Bridge) -> WebhookEndpoint | None:
    """The route that Telegram calls; None where the bridge polls for updates."""
    if bridge.telegram is None or bridge.telegram.webhook is None:
        return None
    from bridge.telegram.updates.intake import WEBHOOK_PATH, NoUpdate

    return WebhookEndpoint(
        path=WEBHOOK_PATH,
        secret=bridge.settings.telegram.webhook_secret,
        take=bridge.telegram.webhook.take,
        refusal=NoUpdate,
    )


async def start_listeners(bridge: Bridge, stack: AsyncExitStack, *, intake: bool) -> None:
    """Start the listeners. They start last and stop first, because an acknowledgement needs all other parts."""
    settings, sending = bridge.settings, bridge.sending
    listeners = Listeners(
        settings,
        inbox=bridge.inbox,
        protocols={name: callbacks_of(account) for name, account in settings.accounts.items()},
        health=bridge,
        clock=sending.clock,
        webhook=webhook_of(bridge),
    )
    await listeners.start(intake=intake)
    stack.push_async_callback(listeners.close, settings.server.shutdown / 1000)
    bridge.callback_port = listeners.callback_port
    bridge.web_port = listeners.web_port
