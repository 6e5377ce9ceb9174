"""Answers the probes: ``/livez`` while the event loop runs, ``/readyz`` while a callback can be stored.

:class:`Health`, which is passed in, decides what "ready" means. A probe costs its caller little and costs us a commit,
so one result serves all probes within a second. The callback listener, which faces the internet, does not show the
parts.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Protocol

import structlog
from aiohttp import web

from bridge.errors import BridgeError
from bridge.value import value_object
from bridge.web.answers import JSON_HEADERS, plain

LIVE_PATH = "/livez"
READY_PATH = "/readyz"

NOT_HERE = "not a role of this process"
STANDBY = "on another node"
ELSEWHERE = frozenset({NOT_HERE, STANDBY})
"""The states that mean only: the part runs in another process."""

READINESS_MAX_AGE = 1.0
"""Seconds for which a result is used."""
READINESS_TIMEOUT = 5.0
"""Seconds to wait for a result: a store that takes longer is not ready."""

log = structlog.get_logger()


@value_object
class Readiness:
    """Whether callbacks can be stored, and the state of each part in a few words; never a secret or a phone number."""

    ok: bool
    parts: Mapping[str, str] = field(default_factory=dict)


class Health(Protocol):
    """Checks whether the process is ready."""

    async def readiness(self) -> Readiness:
        """Check the parts, with a commit to the store.

        :raises BridgeError: not ready.
        """


class Probes:
    """Answers the probes of both listeners."""

    def __init__(self, health: Health, *, accepting: Callable[[], bool]) -> None:
        self._health = health
        self._accepting = accepting
        self._known: Readiness | None = None
        self._known_until = 0.0
        self._asking = asyncio.Lock()

    def live(self) -> web.Response:
        return plain(200)

    async def ready(self, *, parts: bool) -> web.Response:
        """Answer 200 or 503 with a JSON object: ``ok``, and with ``parts`` the state of each part."""
        readiness = await self._readiness()
        accepting = self._accepting()
        ok = readiness.ok and accepting
        shown: dict[str, bool | str] = {"ok": ok}
        if parts:
            shown |= {"intake": "accepting" if accepting else "stopping", **readiness.parts}
        body = json.dumps(shown, ensure_ascii=False).encode()
        return web.Response(status=200 if ok else 503, body=body, headers=JSON_HEADERS)

    async def _readiness(self) -> Readiness:
        now = asyncio.get_running_loop().time
        async with self._asking:
            if self._known is None or now() >= self._known_until:
                self._known = await self._ask()
                self._known_until = now() + READINESS_MAX_AGE
            return self._known

    async def _ask(self) -> Readiness:
        try:
            async with asyncio.timeout(READINESS_TIMEOUT):
                return await self._health.readiness()
        except TimeoutError:
            return Readiness(ok=False, parts={"health": "no answer in time"})
        except BridgeError as error:
            return Readiness(ok=False, parts={"health": type(error).__name__})
        except Exception as error:
            # A failed probe means "not ready", whatever the reason. The text of the error may hold secrets.
            log.error("readiness_failed", error=type(error).__name__)
            return Readiness(ok=False, parts={"health": type(error).__name__})
