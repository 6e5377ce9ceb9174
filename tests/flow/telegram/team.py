"""A team at its chat: the simulated Bot API, the real store on a file, and the team's side between them.

Time is set by the test. :meth:`Team.until` lets it run in small steps while something is awaited, so back-offs and
polls pass without anybody sleeping.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from bridge.app.rulebook import canned_of
from bridge.config import Settings
from bridge.errors import ConfigError
from bridge.model.base import SECOND, Json, Ms
from bridge.model.inbound import InboundCall, InboundState
from bridge.model.post import InboundPayload
from bridge.model.routing import ForwardPost, Settlement
from bridge.model.routing_outcome import RoutingOutcome
from bridge.model.sms import Change, Move, Sms, SmsState
from bridge.pipeline.reload import Reloaded
from bridge.pipeline.services import Services
from bridge.pipeline.signals import Signals
from bridge.rules import RuleContext, RuleSet, load_rules
from bridge.sandbox.botapi import TOKEN, Message, SimulatedBotApi
from bridge.sandbox.botapi.render import message_json
from bridge.store import open_store
from bridge.store.sqlite.store import SqliteStore
from bridge.telegram.service import TelegramService
from tests.clock import ManualClock
from tests.contract.builders import accept, settled, unrouted

GROUP = -1001234567890
ADMINS = -1009999999999
SUBSCRIBER = "79083730330"
CHIEF = 1003
"""One of ``telegram.admins``."""
RULES = """\
rules:
  - name: hours
    when: {keyword: [hours, часы]}
    reply: "9 to 18."
  - name: everything-else
    forward: support
"""
REPLIES = {
    "hello": "Hello {{ contact.name | default('') }}",
    "signed": "{{ operator }} answers: {{ text }}",
    "first": "{{ words[7] }}",
}

_REAL_S = 0.015
"""The longest call or commit on a slow machine, in seconds. Time moves only after such a pause."""
_ids = itertools.count(5000)


def settings(url: str, **chat: Json) -> Settings:
    """One account, one chat for the team and one for the admins."""
    value: dict[str, Any] = {
        "file": Path("config.yaml"),
        "accounts": {"main": {"login": "team", "password": "secret", "sender": "MyShop"}},
        "telegram": {
            "token": TOKEN,
            "api_url": url,
            "language": "en",
            "chats": {"support": {"id": GROUP, **chat}, "admins": {"id": ADMINS}},
            "default_chat": "support",
            "admin_chat": "admins",
            "admins": [CHIEF],
        },
        "replies": REPLIES,
    }
    return Settings.model_validate(value)


class Book:
    """The rulebook of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write(RULES)
        self.rules = self._load()

    def write(self, rules: str) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "rules.yaml").write_text(rules, encoding="utf-8")

    async def reload(self) -> Reloaded:
        old = self.rules
        try:
            self.rules = self._load()
        except ConfigError as error:
            return Reloaded(version=old.version, changed=False, rules=len(old.rules), problems=error.problems)
        version = self.rules.version
        return Reloaded(version=version, changed=version != old.version, rules=len(self.rules.rules))

    def _load(self) -> RuleSet:
        return load_rules(self.folder, RuleContext(chats=frozenset({"support", "admins"})))


