"""Starts, drains and stops the two listeners: one for callbacks, one for the probes and Telegram's webhook.

The callback listener has connections of its own (:mod:`bridge.web.connection`). The other listener is an ordinary
application of aiohttp on a port of its own, so that the platform cannot reach pages that are meant for operators.
"""

from __future__ import annotations

import asyncio
import errno
import math
import os
import resource
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog
from aiohttp import web

from bridge.config import Settings
from bridge.errors import BridgeError
from bridge.pipeline.inbox import Inbox
from bridge.ports.clock import Clock
from bridge.web.access import ConnectionCounter, Limits
from bridge.web.aiohttp_connection import PlainErrors
from bridge.web.callback import CallbackEndpoint, CallbackProtocol
from bridge.web.connection import CallbackServer
from bridge.web.health import LIVE_PATH, READY_PATH, Health, Probes
from bridge.web.proof import ordinary_answers_work, prove_long_lines
from bridge.web.throttled_log import ThrottledLog
from bridge.web.webhook import MAX_UPDATE, WebhookEndpoint

log = structlog.get_logger()

BACKLOG = 128
FLUSH_TIMEOUT = 1.0
"""Seconds for writing the last answers after all calls are finished."""
CUT_OFF_TIMEOUT = 0.05
"""Seconds for cancelled calls to end. Not 0, which aiohttp takes for "no limit"."""

RESERVED_FILES = 100
"""Open files that the other parts need: store, platform, Telegram, the other listener."""
MIN_CONNECTIONS = 16

DEFAULT_LIMITS = Limits()
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

LoopErrorHandler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]


def connection_capacity() -> float:
    """The number of connections that the limit of open files allows. It leaves the files that the store and the sender
    need."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if soft == resource.RLIM_INFINITY else max(soft - RESERVED_FILES, MIN_CONNECTIONS)


class Listeners:
    """Both listeners. Call :meth:`start`, :meth:`stop_intake` and :meth:`close` in this order."""

    def __init__(
        self,
        settings: Settings,
        *,
        inbox: Inbox,
        protocols: Mapping[str, CallbackProtocol],
        health: Health,
        clock: Clock,
        limits: Limits = DEFAULT_LIMITS,
        webhook: WebhookEndpoint | None = None,
    ) -> None:
        """``protocols``: for each account."""
        callbacks = {name: account.callback for name, account in settings.accounts.items()}
        proxies = {network for callback in callbacks.values() for network in callback.trusted_proxies}
        self._settings = settings
        self._webhook = webhook
        self._throttled_log = ThrottledLog()
        total = int(min(limits.total, connection_capacity()))
        self._counter = ConnectionCounter(replace(limits, exempt=(*limits.exempt, *proxies), total=total))
        self._probes = Probes(health, accepting=lambda: self._endpoint.accepting)
        self._endpoint = CallbackEndpoint(
            callbacks=callbacks,
            region=settings.region,
            inbox=inbox,
            protocols=protocols,
            probes=self._probes,
            clock=clock,
            throttled_log=self._throttled_log,
        )
        self._callback_server: CallbackServer | None = None
        self._runner: web.AppRunner | None = None
        self._sockets: list[asyncio.Server] = []
        self._previous_handler: LoopErrorHandler | None = None
        self._handles_errors = False
        self.callback_port = settings.server.port
        self.web_port = settings.web.port

    @property
    def in_progress(self) -> int:
        """Calls that are being answered now."""
        return self._endpoint.in_progress

    async def start(self, *, intake: bool = True) -> None:
        """Listen on both addresses and test that long callbacks are received. Without ``intake`` only the web listener
        starts.

        :raises BridgeError: an address is in use or not of this machine, or the test failed. Then nothing listens.
        """
        self._throttle_accept_errors()
        try:
            self.web_port = await self._start_web()
            if intake:
                self.callback_port = await self._start_callback()
        except BaseException:
            await self.close(0)
            raise

    def stop_intake(self) -> None:
        """Answer new callbacks with 503 from now on, so that the platform repeats them. Calls in progress finish."""
        self._endpoint.accepting = False

    async def close(self, within: float) -> None:
        """Finish the calls in progress within ``within`` seconds, then close both listeners."""
        self.stop_intake()
        for listening in self._sockets:
            listening.close()
        self._sockets.clear()
        if self._callback_server is not None:
            self._callback_server.stop_reading()
            try:
                async with asyncio.timeout(within):
                    await self._endpoint.idle()
            except TimeoutError:
                log.warning("callbacks_cut_off", in_progress=self._endpoint.in_progress)
            await self._callback_server.shutdown(CUT_OFF_TIMEOUT if self._endpoint.in_progress else FLUSH_TIMEOUT)
            self._callback_server = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._handles_errors:
            asyncio.get_running_loop().set_exception_handler(self._previous_handler)
            self._handles_errors = False

    async def _start_callback(self) -> int:
        self._callback_server = CallbackServer(
            self._endpoint,
            counter=self._counter,
            throttled_log=self._throttled_log,
            ordinary=await ordinary_answers_work(),
        )
        address = self._settings.server
        host, port = await self._listen(self._callback_server.connect, address.host, address.port, "server.port")
        await prove_long_lines(host, port)
        return port

    async def _start_web(self) -> int:
        self._runner = web.AppRunner(self._pages(), shutdown_timeout=FLUSH_TIMEOUT)
        await self._runner.setup()
        server = self._runner.server
        assert server is not None
        address = self._settings.web
        _, port = await self._listen(
            lambda: PlainErrors(server, throttled_log=self._throttled_log),
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

        app = web.Application(client_max_size=MAX_UPDATE)
        app.router.add_get(LIVE_PATH, live)
        app.router.add_get(READY_PATH, ready)
        if self._webhook is not None:
            app.router.add_post(self._webhook.path, self._webhook.handle)
        return app

    async def _listen(
        self, factory: Callable[[], asyncio.Protocol], host: str, port: int, setting: str
    ) -> tuple[str, int]:
        """Bind and serve. Returns an address that this machine can connect to."""
        try:
            listening = await asyncio.get_running_loop().create_server(factory, host, port, backlog=BACKLOG)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            hint = "; is another bridge running there? Each needs its own" if error.errno == errno.EADDRINUSE else ""
            raise BridgeError(f"cannot listen on {host}:{port} ({setting}): {reason}{hint}") from error
        self._sockets.append(listening)
        bound = listening.sockets[0].getsockname()
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bound[0], bound[0]), bound[1]

    def _throttle_accept_errors(self) -> None:
        """Log errors of ``accept`` once a minute. When no more files can be opened, asyncio reports every waiting
        connection every second."""
        loop = asyncio.get_running_loop()
        previous = self._previous_handler = loop.get_exception_handler()

        def handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if (
                isinstance(error, OSError)
                and error.errno in _OUT_OF_RESOURCES
                and "accept" in str(context.get("message"))
            ):
                self._throttled_log.warning("accept_failed", error=errno.errorcode.get(error.errno, ""))
            elif previous is not None:
                previous(loop, context)
            else:
                loop.default_exception_handler(context)

        loop.set_exception_handler(handler)
        self._handles_errors = True
