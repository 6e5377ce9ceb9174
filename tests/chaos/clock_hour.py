"""One hour of a bridge in which everything that can wait does wait, and what the world outside sees of it.

Three accounts (one that is told to come later, one that is held, one that works) and four chats (one flooded, one that
refuses every message). The platforms and Telegram have a clock of their own, which nobody sets.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from bridge.app.running import running
from bridge.app.service import Bridge
from bridge.config import Settings
from bridge.model.base import HOUR, MINUTE, SECOND, Json, Ms
from bridge.pipeline import compose
from bridge.pipeline.clockwatch import TAKE_OVER_AFTER
from bridge.pipeline.worker import IDLE
from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.botapi.params import Params
from bridge.sandbox.botapi.refusal import Refusal
from bridge.sandbox.botapi.state import ServerOptions
from bridge.sandbox.faults import Fault, RequestKind
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from tests.chaos import invariants
from tests.chaos.s09_telegram_away import chat_of, too_early
from tests.chaos.timeline import Timeline
from tests.clock import ManualClock

SUPPORT, ADMINS, SALES, REFUSING = -1001, -1002, -1003, -1004
RULES = """\
rules:
  - name: answer
    when: {keyword: часы}
    reply: "Ответ {{ args }}"
  - name: to-sales
    when: {keyword: купить}
    forward: sales
  - name: to-a-chat-that-refuses
    when: {keyword: яд}
    forward: refusing
  - name: everything
    forward: support
"""
POLL = (MINUTE, 5 * MINUTE)
BALANCE: Ms = 10 * MINUTE
ACCOUNTS = ("busy", "held", "fine")
EARLIER = frozenset({"Ответ прежде", "Ответ долго"})
"""The texts that wait when the jump comes."""
TALKED_WITH = "79003000009"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The times of the hour's events, from its beginning."""

    before: Ms = 6 * MINUTE
    """The jump comes when back-offs have grown."""
    ttl: Ms = 20 * MINUTE
    takeover: Ms = 25 * MINUTE
    flooded: Ms = 40 * MINUTE
    watched: Ms = 50 * MINUTE
    step: Ms = 5 * SECOND
    """How far time goes on between two looks."""

    @property
    def slack(self) -> Ms:
        """The most that the interval of a loop and a step of the test may add to a wait."""
        return 2 * self.step + IDLE


class Stay(Enum):
    SHORT = MINUTE
    """The bridge does not believe it."""
    LONG = TAKE_OVER_AFTER + 2 * MINUTE
    """It does, and has to go back."""
    FOR_GOOD = None
    """The clock was wrong before, and is right now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Jump:
    name: str
    by: Ms = 0
    stay: Stay = Stay.FOR_GOOD
    restart: bool = False
    """The bridge is down while the clock is set."""

    @property
    def started_ahead(self) -> bool:
        """The bridge cannot tell this from a day off: what an earlier run left is over for good (see the decision)."""
        return self.restart and self.by > 0


USUAL = Plan()
CALM = Jump(name="no jump")


class Chats(SimulatedBotApi):
    """One of the chats refuses every message, for no known reason."""

    async def _answer(self, method: str, params: Params) -> Json:
        if method.lower() == "sendmessage" and params.text("chat_id") == str(REFUSING):
            raise Refusal(400, "Bad Request: nobody knows why")
        return await super()._answer(method, params)


@dataclass(kw_only=True, slots=True)
class Seen:
    """One hour as the outside saw it, in its own time from the hour's beginning."""

    asked: dict[str, list[Ms]] = field(default_factory=dict)
    """By what was asked for: when each request came."""
    stale: dict[str, Ms] = field(default_factory=dict)
    """By the text that was never sent: how old it was when it was given up."""
    alerts: int = 0
    violations: list[str] = field(default_factory=list)


