"""The only place where settings become objects and objects are joined; started in order, stopped in reverse.

Start: store (with its lock), what the last run left ``sending``, rules, accounts, loops, Telegram, listeners last: a
callback is taken only when everything behind it stands. Stop: intake first, then routing, then the SMS in flight
within the deadline, then Telegram, the store last. What is not finished stays in the tables and the next start goes
on from there.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from bridge import __version__
from bridge.config import Settings
from bridge.errors import ConfigError, StoreError
from bridge.frozen import frozen
from bridge.model.answers import Reason
from bridge.model.base import MINUTE, Ms
from bridge.model.sms import Change, Move, SmsState
from bridge.pipeline import questions
from bridge.pipeline.accounts import AccountWatch
from bridge.pipeline.arrivals import Arrivals, Waited
from bridge.pipeline.clock import SharedClock, SteadyClock, SystemClock
from bridge.pipeline.clockwatch import ClockWatch, longest_waits
from bridge.pipeline.commands import Commands
from bridge.pipeline.delivery import DeliveryPoller
from bridge.pipeline.drafts import REMINDED_AFTER, Drafts
from bridge.pipeline.fleet import INTAKE, ROLES, ROUTER, SENDER, STATUS, TELEGRAM, WATCH, Fleet, words_of
from bridge.pipeline.gate import Gate
from bridge.pipeline.holds import Holds
from bridge.pipeline.inbox import Inbox
from bridge.pipeline.outbox import Outbox
from bridge.pipeline.pace import Bucket
from bridge.pipeline.reload import Reloader, signature
from bridge.pipeline.reminders import Reminders
from bridge.pipeline.router import Nowhere, Router
from bridge.pipeline.signals import Signal, Signals
from bridge.pipeline.silence import Silence
from bridge.pipeline.verdict import Judge
from bridge.pipeline.worker import IDLE, Outage, Step, keep_alive, run_steps
from bridge.pipeline.working import office
from bridge.platforms import iba_callback
from bridge.platforms.iba import IbaPlatform
from bridge.ports.clock import Clock
from bridge.ports.store import Store
from bridge.rules.calendar import windows
from bridge.rules.canned import Canned, all_canned
from bridge.rules.context import RuleContext
from bridge.rules.engine import RuleSet
from bridge.rules.loader import load_rules
from bridge.schema.reader import read_file
from bridge.store import open_storage
from bridge.web.admin import AdminSocket, socket_path
from bridge.web.health import NOT_HERE, STANDBY, Readiness
from bridge.web.server import Listeners
from bridge.web.webhook import WebhookEndpoint

if TYPE_CHECKING:
    from bridge.telegram.side import TelegramSide

log = structlog.get_logger()

OUTBOX = "outbox"
ASK_EVERY: Ms = MINUTE


def rules_of(settings: Settings) -> RuleSet:
    """:raises ConfigError: every mistake in every file."""
    return load_rules(settings.rules, rule_context(settings))


def rule_context(settings: Settings) -> RuleContext:
    """What rules may refer to."""
    first = next(iter(settings.accounts.values()))
    return RuleContext(
        chats=frozenset(settings.telegram.chats),
        lists=settings.lists,
        region=settings.region,
        accounts=frozenset(settings.accounts),
        timezone=first.callback.timezone,
        hours=windows(settings.hours),
        language=settings.telegram.language,
    )


def canned_of(settings: Settings) -> Mapping[str, Canned]:
    """The replies of the configuration. :raises ConfigError: every text that cannot be used."""
    good, bad = all_canned(settings.replies)
    if bad:
        document = read_file(settings.file)
        raise ConfigError([document.problem(("replies", name), message) for name, message in bad.items()])
    return good


@frozen
class Sending:
    """The outgoing half: enough for the command line to send one SMS without a service."""

    store: Store
    signals: Signals
    gates: Mapping[str, Gate]
    holds: Holds
    outbox: Outbox
    clock: SteadyClock
    fleet: Fleet
    alive_until: Ms | None
    """The last sign of the run before; None: there was none."""


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
        fleet = Fleet(
            store=store, signals=signals, clock=clock, shared_clock=shared_clock, name=process_name(), roles=able
        )
        await fleet.step()
        stack.push_async_callback(fleet.leave)
        # Nothing has been measured yet: what this machine believed until now is no jump, and nothing waits by it.
        clock.take_over(clock.jumped_by())
        alive_until = await store.last_sign()
        await settle_restored(store, clock.now())
        gates: dict[str, Gate] = {}
        for name, account in settings.accounts.items():
            platform = IbaPlatform(account)
            stack.push_async_callback(platform.close)
            bucket = Bucket(account.rate, clock.now())
            gates[name] = Gate(name=name, settings=account, platform=platform, bucket=bucket)
        holds = Holds(store=store, signals=signals, clock=clock)
        for gate in gates.values():
            await holds.load(gate)
        judge = Judge(store=store, holds=holds, clock=clock)
        outbox = Outbox(gates=gates, store=store, judge=judge, lease=fleet, signals=signals, clock=clock)
        if not settings.storage.shared:  # else too little is known of the others so far; Bridge.look_for_lost does it
            await find_lost(outbox)
        await ask_about_unknown(settings, store, clock.now())
        await refuse_homeless(settings, store, clock.now())
        yield Sending(
            store=store,
            signals=signals,
            gates=gates,
            holds=holds,
            outbox=outbox,
            clock=clock,
            fleet=fleet,
            alive_until=alive_until,
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
    restored = await store.settle_restored(now, questions.about_restored)
    if restored is not None:
        numbers = {"sms": restored.sms, "inbound": restored.inbound, "updates": restored.updates}
        log.warning("store_restored", taken_at=restored.taken_at, **numbers)


async def ask_about_unknown(settings: Settings, store: Store, now: Ms) -> None:
    """Every unknown outcome has its question in a chat, also where a crash came between the two. Written once each."""
    unknown = await store.list_sms([SmsState.UNCERTAIN], limit=1_000)
    posts = [
        post for sms in unknown for post in questions.about_unknown(sms, settings.accounts.get(sms.account), sms.reason)
    ]
    # At once, so that they share their commits: a kill under load leaves many.
    await asyncio.gather(*(store.add_post(post, now) for post in posts))


async def refuse_homeless(settings: Settings, store: Store, now: Ms) -> None:
    """What waits for an account that left the configuration can never go: it fails visibly instead of waiting."""
    for sms in await store.list_sms([SmsState.QUEUED], limit=10_000):
        if sms.account not in settings.accounts:
            posts = questions.about_failed(sms, Reason.NO_ACCOUNT, sms.account)
            change = Change(reason=Reason.NO_ACCOUNT, detail=sms.account, posts=posts)
            await store.move(sms.id, Move.REFUSE_QUEUED, now, change)


class Bridge:
    """A running service. Made by :func:`running`; everything it holds is closed by it."""

    def __init__(
        self,
        settings: Settings,
        sending: Sending,
        reloader: Reloader,
        canned: Mapping[str, Canned],
        roles: frozenset[str],
    ) -> None:
        self.settings = settings
        self.roles = roles
        self.sending = sending
        self.store = sending.store
        self.signals = sending.signals
        self.reloader = reloader
        self.canned = canned
        self.telegram: TelegramSide | None = None
        self.callback_port = settings.server.port
        self.web_port = settings.web.port
        self._outage = Outage()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._asked_at: Ms = sending.clock.monotonic()
        """When every unknown outcome was last seen to have its question."""

    @property
    def rules(self) -> RuleSet:
        """Those in force now; a reload puts others in their place."""
        return self.reloader.rules

    @property
    def callback_url(self) -> str:
        """What to register with the platform, as seen from this machine; the first account's."""
        callback = next(iter(self.settings.accounts.values())).callback
        return f"http://{self.settings.server.host}:{self.callback_port}{callback.path}"

    def loop(self, name: str, step: Step, signal: Signal | None = None) -> None:
        self.task(name, run_steps(name, step, signal or Signal(), self.sending.clock, self._outage))

    def task(self, name: str, work: Awaitable[None]) -> None:
        self._tasks[name] = asyncio.ensure_future(work)

    async def stop(self, *names: str) -> None:
        """Cancel these tasks (all that are left, without names) and wait until they have ended."""
        chosen = [self._tasks.pop(name) for name in (names or tuple(self._tasks)) if name in self._tasks]
        for task in chosen:
            task.cancel()
        await asyncio.gather(*chosen, return_exceptions=True)

    async def readiness(self) -> Readiness:
        """What ``/readyz`` says: a commit would go through, and how the neighbours are. Only the store decides."""
        parts: dict[str, str] = {"version": __version__, "rules": self.rules.version}
        try:
            await self.store.ping()
            parts["store"] = "ok"
        except StoreError as error:
            parts["store"] = str(error)
        for name, gate in self.sending.gates.items():
            parts[f"account {name}"] = "held" if gate.held else "unreachable" if gate.failures else "ok"
        parts["telegram"] = self._telegram_word()
        if INTAKE not in self.roles:
            parts["intake"] = NOT_HERE  # a listener without callbacks would say "accepting"
        for number, words in enumerate(words_of(self.sending.fleet.members), 1):
            parts[f"bridge {number}"] = words
        return Readiness(ok=parts["store"] == "ok", parts=parts)

    def _telegram_word(self) -> str:
        if TELEGRAM not in self.roles:
            return NOT_HERE
        if self.telegram is not None and not self.sending.fleet.has(TELEGRAM):
            return STANDBY
        return telegram_word(self.telegram, self.sending.clock.now())

    async def look_for_lost(self) -> Ms:
        """A step: what became of the sends of bridges that are gone."""
        parts = self.sending
        if not parts.fleet.may_judge():
            return IDLE
        lost, now = await find_lost(parts.outbox), parts.clock.monotonic()
        # Now and then without a reason, too: another bridge may have ended between finding and asking.
        if lost or now - self._asked_at >= ASK_EVERY:
            await ask_about_unknown(self.settings, self.store, parts.clock.now())
            self._asked_at = now
            self.signals.posts.set()
        return IDLE

    async def live(self) -> dict[str, str]:
        """For ``sms-bridge status``: the same words, but for what it knows of all bridges from the store."""
        parts = (await self.readiness()).parts
        return {name: word for name, word in parts.items() if name != "intake" and not name.startswith("bridge ")}


