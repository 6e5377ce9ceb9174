"""The two listeners: callbacks for the world; probes (later pages and metrics) and Telegram's webhook. Start,
drain, stop.

The callback listener is aiohttp's low-level server with connections of our own
(:mod:`bridge.web.connection`); the other one is an ordinary application on a port of its own, so that
nothing meant for operators faces the platform.
"""

from __future__ import annotations

import asyncio
import errno
import math
import os
import resource
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog
from aiohttp import web

from bridge.config import Settings
from bridge.errors import BridgeError
from bridge.pipeline.inbox import Inbox
from bridge.ports.clock import Clock
from bridge.web.access import ConnectionGate, Limits
from bridge.web.callback import CallbackEndpoint, CallbackProtocol
from bridge.web.connection import CallbackConnection, PlainErrors
from bridge.web.health import LIVE_PATH, READY_PATH, Health, Probes
from bridge.web.quiet import Quiet
from bridge.web.webhook import LARGEST, WebhookEndpoint

log = structlog.get_logger()

BACKLOG = 128
PROOF_LENGTH = 20_000
PROOF_TIMEOUT = 5.0
"""Seconds."""
FLUSH_TIMEOUT = 1.0
"""Seconds for what is answered to leave, once nothing is in work any more."""
CUT_OFF_TIMEOUT = 0.05
"""Seconds for what was cancelled; aiohttp takes 0 for "no limit"."""

RESERVED_FILES = 100
"""Open files that the rest of the bridge needs: store, platform, Telegram, the other listener."""
FEWEST_CONNECTIONS = 16

DEFAULT_LIMITS = Limits()
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

LoopErrorHandler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]


async def prove_long_lines(host: str, port: int) -> None:
    """Ask our own listener with a 20 kB line that holds a raw byte; it must be understood.

    A limit that aiohttp silently dropped would otherwise refuse long SMS for ever, and nobody would know.
    :raises BridgeError: the listener cannot take a long callback.
    """
    line = b"GET %b?x=\xcf%b HTTP/1.1\r\n" % (LIVE_PATH.encode(), b"a" * PROOF_LENGTH)
    try:
        async with asyncio.timeout(PROOF_TIMEOUT):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(line + b"Host: localhost\r\nConnection: close\r\n\r\n")
                answer = await reader.read(64)
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise BridgeError(f"the callback listener does not answer its own test ({type(error).__name__})") from error
    if answer.split(b" ", 2)[1:2] != [b"200"]:
        raise BridgeError("the callback listener refuses long request lines: long SMS would never get in")


