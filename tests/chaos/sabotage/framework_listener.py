"""The callback listener as a framework's tutorial makes it: ``request.query``, its own error page, its own time limits.

Takes out at once: reading raw bytes, constant error bodies, long lines, limits on idle connections and on their number.
What is acknowledged is still stored first.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from aiohttp import web

import bridge.app.running
from bridge.config import Settings
from bridge.model.inbound import InboundCall
from bridge.pipeline.inbox import Inbox
from bridge.ports.clock import Clock
from tests.inbox import brought


class FrameworkListeners:
    """Stands in for ``bridge.web.server.Listeners``."""

    def __init__(self, settings: Settings, *, inbox: Inbox, protocols: Any, clock: Clock, **_: object) -> None:
        self._settings = settings
        self._inbox = inbox
        self._protocols = protocols
        self._clock = clock
        self.callback_port = settings.server.port
        self.web_port = settings.web.port
        self.in_progress = 0

    async def start(self, *, intake: bool = True) -> None:
        app = web.Application()
        app.router.add_get("/livez", self._live)
        app.router.add_route("*", "/sms.php", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._settings.server.host, self.callback_port).start()

    def stop_intake(self) -> None:
        return

    async def close(self, _: float) -> None:
        await self._runner.cleanup()

    async def _live(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _take(self, request: web.Request) -> web.Response:
        name, account = next(iter(self._settings.accounts.items()))
        call = self._protocols[name].parse_callback(
            urlencode(list(request.query.items()), errors="replace").encode(),
            account=name,
            settings=account.callback,
            region=self._settings.region,
            received_at=self._clock.now(),
        )
        if not isinstance(call, InboundCall):
            raise web.HTTPBadRequest(text=f"bad request: {request.path_qs}")
        await brought(self._inbox, call)
        return web.Response(body=self._protocols[name].acknowledgement(account.callback, call.smsid))


def apply() -> None:
    bridge.app.running.Listeners = FrameworkListeners  # type: ignore[attr-defined]
