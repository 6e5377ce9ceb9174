"""The listeners over real sockets, with a real store in a temporary file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from bridge.config import AccountSettings, CallbackSettings, ServerSettings, Settings, WebSettings
from bridge.model.inbound import AcceptedCall, Inbound, InboundCall
from bridge.pipeline.inbox import Answer, Inbox
from bridge.pipeline.services import Services
from bridge.pipeline.signals import Signals
from bridge.platforms import iba
from bridge.ports.store import Store
from bridge.store import open_store
from bridge.web.access import Limits
from bridge.web.health import Readiness
from bridge.web.server import DEFAULT_LIMITS, Listeners
from tests.clock import ManualClock
from tests.unit.web import wire
from tests.unit.web.wire import Reply, get


@pytest.fixture(params=["ordinary", "by aiohttp"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of answering a call must have the same result."""
    monkeypatch.setattr(wire, "more_headers", "" if request.param == "ordinary" else wire.BY_AIOHTTP)
    return str(request.param)


def counting_requests(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The requests that reach a handler of aiohttp from now on."""
    seen: list[object] = []
    made = web.BaseRequest.__init__

    def counted(self: web.BaseRequest, *args: Any, **more: Any) -> None:
        seen.append(self)
        made(self, *args, **more)

    monkeypatch.setattr(web.BaseRequest, "__init__", counted)
    return seen


class RecordingInbox(Inbox):
    """The real inbox. It also remembers its results, and can be held up."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, None, asyncio.Semaphore())
        self.accepted: list[AcceptedCall] = []
        self.calls: list[InboundCall] = []
        self.before: Callable[[], Awaitable[object]] | None = None
        self.held: set[asyncio.Task[None]] = set()

    def take(self, call: InboundCall, answer: Answer) -> None:
        def recorded(result: AcceptedCall | Exception) -> None:
            if isinstance(result, AcceptedCall):
                self.calls.append(call)
                self.accepted.append(result)
            answer(result)

        if self.before is None:
            super().take(call, recorded)
        else:
            self.held.add(asyncio.create_task(self._take_later(self.before(), call, recorded)))

    async def _take_later(self, first: Awaitable[object], call: InboundCall, answer: Answer) -> None:
        try:
            await first
        except Exception as error:
            answer(error)
        else:
            super().take(call, answer)


@dataclass(kw_only=True)
class Site:
    store: Store
    path: Path
    inbox: RecordingInbox
    signals: Signals
    listeners: Listeners
    clock: ManualClock

    @property
    def port(self) -> int:
        return self.listeners.callback_port

    async def get(self, target: str | bytes, *, headers: str = "") -> Reply:
        return await get(self.port, target, headers=headers)

    async def stored(self) -> list[Inbound]:
        """All stored messages, in the order of their first acceptance."""
        ids = dict.fromkeys(accepted.id for accepted in self.inbox.accepted)
        rows = [await self.store.get_inbound(inbound_id) for inbound_id in ids]
        return [row for row in rows if row is not None]

    def files(self) -> bytes:
        """All bytes of the store on disk."""
        return b"".join(file.read_bytes() for file in self.path.parent.glob(self.path.name + "*") if file.is_file())


@dataclass
class PingHealth:
    store: Store
    extra: dict[str, str] = field(default_factory=dict)

    async def readiness(self) -> Readiness:
        await self.store.ping()
        return Readiness(ok=True, parts={"store": "ok", **self.extra})


SiteMaker = Callable[..., Awaitable[Site]]


def account(**callback: Any) -> AccountSettings:
    return AccountSettings(
        login="user", password=SecretStr("not-a-password"), sender="MyShop", callback=CallbackSettings(**callback)
    )


@pytest.fixture
async def make_site(tmp_path: Path) -> AsyncIterator[SiteMaker]:
    """Start a site with these accounts' callback settings; all are closed at the end."""
    async with AsyncExitStack() as stack:

        async def make(
            accounts: dict[str, AccountSettings] | None = None,
            *,
            limits: Limits = DEFAULT_LIMITS,
            port: int = 0,
            **callback: Any,
        ) -> Site:
            clock = ManualClock()
            path = tmp_path / f"bridge-{len(list(tmp_path.iterdir()))}.db"
            signals = Signals()
            store = await open_store(path, clock=clock, on_work=signals.wake, busy_timeout=100)
            stack.push_async_callback(store.close)
            inbox = RecordingInbox(Services(store=store, signals=signals, clock=clock))
            settings = Settings(
                file=tmp_path / "config.yaml",
                server=ServerSettings(port=port),
                web=WebSettings(port=0),
                accounts=accounts or {"main": account(**callback)},
            )
            listeners = Listeners(
                settings,
                inbox=inbox,
                protocols=dict.fromkeys(settings.accounts, iba),
                health=PingHealth(store),
                clock=clock,
                limits=limits,
            )
            await listeners.start()
            stack.push_async_callback(listeners.close, 1.0)
            return Site(store=store, path=path, inbox=inbox, signals=signals, listeners=listeners, clock=clock)

        yield make


@pytest.fixture
async def site(make_site: SiteMaker) -> Site:
    return await make_site()