class Hour:
    """One run: a bridge with three accounts and four chats, and the people around them."""

    def __init__(self, folder: Path, jump: Jump, plan: Plan) -> None:
        self.folder = folder
        self.jump = jump
        self.plan = plan
        self.clock = ManualClock()
        self.began = self.clock.monotonic()
        outside = self.clock.elsewhere()
        self.platforms = {
            name: SimulatedPlatform(clock=outside, account=SimulatedAccount(sender_names=None)) for name in ACCOUNTS
        }
        self.telegram = Chats(clock=outside, options=ServerOptions(group_budget=20, global_per_second=30))
        for chat in (SUPPORT, ADMINS, SALES, REFUSING):
            self.telegram.add_chat(chat, title=str(chat))
        self.seen = Seen()
        self.written: dict[str, Ms] = {}
        self._stack = AsyncExitStack()
        self._line: Timeline | None = None
        self._bridge: Bridge | None = None
        self._settings: Settings | None = None

    @property
    def line(self) -> Timeline:
        assert self._line is not None
        return self._line

    @property
    def bridge(self) -> Bridge:
        assert self._bridge is not None
        return self._bridge

    @property
    def age(self) -> Ms:
        return self.clock.monotonic() - self.began

    @property
    def database(self) -> Path:
        return self.folder / "data" / "bridge.db"

    # ------------------------------------------------ the bridge's life

    async def run(self) -> Seen:
        for platform in self.platforms.values():
            await platform.start()
        await self.telegram.start()
        self._settings = settings(self.folder, self.platforms, self.telegram, self.plan)
        try:
            await self._start()
            await self._set_up()
            await self._until(self.plan.before)
            await self._jump()
            await self._while_waiting()
            await self._until(self.plan.watched)
            await self._afterwards()
            self._look_back()
        finally:
            await self._stack.aclose()
            await self.telegram.stop()
            for platform in self.platforms.values():
                await platform.stop()
        return self.seen

    async def _start(self) -> None:
        assert self._settings is not None
        self._bridge = await self._stack.enter_async_context(running(self._settings, self.clock))
        self._line = Timeline(self.clock, self._bridge)
        await self._line.begin()

    async def _jump(self) -> None:
        if not self.jump.restart:
            self.clock.jump(self.jump.by)
            return
        await self._stack.aclose()
        self.clock.jump(self.jump.by)
        await self._start()

    async def _until(self, age: Ms) -> None:
        while self.age < age:
            await self.line.later(self.plan.step, step=self.plan.step)
            self._note_stale()

    # ------------------------------------------------ what happens in the hour

    async def _set_up(self) -> None:
        self.platforms["busy"].misbehave(Fault.HTTP_429, times=None)
        self.platforms["held"].misbehave(Fault.BLOCKED, times=None)
        self.platforms["held"].misbehave(Fault.EMPTY, times=None, on=RequestKind.BALANCE)
        self.platforms["fine"].plan_statuses("Send")
        self.telegram.flood(SALES, self.plan.flooded // SECOND)
        await self._says("fine", TALKED_WITH, "Добрый день")
        await self._says("fine", "79003000001", "часы раз")
        await self._orders("busy", "79001000009", "без срока")
        await self._says("busy", "79001000001", "часы прежде")
        await self._says("held", "79002000001", "часы долго")
        await self._says("fine", "79003000002", "яд")
        await self._says("fine", "79003000003", "купить слона")
        await self.line.later(MINUTE, step=self.plan.step)
        post = next(each for each in self.telegram.chats[SUPPORT].from_bot if "Добрый день" in each.text)
        self.telegram.says(SUPPORT, "Слушаю вас", reply_to=post.id)
        await self.line.later(self.plan.step, step=self.plan.step)

    async def _while_waiting(self) -> None:
        """While the clock is wrong, or newly right; and back to where it was."""
        await self.line.later(30 * SECOND, step=self.plan.step)
        await self._says("busy", "79001000002", "часы после")
        await self._says("fine", "79003000004", "часы два")
        if self.jump.stay.value is not None:
            await self._until(self.plan.before + self.jump.stay.value)
            self.clock.jump(-self.jump.by)
        await self._until(MINUTE + self.plan.takeover - 2 * MINUTE)
        await self._says("fine", TALKED_WITH, "часы рано")
        # A start cuts a pause that seems too long to a whole one from there.
        await self._until((self.plan.before if self.jump.restart else MINUTE) + self.plan.takeover + MINUTE)
        await self._says("fine", TALKED_WITH, "часы пора")
        await self.line.later(self.plan.step, step=self.plan.step)

    async def _afterwards(self) -> None:
        await self._says("fine", "79003000005", "часы конец")
        await self.line.later(2 * self.plan.step, step=self.plan.step)

    async def _orders(self, account: str, recipient: str, text: str) -> None:
        """A person's SMS: it has no ttl and is tried until it goes."""
        sms = compose.command_sms(
            self.bridge.settings,
            account,
            recipient=recipient,
            text=text,
            key=text,
            author="cli",
            now=self.bridge.sending.clock.now(),
        )
        await self.bridge.store.enqueue(sms)
        await self.line.rest()

    async def _says(self, account: str, sender: str, text: str) -> None:
        """Without the platform's date: a clock that is wrong by a day is wrong in that, too (see the decision)."""
        url = f"http://127.0.0.1:{self.bridge.callback_port}/{account}.php"
        brought = await self.platforms[account].send_callback(url, text=text, sender=sender, date="-")
        assert brought.acknowledged, brought
        self.written[f"Ответ {text.partition(' ')[2]}"] = self.age
        await self.line.rest()

    def _note_stale(self) -> None:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as db:
            for (text,) in db.execute("SELECT text FROM sms WHERE state = 'stale'"):
                self.seen.stale.setdefault(text, self.age - self.written[text])

    # ------------------------------------------------ what was seen

    def _look_back(self) -> None:
        asked = self.seen.asked
        asked["SMS in back-off"] = self._times(self.platforms["busy"], RequestKind.SEND)
        asked["probe of a held account"] = self._times(self.platforms["held"], RequestKind.BALANCE)
        asked["balance"] = self._times(self.platforms["fine"], RequestKind.BALANCE)
        asked["status"] = [
            each.at - self.began
            for each in self.platforms["fine"].requests
            if each.kind is RequestKind.STATUS and each.fields.get("smsid") == self._first_id()
        ]
        # A refused message is tried again without formatting: the same attempt.
        attempts = [call for call in self.telegram.calls if chat_of(call) == REFUSING and "entities" in call.params]
        asked["chat post in back-off"] = [call.at - self.began for call in attempts]
        self.seen.alerts = len(self.telegram.chats[ADMINS].from_bot)
        self.seen.violations = [*self._judge(), *invariants.store(self.database)]
        for platform in self.platforms.values():
            self.seen.violations += invariants.sent_once(platform.book)

    def _first_id(self) -> str:
        return next(sms.id for sms in self.platforms["fine"].book if sms.text == "Ответ раз")

    def _times(self, platform: SimulatedPlatform, kind: RequestKind) -> list[Ms]:
        return [request.at - self.began for request in platform.requests if request.kind is kind]

    def _judge(self) -> Iterator[str]:
        sent = [sms.text for sms in self.platforms["fine"].book]
        wanted = ["Слушаю вас", "Ответ раз", "Ответ два", "Ответ пора", "Ответ конец"]
        if missing := [text for text in wanted if text not in sent]:
            yield f"not sent: {missing}"
        if "Ответ рано" in sent and not self.jump.started_ahead:
            yield "the robot answered although a person had taken over"
        if not self.jump.restart:
            # A start forgets the wait that Telegram asked for: Telegram asks again at the first call.
            yield from too_early(self.telegram.calls)
        [shown] = [each.date for each in self.telegram.chats[SALES].from_bot] or [self.began + 2 * HOUR]
        if shown - self.began > self.plan.flooded + self.plan.slack:
            yield "a post still waited after Telegram's own wait was over"
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as db:
            [given_up] = db.execute("SELECT count(*) FROM sms WHERE state = 'unconfirmed'").fetchone()
        if given_up and not self.jump.started_ahead:
            yield "polling was given up before its time"


def settings(
    folder: Path, platforms: Mapping[str, SimulatedPlatform], telegram: SimulatedBotApi, plan: Plan
) -> Settings:
    (folder / "rules").mkdir(parents=True, exist_ok=True)
    (folder / "rules" / "rules.yaml").write_text(RULES, encoding="utf-8")
    return Settings.model_validate(
        {
            "file": folder / "config.yaml",
            "server": {"port": 0, "shutdown": "3s"},
            "web": {"port": 0},
            "accounts": {
                name: {
                    "url": platform.url,
                    "login": "demo",
                    "password": "demo",
                    "sender": "MyShop",
                    "rate": "off",
                    "reply_ttl": f"{plan.ttl // SECOND}s",
                    "status": {"poll": [f"{gap // MINUTE}m" for gap in POLL], "give_up": "12h", "rate": "off"},
                    "balance": {"every": f"{BALANCE // MINUTE}m" if name == "fine" else "off"},
                    "callback": {"path": f"/{name}.php"},
                }
                for name, platform in platforms.items()
            },
            "telegram": {
                "token": telegram.token,
                "api_url": telegram.url,
                "chats": {
                    "support": {"id": SUPPORT},
                    "admins": {"id": ADMINS},
                    "sales": {"id": SALES},
                    "refusing": {"id": REFUSING},
                },
                "default_chat": "support",
                "admin_chat": "admins",
            },
            "guards": {"per_number": "off", "same_text": "off", "takeover": f"{plan.takeover // SECOND}s"},
        }
    )
