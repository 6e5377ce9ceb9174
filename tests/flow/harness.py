"""The whole bridge between a simulated platform and a simulated Telegram, over real HTTP, on a real SQLite file.

Tests play the subscriber and the operator and look only at what the platform and the chat have seen, or at the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal

from bridge.app.running import running
from bridge.app.service import Bridge
from bridge.config import AccountSettings, Settings
from bridge.model.base import InboundId, Ms
from bridge.model.sms import Sms, SmsState
from bridge.pipeline.cluster import ROUTER
from bridge.ports.clock import Clock
from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.botapi.state import ServerOptions
from bridge.sandbox.botapi.world import Chat, Message
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from bridge.sandbox.records import CallbackResult
from tests.clock import ManualClock

SUPPORT = -1001234567890
ADMINS = -1009876543210
SUBSCRIBER = "79083730330"
LOOK_AGAIN = 0.005
"""Seconds between two looks at something that tells nobody when it changes; every wait is bounded by a time limit."""
LOOK: Ms = 6_000
"""Longer than any loop waits without looking for work."""

RULES = """\
rules:
  - name: hours
    when: {keyword: [часы, hours]}
    reply: "Работаем с 9 до 18."
  - name: price
    when: {keyword: цена}
    reply: "Цена для {{ words[0] }} известна."
  - name: spam
    when: {keyword: спам}
    drop: true
  - name: everything-else
    forward: support