def room_for_callers() -> float:
    """How many connections the limit of open files has room for. Without it callers could use up the files that storing
    and sending need."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if soft == resource.RLIM_INFINITY else max(soft - RESERVED_FILES, FEWEST_CONNECTIONS)


class Listeners:
    """Both listeners, from bound to closed. :meth:`start`, :meth:`stop_intake`, :meth:`close`, in this
    order."""

    def __init__(
        self,
        settings: Settings,
        *,
        inbox: Inbox,
        protocol: CallbackProtocol,
        health: Health,
        clock: Clock,
        limits: Limits = DEFAULT_LIMITS,
        webhook: WebhookEndpoint | None = None,
    ) -> None:
        callbacks = {name: account.callback for name, account in settings.accounts.items()}
        proxies = {network for callback in callbacks.values() for network in callback.trusted_proxies}
        self._settings = settings
        self._webhook = webhook
        self._quiet = Quiet()
        total = int(min(limits.total, room_for_callers()))
        self._gate = ConnectionGate(replace(limits, exempt=(*limits.exempt, *proxies), total=total))
        self._probes = Probes(health, accepting=lambda: self._endpoint.accepting)
        self._endpoint = CallbackEndpoint(
            callbacks=callbacks,
            region=settings.region,
            inbox=inbox,
            protocol=protocol,
            probes=self._probes,
            clock=clock,
            quiet=self._quiet,
        )
        self._callback_server: web.Server | None = None
        self._runner: web.AppRunner | None = None
        self._sockets: list[asyncio.Server] = []
        self._previous_handler: LoopErrorHandler | None = None
        self._hushing = False
        self.callback_port = settings.server.port
        self.web_port = settings.web.port

    @property
    def in_work(self) -> int:
        """Requests that are being answered now."""
        return self._endpoint.in_work

    @property
    def by_aiohttp(self) -> int:
        """Requests to the callback listener so far that were not answered as ordinary calls."""
        return self._callback_server.requests_count if self._callback_server is not None else 0

    async def start(self, *, intake: bool = True) -> None:
        """Listen on both, and prove that long callbacks get in; without ``intake`` for pages and probes alone.

        :raises BridgeError: an address is taken or not ours, or the proof failed; nothing is left listening.
        """
        self._hush_accept_errors()
        try:
            self.web_port = await self._start_web()
            if intake:
                self.callback_port = await self._start_callback()
        except BaseException:
            await self.close(0)
            raise

    def stop_intake(self) -> None:
        """From now on new callbacks get 503 and the platform brings them again; those in work are
        finished."""
        self._endpoint.accepting = False

    async def close(self, within: float) -> None:
        """Finish what is in work within so many seconds, then close everything."""
        self.stop_intake()
        for listening in self._sockets:
            listening.close()
        self._sockets.clear()
        if self._callback_server is not None:
            self._callback_server.pre_shutdown()
            try:
                async with asyncio.timeout(within):
                    await self._endpoint.idle()
            except TimeoutError:
                log.warning("callbacks_cut_off", in_work=self._endpoint.in_work)
            await self._callback_server.shutdown(CUT_OFF_TIMEOUT if self._endpoint.in_work else FLUSH_TIMEOUT)
            self._callback_server = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._hushing:
            asyncio.get_running_loop().set_exception_handler(self._previous_handler)
            self._hushing = False

    async def _start_callback(self) -> int:
        loop = asyncio.get_running_loop()
        server = web.Server(self._endpoint.handle)
        self._callback_server = server
        address = self._settings.server
        host, port = await self._listen(
            lambda: CallbackConnection(server, self._endpoint, gate=self._gate, quiet=self._quiet, loop=loop),
            address.host,
            address.port,
            "server.port",
        )
        await prove_long_lines(host, port)
        return port

    async def _start_web(self) -> int:
        loop = asyncio.get_running_loop()
        self._runner = web.AppRunner(self._pages(), shutdown_timeout=FLUSH_TIMEOUT)
        await self._runner.setup()
        server = self._runner.server
        assert server is not None
        address = self._settings.web
        _, port = await self._listen(
            lambda: PlainErrors(server, quiet=self._quiet, loop=loop),
            address.host,
            address.port,
            "web.port",
        )
        return port

    def _pages(self) -> web.Application:
        async def live(_: web.Request) -> web.StreamResponse:
            return self._probes.live()

        async def ready(_: web.Request) -> web.StreamResponse:
            return await self._probes.ready(parts=True)

        app = web.Application(client_max_size=LARGEST)
        app.router.add_get(LIVE_PATH, live)
        app.router.add_get(READY_PATH, ready)
        if self._webhook is not None:
            app.router.add_post(self._webhook.path, self._webhook.handle)
        return app

    async def _listen(
        self, factory: Callable[[], asyncio.Protocol], host: str, port: int, setting: str
    ) -> tuple[str, int]:
        """Bind and serve. The address returned is one that this machine can connect to."""
        try:
            listening = await asyncio.get_running_loop().create_server(factory, host, port, backlog=BACKLOG)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            hint = "; is another bridge running there? Each needs its own" if error.errno == errno.EADDRINUSE else ""
            raise BridgeError(f"cannot listen on {host}:{port} ({setting}): {reason}{hint}") from error
        self._sockets.append(listening)
        bound = listening.sockets[0].getsockname()
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bound[0], bound[0]), bound[1]

    def _hush_accept_errors(self) -> None:
        """Without room for one more open file asyncio reports every waiting connection, every second."""
        loop = asyncio.get_running_loop()
        previous = self._previous_handler = loop.get_exception_handler()

        def handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if isinstance(error, OSError) and error.errno in _NO_ROOM and "accept" in str(context.get("message")):
                self._quiet.warning("accept_failed", error=errno.errorcode.get(error.errno, ""))
            elif previous is not None:
                previous(loop, context)
            else:
                loop.default_exception_handler(context)

        loop.set_exception_handler(handler)
        self._hushing = True
