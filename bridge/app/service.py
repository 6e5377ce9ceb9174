"""A running service: its parts, its tasks, and its report about itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING

from bridge import __version__
from bridge.app.sending import Sending, ask_about_unknown, recover_lost
from bridge.config import Settings
from bridge.errors import StoreError
from bridge.model.base import MINUTE, Ms
from bridge.pipeline.cluster import INTAKE, TELEGRAM, node_lines
from bridge.pipeline.inbox import Inbox
from bridge.pipeline.reload import Reloader
from bridge.pipeline.signals import Signal
from bridge.pipeline.worker import IDLE, Step, StoreOutage, run_steps
from bridge.rules.canned import Canned
from bridge.rules.engine import RuleSet
from bridge.web.health import NOT_HERE, STANDBY, Readiness

if TYPE_CHECKING:
    from bridge.telegram.service import TelegramService


ASK_EVERY: Ms = MINUTE
"""How often a missing question about an unknown outcome is looked for."""


class Bridge:
    """A running service. :func:`bridge.app.running.running` makes it and closes its parts."""

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
        self.store = sending.services.store
        self.reloader = reloader
        self.canned = canned
        self.inbox: Inbox
        """Set by :mod:`bridge.app.running`, which starts the pipeline."""
        self.telegram: TelegramService | None = None
        self.callback_port = settings.server.port
        self.web_port = settings.web.port
        self._outage = StoreOutage()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._asked_at: Ms = sending.clock.monotonic()
        """When missing questions about unknown outcomes were last looked for, in monotonic time."""

    @property
    def rules(self) -> RuleSet:
        """The rules in force. A reload replaces them."""
        return self.reloader.rules

    @property
    def callback_url(self) -> str:
        """The address to register with the platform for the first account, as seen from this machine."""
        callback = next(iter(self.settings.accounts.values())).callback
        return f"http://{self.settings.server.host}:{self.callback_port}{callback.path}"

    def loop(self, name: str, step: Step, signal: Signal | None = None) -> None:
        """Start a loop that calls ``step``. ``signal`` wakes it."""
        self.task(name, run_steps(name, step, signal or Signal(), self.sending.clock, self._outage))

    def task(self, name: str, work: Awaitable[None]) -> None:
        """Start a task. :meth:`stop` cancels it by its name."""
        self._tasks[name] = asyncio.ensure_future(work)

    async def stop(self, *names: str) -> None:
        """Cancel the tasks with these names, or all if there are no names, and wait until they have ended."""
        chosen = [self._tasks.pop(name) for name in (names or tuple(self._tasks)) if name in self._tasks]
        for task in chosen:
            task.cancel()
        await asyncio.gather(*chosen, return_exceptions=True)

    async def readiness(self) -> Readiness:
        """The report of ``/readyz``. The service is ready if a commit succeeds. Other parts are only reported."""
        parts: dict[str, str] = {"version": __version__, "rules": self.rules.version}
        try:
            await self.store.ping()
            parts["store"] = "ok"
        except StoreError as error:
            parts["store"] = str(error)
        for name, channel in self.sending.channels.items():
            parts[f"account {name}"] = "suspended" if channel.suspended else "unreachable" if channel.failures else "ok"
        parts["telegram"] = self._telegram()
        if INTAKE not in self.roles:
            parts["intake"] = NOT_HERE  # a listener without callbacks would report "accepting"
        for number, line in enumerate(node_lines(self.sending.cluster.nodes), 1):
            parts[f"node {number}"] = line
        return Readiness(ok=parts["store"] == "ok", parts=parts)

    def _telegram(self) -> str:
        if TELEGRAM not in self.roles:
            return NOT_HERE
        if self.telegram is not None and not self.sending.cluster.leads(TELEGRAM):
            return STANDBY
        return telegram_line(self.telegram, self.sending.clock.now())

    async def recover_others(self) -> Ms:
        """A step that calls unknown the SMS that were being sent by nodes that are gone."""
        sending = self.sending
        if not sending.cluster.may_recover_others():
            return IDLE
        lost, now = await recover_lost(sending.outbox), sending.clock.monotonic()
        # Also once a minute: another node may have called SMS unknown and ended before it wrote the questions.
        if lost or now - self._asked_at >= ASK_EVERY:
            await ask_about_unknown(self.settings, self.store, sending.clock.now())
            self._asked_at = now
        return IDLE

    async def live(self) -> dict[str, str]:
        """The report for ``sms-bridge status``. It leaves out what the command reads from the store."""
        parts = (await self.readiness()).parts
        return {name: word for name, word in parts.items() if name != "intake" and not name.startswith("node ")}


def telegram_line(telegram: TelegramService | None, now: Ms) -> str:
    """Describe the state of the link to Telegram in one line, for people."""
    if telegram is None:
        return "off (no token)"
    health = telegram.health()
    word = "ok" if health.connected else f"failure: {health.failure}" if health.failure else "not reached"
    return word if health.heard_at is None else f"{word}, last heard {max(now - health.heard_at, 0) // 1000}s ago"