"""


class World:
    """A running bridge and everybody around it."""

    def __init__(self, folder: Path, clock: Clock, mode: Literal["topics", "replies"]) -> None:
        self.folder = folder
        self.clock = clock
        self.mode = mode
        self.platform = SimulatedPlatform(clock=clock, account=SimulatedAccount(sender_names=None))
        self.telegram = SimulatedBotApi(clock=clock, options=ServerOptions(group_budget=None, global_per_second=None))
        self.telegram.add_chat(SUPPORT, title="Support", forum=mode == "topics")
        self.telegram.add_chat(ADMINS, title="Admins")
        self.settings: Settings
        self._port = 0
        self._bridge: Bridge | None = None
        self._stack = AsyncExitStack()

    @property
    def bridge(self) -> Bridge:
        assert self._bridge is not None, "the bridge is not running"
        return self._bridge

    # ------------------------------------------------ the bridge's life

    def configure(
        self,
        *,
        rules: str = RULES,
        account: Mapping[str, object] | None = None,
        guards: Mapping[str, object] | None = None,
        telegram: bool = True,
    ) -> None:
        folder = self.folder / "rules"
        folder.mkdir(exist_ok=True)
        (folder / "rules.yaml").write_text(rules, encoding="utf-8")
        defaults: dict[str, object] = {
            "url": self.platform.url,
            "login": "demo",
            "password": "demo",
            "sender": "MyShop",
            "numbers": ["1234"],
            "status": {"poll": ["1s"], "rate": "off"},
            "balance": {"every": "off"},
            "rate": "off",
        }
        self.settings = Settings(
            server={"port": self._port, "shutdown": "3s"},
            web={"port": 0},
            accounts={"main": AccountSettings(**{**defaults, **(account or {})})},
            telegram={
                "token": self.telegram.token if telegram else "",
                "api_url": self.telegram.url,
                "chats": {"support": {"id": SUPPORT, "mode": self.mode}, "admins": {"id": ADMINS}},
                "default_chat": "support",
                "admin_chat": "admins",
            },
            guards=dict(guards or {}),
            file=self.folder / "config.yaml",
        )

    async def start(self) -> None:
        self._bridge = await self._stack.enter_async_context(running(self.settings, self.clock))
        # The platform knows one address: the next start listens on the same one.
        self._port = self._bridge.callback_port

    async def stop_routing(self) -> None:
        """From now on messages are taken in and left ``new``."""
        await self.bridge.stop(ROUTER)
        self.bridge.inbox._routing = None

    async def stop(self) -> None:
        self._bridge = None
        await self._stack.aclose()

    async def restart(self) -> None:
        await self.stop()
        self.settings = self.settings.model_copy(
            update={"server": self.settings.server.model_copy(update={"port": self._port})}
        )
        await self.start()

    # ------------------------------------------------ what people do

    async def text(self, text: str, *, sender: str = SUBSCRIBER, **call: object) -> CallbackResult:
        """A subscriber's SMS; the platform must get its acknowledgement."""
        brought = await self.platform.send_callback(self.bridge.callback_url, text=text, sender=sender, **call)  # type: ignore[arg-type]
        assert brought.acknowledged, brought
        return brought

    def answer(self, text: str, post: Message) -> int:
        """The operator answers in the conversation that the post belongs to; returns the message's id."""
        if self.mode == "topics":
            return self.telegram.says(SUPPORT, text, thread_id=post.thread_id)
        return self.telegram.says(SUPPORT, text, reply_to=post.id)

    # ------------------------------------------------ what is seen

    @property
    def support(self) -> Chat:
        return self.telegram.chats[SUPPORT]

    @property
    def admins(self) -> Chat:
        return self.telegram.chats[ADMINS]

    async def post(self, text: str, chat: int = SUPPORT) -> Message:
        """The bot's first message in the chat that holds ``text``, as soon as it is there."""

        def found() -> Message | None:
            return next((each for each in self.telegram.chats[chat].from_bot if text in each.text), None)

        await self.until(lambda: found() is not None)
        message = found()
        assert message is not None
        return message

    async def sms(self, state: SmsState, count: int = 1, *, step: Ms = 200) -> list[Sms]:
        """``count`` rows in this state, as soon as there are so many, oldest first."""
        rows: list[Sms] = []

        async def enough() -> bool:
            rows[:] = sorted(await self.bridge.store.list_sms([state], limit=1000), key=lambda sms: sms.id)
            return len(rows) >= count

        await self.until(enough, step=step)
        return rows

    async def outcome(self, inbound_id: int) -> str:
        """How the message was routed, as soon as it was."""
        words: list[str] = []

        async def routed() -> bool:
            inbound = await self.bridge.store.get_inbound(InboundId(inbound_id))
            if inbound is not None and inbound.outcome is not None:
                words.append(str(inbound.outcome))
            return bool(words)

        await self.until(routed)
        return words[0]

    async def until(self, condition: Callable[[], object], *, step: Ms = 200, timeout_s: float = 15) -> None:
        """Wait for it; under a manual clock time moves on while nothing else does."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    result = condition()
                    if asyncio.iscoroutine(result):
                        result = await result
                    if result:
                        return
                    await self._let_time_pass(step)
        except TimeoutError:
            raise AssertionError(f"did not come about within {timeout_s} s") from None

    async def _let_time_pass(self, step: Ms) -> None:
        # Work under way on sockets and in the store's thread needs real time; a look every few milliseconds is bounded
        # by the timeout above.
        await asyncio.sleep(LOOK_AGAIN)
        if isinstance(self.clock, ManualClock):
            await self.later(step)

    async def later(self, ms: Ms) -> None:
        """Move a manual clock on. A long way is a jump and a little time after it, in which every loop looks once:
        hours of loops that look every few seconds would cost real seconds and show nothing more."""
        assert isinstance(self.clock, ManualClock)
        jump = max(ms - LOOK, 0)
        self.clock.set(self.clock.now() + jump)
        await self.clock.advance(ms - jump)


@asynccontextmanager
async def world(
    folder: Path,
    *,
    clock: Clock | None = None,
    mode: Literal["topics", "replies"] = "topics",
    start: bool = True,
    rules: str = RULES,
    account: Mapping[str, object] | None = None,
    guards: Mapping[str, object] | None = None,
    telegram: bool = True,
) -> AsyncIterator[World]:
    around = World(folder, clock or ManualClock(), mode)
    await around.platform.start()
    await around.telegram.start()
    try:
        around.configure(rules=rules, account=account, guards=guards, telegram=telegram)
        if start:
            await around.start()
        yield around
    finally:
        await around.stop()
        await around.telegram.stop()
        await around.platform.stop()