def telegram_word(side: TelegramSide | None, now: Ms) -> str:
    if side is None:
        return "off (no token)"
    health = side.health()
    word = "ok" if health.connected else f"trouble: {health.trouble}" if health.trouble else "not reached"
    return word if health.heard_at is None else f"{word}, last heard {max(now - health.heard_at, 0) // 1000}s ago"


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
    fleet, reloader = bridge.sending.fleet, bridge.reloader
    fleet.rules_version = lambda: reloader.rules.version
    if not bridge.settings.storage.shared:
        return
    bridge.loop("fleet", fleet.step)
    fleet.connect()
    fleet.listen("rules", reloader.follow)
    reloader.announce = lambda: fleet.ring("rules")
    bridge.loop("bell", fleet.ringing, fleet.bell)
    bridge.task("hearing", fleet.hearing())
    bridge.loop("lost", bridge.look_for_lost)


def start_pipeline(bridge: Bridge, roles: frozenset[str]) -> None:
    parts, settings = bridge.sending, bridge.settings
    store, signals, clock = parts.store, parts.signals, parts.clock
    fleet = parts.fleet
    router = Router(
        settings=settings,
        store=store,
        rules=lambda: bridge.rules,
        launcher=parts.outbox if SENDER in roles else Nowhere(),
        signals=signals,
        clock=clock,
    )
    delivery = DeliveryPoller(gates=parts.gates, store=store, signals=signals, clock=clock)
    watch = AccountWatch(
        gates=parts.gates,
        holds=parts.holds,
        store=store,
        on_duty=lambda: fleet.has(WATCH),
        signals=signals,
        clock=clock,
    )
    clockwatch = ClockWatch(
        clock=clock,
        store=store,
        gates=parts.gates,
        on_duty=lambda: fleet.has(WATCH),
        signals=signals,
        longest=longest_waits(settings),
    )
    bridge.loop("clock", clockwatch.step)
    if ROUTER in roles:
        bridge.loop(ROUTER, clockwatch.undisturbed(router.step), signals.inbound)
    if SENDER in roles:
        bridge.loop(OUTBOX, parts.outbox.step, signals.sms)
    if STATUS in roles:
        bridge.loop("delivery", fleet.on_duty(STATUS, delivery.step))
    bridge.loop("accounts", watch.step)
    bridge.loop("rules", bridge.reloader.step, bridge.reloader.asked)


