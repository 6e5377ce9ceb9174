"""The HTTP side of the simulated Bot API: it reads and records calls, writes answers, and can fail as a network fails.

It must not know what a method does. It never logs, because a URL holds the token.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from bridge.model.base import Json, Ms
from bridge.ports.clock import Clock
from bridge.sandbox.botapi.params import Params
from bridge.sandbox.botapi.refusal import Refusal, unauthorized

_TOKEN = re.compile(r"\d{1,20}:[A-Za-z0-9_-]{30,}")
HOST = "127.0.0.1"
MAX_BODY = 50 * 2**20
BAD_GATEWAY = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx/1.18.0</body>\r\n</html>\r\n"


class ApiOutage(StrEnum):
    """The ways in which the API can be away."""

    REFUSE = "refuse"
    """Connections are refused."""
    HANG = "hang"
    """Connections are accepted; calls have no effect and get no answer."""
    BAD_GATEWAY = "502"
    """An error page instead of JSON; calls have no effect."""
    CUT_AFTER = "cut_after"
    """Calls take effect, then the connection breaks before the answer."""


@dataclass(kw_only=True, slots=True)
class Call:
    """One call. ``status`` is set when it is answered."""

    at: Ms
    method: str
    """The name as the caller wrote it."""
    params: Mapping[str, str]
    """Without the token; nested values are JSON text."""
    status: int | None = None
    """HTTP status of the answer, even if an outage cut it. None while the call waits, or if its caller gave up."""
    description: str = ""
    """Description of a refusal."""


@dataclass(kw_only=True, slots=True)
class Scripted:
    """A refusal for the next calls of a method."""

    method: str
    refusal: Refusal
    times: int


class BotApiServer:
    """One listener that can be closed and opened again on the same port."""

    def __init__(
        self,
        *,
        token: str,
        clock: Clock,
        port: int,
        answer: Callable[[str, Params], Awaitable[Json]],
        changed: Callable[[], None],
    ) -> None:
        self._token = token
        self._clock = clock
        self._port = port
        self._answer = answer
        self._changed = changed
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None
        self._opening: asyncio.Task[None] | None = None
        self._back = asyncio.Event()
        self._outage: ApiOutage | None = None
        self._under_way: set[asyncio.Transport] = set()
        self.calls: list[Call] = []
        self.scripted: deque[Scripted] = deque()
        self.unauthorised = False

    @property
    def url(self) -> str:
        """The address. Valid after :meth:`start`; outages do not change it."""
        return f"http://{HOST}:{self._port}"

    async def start(self) -> None:
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/bot{token}/{method}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._open(self._bind())

    async def stop(self) -> None:
        """Stop listening, also during an outage."""
        self._back.set()
        if self._opening is not None:
            await self._opening
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._runner is not None:
            self._drop_connections()
            await self._runner.cleanup()
            self._runner = None

    def down(self, mode: ApiOutage) -> None:
        """Begin an outage. Calls under way are cut."""
        self._outage = mode
        self._back.clear()
        for transport in self._under_way:
            transport.abort()
        if mode is ApiOutage.REFUSE and self._listener is not None:
            self._listener.close()
            self._listener = None
            self._drop_connections()

    def up(self) -> None:
        self._outage = None
        self._back.set()
        if self._listener is None and self._opening is None and self._runner is not None:
            # The port is bound at once, so that the next call finds it open. The loop serves it a turn later.
            self._opening = asyncio.get_running_loop().create_task(self._open(self._bind()))

    def _bind(self) -> socket.socket:
        listening = socket.create_server((HOST, self._port), backlog=128, reuse_port=False)
        listening.setblocking(False)
        self._port = listening.getsockname()[1]
        return listening

    async def _open(self, listening: socket.socket) -> None:
        assert self._runner is not None
        assert self._runner.server is not None
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._runner.server, sock=listening)
        self._opening = None
        if self._outage is ApiOutage.REFUSE:
            self._listener.close()
            self._listener = None

    def _drop_connections(self) -> None:
        server = self._runner.server if self._runner is not None else None
        for connection in list(server.connections) if server is not None else ():
            if connection.transport is None:
                continue
            # Shut down at once: a client that checks its idle connection must find it closed.
            connection.transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
            connection.transport.abort()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        transport = request.transport
        if transport is None:
            return web.Response(status=500)
        self._under_way.add(transport)
        try:
            return await self._respond(request)
        finally:
            self._under_way.discard(transport)
            # Reported even if the caller hung up and gets no answer.
            self._changed()

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        if self._outage is ApiOutage.BAD_GATEWAY:
            return web.Response(status=502, text=BAD_GATEWAY, content_type="text/html")
        if self._outage is ApiOutage.HANG:
            await self._back.wait()
            return _cut(request)
        try:
            params = Params(await _values(request))
            broken = None
        except ValueError:
            params, broken = Params({}), Refusal(400, "Bad Request: can't parse request body")
        call = Call(at=self._clock.now(), method=request.match_info["method"], params=params.values)
        self.calls.append(call)
        self._changed()
        try:
            if broken is not None:
                raise broken
            self._admit(request.match_info["token"], call.method)
            result = await self._answer(call.method, params)
        except Refusal as refusal:
            call.status, call.description = refusal.code, refusal.description
            response = _json(refusal.code, refusal.body())
            if retry_after := refusal.parameters.get("retry_after"):
                response.headers["Retry-After"] = str(retry_after)
        else:
            call.status = 200
            response = _json(200, {"ok": True, "result": result})
        # An outage may have begun while the call was answered; it cuts the connection.
        return response if self._outage is None else _cut(request)

    def _admit(self, token: str, method: str) -> None:
        """Check the token and the scripted refusals. :raises Refusal: the call does not reach its method."""
        if not _TOKEN.fullmatch(token):
            raise Refusal(404, "Not Found")
        if token != self._token or self.unauthorised:
            raise unauthorized()
        for scripted in self.scripted:
            if scripted.method in ("*", method.lower()):
                scripted.times -= 1
                if scripted.times <= 0:
                    self.scripted.remove(scripted)
                raise scripted.refusal


async def _values(request: web.Request) -> dict[str, Json]:
    """The parameters of the query string and of the body: a form, a multipart form or a JSON object.

    :raises ValueError: the body cannot be read.
    """
    values: dict[str, Json] = dict(request.query)
    if request.content_type == "application/json":
        body = json.loads(await request.read() or b"{}")
        if not isinstance(body, dict):
            raise ValueError("not an object")
        return values | body
    for name, value in (await request.post()).items():
        values[name] = value if isinstance(value, str) else "attached file"
    return values


def _json(status: int, body: dict[str, Json]) -> web.Response:
    return web.Response(status=status, text=json.dumps(body), content_type="application/json")


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