class Team:
    def __init__(
        self, api: SimulatedBotApi, store: SqliteStore, configured: Settings, clock: ManualClock, book: Book
    ) -> None:
        self.book = book
        self.api = api
        self.store = store
        self.settings = configured
        self.clock = clock
        self.signals = Signals()
        self.side = self._side()
        self._task: asyncio.Task[None] | None = None
        self.stride: Ms = 2 * SECOND
        """How far time runs at once while nothing happens."""

    def _side(self) -> TelegramService:
        return TelegramService(
            self.settings,
            Services(store=self.store, signals=self.signals, clock=self.clock),
            rulebook=self.book,
            canned=canned_of(self.settings),
        )

    # ------------------------------------------------ running

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        self.side = self._side()
        self._task = asyncio.create_task(self.side.run())

    async def stop(self) -> None:
        """As the service stops it; within seconds, also in the middle of a long poll."""
        if self._task is None:
            return
        self._task.cancel()
        done, _ = await asyncio.wait([self._task], timeout=5)
        assert done, "the team's side did not stop"
        task, self._task = self._task, None
        if not task.cancelled():
            task.result()

    async def restart(self) -> None:
        await self.stop()
        self.signals = Signals()
        self.start()

    async def until(self, holds: Callable[[], object | Awaitable[object]], within_s: float = 60) -> None:
        """Let time run until it holds."""
        async with asyncio.timeout(within_s):
            while not await _value(holds):
                try:
                    await self.api.wait_for(lambda: False, timeout_s=_REAL_S)
                except TimeoutError:
                    due = self.clock.next_deadline
                    left = self.stride if due is None else max(due - self.clock.now(), 0)
                    await self.clock.advance(min(left, self.stride))

    async def settled(self, within_s: float = 60) -> None:
        """Everything that was written in Telegram is handled, and everything that was to be shown is shown."""

        async def quiet() -> bool:
            # In this order: an update is stored before it is confirmed, so what was confirmed before the store is asked
            # is in its answer. The other way round one could slip from one place to the other between the looks.
            unconfirmed = self.api.updates.unconfirmed
            status = await self.store.queue_status()
            return not (unconfirmed or status.updates_pending or status.posts_waiting)

        await self.until(quiet, within_s)

    # ------------------------------------------------ the other end of the bridge

    async def texted(self, text: str, *, subscriber: str = SUBSCRIBER, chat: str = "support", **payload: Any) -> None:
        """A subscriber's SMS that a rule forwards."""
        number = next(_ids)
        now = self.clock.now()
        accepted = await accept(
            self.store,
            InboundCall(
                account="main",
                smsid=str(number),
                sender=subscriber,
                subscriber=subscriber,
                receiver="1234",
                prefix="",
                text=text,
                date_raw="",
                date=None,
                raw_query=b"",
                content_hash=hashlib.sha256(f"{subscriber}{text}".encode()).digest(),
                received_at=now,
            ),
        )
        for message in await unrouted(self.store, 10):
            settlement = Settlement(
                inbound_id=message.inbound.id,
                subscriber=message.inbound.subscriber,
                contact_version=message.contact.version,
                now=now,
                state=InboundState.ROUTED,
                rule="everything-else",
                rules_version="1",
                outcome=RoutingOutcome.parse("forwarded"),
                forwards=(ForwardPost(chat=chat, payload=InboundPayload(**{"rule": "everything-else", **payload})),),
            )
            assert await settled(self.store, settlement)
        assert accepted.new
        self.signals.posts.set()

    async def received(self, text: str = "Hello", *, subscriber: str = SUBSCRIBER, **payload: Any) -> Message:
        """A subscriber's SMS as it is shown in the team's chat."""
        await self.texted(text, subscriber=subscriber, **payload)
        return await self.sees(text)

    def as_sent(self, message_id: int) -> dict[str, Json]:
        """A message of the team's chat as Telegram puts it into an update."""
        chat = self.api.chats[GROUP]
        return message_json(chat, chat.history[message_id])

    async def sms_texts(self) -> list[tuple[SmsState, str]]:
        """State and text of every outgoing SMS, once everything is handled."""
        await self.settled()
        return [(sms.state, sms.text) for sms in await self.sms()]

    async def sms(self) -> list[Sms]:
        """Every outgoing SMS, oldest first."""
        return sorted(await self.store.list_sms(list(SmsState), limit=100), key=lambda sms: sms.id)

    async def has_sms(self, count: int = 1) -> bool:
        return len(await self.sms()) >= count

    async def has_now(self, count: int) -> None:
        """Waits until there are this many outgoing SMS."""
        await self.until(lambda: self.has_sms(count))

    async def passes(self, length: Ms) -> None:
        began = self.clock.now()
        await self.until(lambda: self.clock.now() > began + length)

    async def answered(self, query_id: str) -> None:
        """Waits until the operator who pressed a button gets an answer."""
        await self.until(lambda: self.api.presses_by_id[query_id].answered)

    async def platform(self, move: Move, change: Change | None = None) -> Sms:
        """Lets the platform change the state of the latest SMS."""
        latest = (await self.sms())[-1]
        if latest.state is SmsState.QUEUED and move is not Move.CANCEL:
            await self.store.claim_due(latest.account, now=self.clock.now(), limit=1)
        assert await self.store.move(latest.id, move, self.clock.now(), change or Change())
        self.signals.posts.set()
        return (await self.sms())[-1]

    # ------------------------------------------------ looking at the chats

    def shown(self, chat_id: int = GROUP, containing: str = "") -> list[Message]:
        """The bot's messages in a chat."""
        ours = self.api.bot.id
        return [m for m in self.api.chats[chat_id].messages if m.sender.id == ours and containing in m.text]

    async def sees(self, text: str, *, chat_id: int = GROUP, count: int = 1) -> Message:
        await self.until(lambda: len(self.shown(chat_id, text)) >= count)
        return self.shown(chat_id, text)[-1]

    def reaction(self, message_id: int, chat_id: int = GROUP) -> str:
        return "".join(self.api.chats[chat_id].history[message_id].reactions)

    async def reacts(self, message_id: int, emoji: str) -> None:
        await self.until(lambda: self.reaction(message_id) == emoji)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program holds the database: every commit fails until it lets go."""
    other = sqlite3.connect(path / "bridge.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
    finally:
        other.close()


async def _value(holds: Callable[[], object | Awaitable[object]]) -> object:
    value = holds()
    return await value if isinstance(value, Awaitable) else value


@asynccontextmanager
async def team(
    path: Path, *, forum: bool, running: bool = True, group: Mapping[str, Any] | None = None, **chat: Json
) -> AsyncIterator[Team]:
    clock = ManualClock()
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(SimulatedBotApi(clock=clock))
        api.add_chat(GROUP, forum=forum, **(group or {}))
        api.add_chat(ADMINS, title="Admins")
        store = await open_store(
            path / "bridge.db", clock=clock, on_work=lambda work: staff.signals.wake(work), busy_timeout=20
        )
        stack.push_async_callback(store.close)
        mode = "topics" if forum else "replies"
        staff = Team(api, store, settings(api.url, **{"mode": mode, **chat}), clock, Book(path / "rules"))
        stack.push_async_callback(staff.stop)
        if running:
            staff.start()
        yield staff