def start_watches(bridge: Bridge) -> None:
    """What is told to people because nothing happened."""
    parts, settings = bridge.sending, bridge.settings
    store, signals, clock = parts.store, parts.signals, parts.clock
    hours = office(settings.hours)
    fleet = parts.fleet

    async def chats(began: Ms, ended: Ms) -> Waited:
        return await bridge.telegram.waited(began, ended) if bridge.telegram is not None else Waited()

    arrivals = Arrivals(alive_until=parts.alive_until, store=store, chats=chats, signals=signals, clock=clock)
    bridge.loop("arrivals", fleet.on_duty(WATCH, arrivals.step))
    after = settings.telegram.remind_after
    drafts = Drafts(after=after or REMINDED_AFTER, hours=hours, store=store, signals=signals, clock=clock)
    bridge.loop("drafts", fleet.on_duty(WATCH, drafts.step))
    if after is not None:
        reminders = Reminders(after=after, hours=hours, store=store, signals=signals, clock=clock)
        bridge.loop("reminders", fleet.on_duty(WATCH, reminders.step))
    silences = {
        name: account.callback.silent_after
        for name, account in settings.accounts.items()
        if account.callback.silent_after is not None
    }
    if silences:
        silence = Silence(after=silences, hours=hours, store=store, signals=signals, clock=clock)
        bridge.loop("silence", fleet.on_duty(WATCH, silence.step))


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
    from bridge.telegram.side import TelegramSide

    parts = bridge.sending
    bridge.telegram = TelegramSide(
        settings=bridge.settings,
        store=parts.store,
        signals=parts.signals,
        clock=parts.clock,
        rulebook=bridge.reloader,
        canned=bridge.canned,
    )
    side, fleet = bridge.telegram, parts.fleet
    bridge.task("telegram", keep_alive("telegram", lambda: fleet.while_on_duty(TELEGRAM, side.run), parts.clock))
    bridge.task("checkup", look_around(bridge.settings, parts.clock))


async def look_around(settings: Settings, clock: Clock) -> None:
    """What is not well with bot and chats, into the log. A fault of this must not be one of the service."""
    from bridge.telegram.checkup import at_start

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
    from bridge.telegram.webhook import PATH, NoUpdate

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
