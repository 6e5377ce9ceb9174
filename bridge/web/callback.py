"""Answers the platform's callback: finds the account, checks the caller, stores the message, acknowledges it.

The answer contains the id only after the inbox has called back, which means "on disk". All other answers are
constants from :mod:`bridge.web.answers`. The platform's adapter, which is passed in, knows the meaning of the query.
This module takes the secret out of the query and must not log, keep or return any other part of it.

This code must be the fastest of the program, so it uses no routing table, no middleware and one log line at most. An
ordinary call needs no request object: its connection calls :meth:`CallbackEndpoint.ordinary` and
:meth:`CallbackEndpoint.take`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import PurePath
from typing import Protocol
from urllib.parse import unquote_to_bytes

import structlog
from aiohttp import web

from bridge.config import CallbackSettings
from bridge.errors import StoreError
from bridge.model.base import Ms
from bridge.model.inbound import AcceptedCall, InboundCall
from bridge.pipeline.inbox import Inbox
from bridge.ports.clock import Clock
from bridge.text import phones
from bridge.value import value_object
from bridge.web.access import Network, client_address, contains, same_secret
from bridge.web.answers import BODIES, plain, text
from bridge.web.health import LIVE_PATH, READY_PATH, Probes
from bridge.web.throttled_log import ThrottledLog

KEY = b"key"
"""The query parameter that may carry the secret."""
_TRACES_OF_KEY = (KEY, b"%6", b"%7")
"""A query with the key contains at least one of these, even if the letters of the key are percent-encoded. Few other
queries do, so few queries are split."""

log = structlog.get_logger()

Answer = Callable[[int, bytes], None]
"""Called once, with the status and the body of an answer."""


class CallbackProtocol(Protocol):
    """The meaning of a platform's calls. The module of the platform's adapter implements it."""

    def parse_callback(
        self, raw_query: bytes, *, account: str, settings: CallbackSettings, region: str, received_at: Ms
    ) -> InboundCall | object:
        """Read a call. A result that is not an :class:`InboundCall` means that the query has no usable id."""

    def acknowledgement(self, settings: CallbackSettings, smsid: str) -> bytes: ...


@value_object
class Route:
    """The callback address of one account, prepared for comparing."""

    account: str
    settings: CallbackSettings
    secret: bytes

    @classmethod
    def of(cls, account: str, settings: CallbackSettings) -> Route:
        return cls(account=account, settings=settings, secret=settings.secret.get_secret_value().encode())


@value_object
class Target:
    """The parts of a request target, undecoded."""

    path: bytes
    query: bytes
    """Without ``key``."""
    key: bytes | None
    """Value of the first ``key``, undecoded."""

    @classmethod
    def of(cls, raw: bytes) -> Target:
        if not raw.startswith(b"/"):  # the absolute form, which a caller with a proxy setting writes
            _, _, rest = raw.partition(b"://")
            slash, mark = rest.find(b"/"), rest.find(b"?")
            raw = (
                rest[slash:]
                if slash >= 0 and not 0 <= mark < slash
                else b"/" + rest[mark if mark >= 0 else len(rest) :]
            )
        path, _, query = raw.partition(b"?")
        if not any(trace in query for trace in _TRACES_OF_KEY):
            return cls(path=path, query=query, key=None)
        key: bytes | None = None
        kept: list[bytes] = []
        for pair in query.split(b"&"):
            name, _, value = pair.partition(b"=")
            if name == KEY or (b"%" in name and unquote_to_bytes(name) == KEY):
                key = value if key is None else key
            else:
                kept.append(pair)
        return cls(path=path, query=b"&".join(kept), key=key)


class Accounts:
    """Finds the account of a call by its path, and by the secret if the account has one."""

    def __init__(self, callbacks: Mapping[str, CallbackSettings]) -> None:
        self._routes: dict[bytes, list[Route]] = {}
        for account, settings in callbacks.items():
            path = settings.path.encode()
            self._routes.setdefault(path, []).append(Route.of(account, settings))

    def find(self, target: Target) -> Route | int:
        """The route of the account, or the status of the refusal: 404 unknown path, 403 wrong secret."""
        routes = self._routes.get(target.path) or self._routes.get(unquote_to_bytes(target.path))
        if routes is not None:
            return self._by_secret(routes, _spellings(target.key)) or 403
        base, _, last = target.path.rpartition(b"/")
        routes = self._routes.get(base or b"/") or self._routes.get(unquote_to_bytes(base or b"/"))
        guarded = [route for route in routes or () if route.secret]
        if not guarded:
            return 404
        return self._by_secret(guarded, [unquote_to_bytes(last)]) or 403

    @staticmethod
    def _by_secret(routes: Sequence[Route], given: Sequence[bytes]) -> Route | None:
        """The route whose secret was given. All secrets are compared, so that the time reveals nothing.

        A wrong secret never leads to an account without a secret.
        """
        found: Route | None = None
        guarded = False
        for route in routes:
            guarded = guarded or bool(route.secret)
            for spelling in given:
                if route.secret and same_secret(spelling, route.secret):
                    found = route
        if found is None and not (guarded and any(given)):
            found = next((route for route in routes if not route.secret), None)
        return found


def _spellings(value: bytes | None) -> list[bytes]:
    """The readings of a secret in a query: a ``+`` may mean itself or a space, depending on who wrote the URL."""
    if value is None:
        return []
    if b"+" not in value:
        return [unquote_to_bytes(value)]
    return [unquote_to_bytes(value), unquote_to_bytes(value.replace(b"+", b" "))]


class CallbackEndpoint:
    """Handles the requests of the callback listener. While :attr:`accepting` is False, new calls get 503."""

    def __init__(
        self,
        *,
        callbacks: Mapping[str, CallbackSettings],
        region: str,
        inbox: Inbox,
        protocols: Mapping[str, CallbackProtocol],
        probes: Probes,
        clock: Clock,
        throttled_log: ThrottledLog,
    ) -> None:
        self._accounts = Accounts(callbacks)
        self._region = region
        self._inbox = inbox
        self._protocols = protocols
        self._probes = probes
        self._clock = clock
        self._throttled_log = throttled_log
        self.in_progress = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.accepting = True

    async def idle(self) -> None:
        """Wait until no call is being answered."""
        await self._idle.wait()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Raises only on cancellation."""
        if request.method != "GET":
            return plain(405, close=True)
        if request.body_exists:
            return plain(413, close=True)
        target = Target.of(request.raw_path.encode("utf-8", "surrogateescape"))
        route = self._accounts.find(target)
        if isinstance(route, int):
            return await self._answer_other_path(request, target, route)
        if not _allowed(request.remote, lambda: request.headers.getall("X-Forwarded-For", ()), route.settings):
            return self._refuse(request, 403, "address_refused", route.account)
        if not self.accepting:
            return plain(503, close=True)
        answered: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

        def answer(status: int, body: bytes) -> None:
            if not answered.done():  # the connection may be gone
                answered.set_result((status, body))

        self.take(request.remote, route, target.query, answer)
        status, body = await answered
        return text(body) if status == 200 else plain(status)

    def ordinary(self, raw: bytes, remote: str, forwarded: Callable[[], Sequence[str]]) -> tuple[Route, bytes] | None:
        """The route and the query of an ordinary call. None for every request that :meth:`handle` has to answer."""
        if not self.accepting:
            return None
        target = Target.of(raw)
        route = self._accounts.find(target)
        if isinstance(route, int) or not _allowed(remote, forwarded, route.settings):
            return None
        return route, target.query

    def take(self, remote: str | None, route: Route, query: bytes, answer: Answer) -> None:
        """Store a call whose caller was checked, then call ``answer`` with the status and the body of the answer.

        ``answer`` is called in a later turn of the event loop: it may begin the next request of the connection.
        """
        try:
            call = self._protocols[route.account].parse_callback(
                query,
                account=route.account,
                settings=route.settings,
                region=self._region,
                received_at=self._clock.now(),
            )
            if isinstance(call, InboundCall):
                self._inbox.take(call, partial(self._done, route, call, answer))
                self.in_progress += 1
                self._idle.clear()
                return
            self._throttled_log.warning("callback_refused", account=route.account, remote=remote)
            status, body = 400, BODIES[400]
        except Exception as error:
            status, body = _failed(error)
        asyncio.get_running_loop().call_soon(answer, status, body)

    def _done(self, route: Route, call: InboundCall, answer: Answer, result: AcceptedCall | Exception) -> None:
        try:
            answer(*self._answer_to(route, call, result))
        except Exception as error:  # one connection must not take the answers of the others along
            _failed(error)
        finally:
            self.in_progress -= 1
            if not self.in_progress:
                self._idle.set()

    def _answer_to(self, route: Route, call: InboundCall, result: AcceptedCall | Exception) -> tuple[int, bytes]:
        if isinstance(result, StoreError):
            self._throttled_log.warning("callback_not_stored", account=route.account, error=type(result).__name__)
            return 503, BODIES[503]
        if isinstance(result, Exception):
            return _failed(result)
        # A new message is logged when it is routed; one line for each message is enough.
        if not result.new:
            log.info(
                "callback_repeated",
                account=route.account,
                smsid=call.smsid,
                repeats=result.repeats,
                subscriber=phones.mask(call.subscriber),
            )
        return 200, self._protocols[route.account].acknowledgement(route.settings, call.smsid)

    async def _answer_other_path(self, request: web.BaseRequest, target: Target, status: int) -> web.Response:
        if target.path == LIVE_PATH.encode():
            return self._probes.live()
        if target.path == READY_PATH.encode():
            return await self._probes.ready(parts=False)
        return self._refuse(request, status, "secret_refused" if status == 403 else "path_unknown", None)

    def _refuse(self, request: web.BaseRequest, status: int, event: str, account: str | None) -> web.Response:
        self._throttled_log.warning(event, account=account, remote=request.remote)
        return plain(status)


def _allowed(remote: str | None, forwarded: Callable[[], Sequence[str]], settings: CallbackSettings) -> bool:
    """True if the account accepts calls from this address. ``forwarded`` returns the ``X-Forwarded-For`` lines."""
    allow: tuple[Network, ...] = settings.allow
    if not allow:
        return True
    address = client_address(remote, forwarded(), settings.trusted_proxies)
    return address is not None and contains(allow, address)


def _failed(error: Exception) -> tuple[int, bytes]:
    # The text of the exception may quote the call, so only its class is logged.
    log.error("callback_failed", error=type(error).__name__, where=_where(error))
    return 500, BODIES[500]


def _where(error: BaseException) -> str:
    """File and line that raised the error."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
