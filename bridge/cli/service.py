"""Talks to the running service over its local socket, or does the work itself under the store's lock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import aiohttp

from bridge.cli.common import read_only_store
from bridge.config import Settings
from bridge.errors import BridgeError, StoreError
from bridge.model.base import Json
from bridge.model.cluster import Node
from bridge.model.sms import Sms
from bridge.pipeline.commands import Commands
from bridge.value import value_object
from bridge.web.admin import as_json, remove_stale_socket, service_sockets

ANSWER_TIMEOUT = 30
"""Seconds to wait for an answer of the service."""


class ServiceRefused(BridgeError):
    """The running service refused, or did not answer. The text of the error says why."""


@value_object
class ProcessStatus:
    """The report of one process of the service."""

    process: str
    """``process 4711``."""
    parts: Mapping[str, str]
    """The state of each part in a few words."""


async def call(
    settings: Settings, method: str, path: str, body: Json = None, *, own: bool = False
) -> dict[str, Json] | None:
    """Send a request to the running service. None if no service runs on this machine.

    If several processes share the store, one of them gets the request: if possible, one with the same configuration
    file. With ``own``, only a process with the same configuration file gets it.

    :raises ServiceRefused: the service runs and refused.
    """
    for socket in service_sockets(settings, own=own):
        if (answer := await _request(settings, socket, method, path, body)) is not None:
            return answer
    return None


async def process_statuses(settings: Settings) -> Sequence[ProcessStatus]:
    """The report of each process on this machine that uses the store. Empty if none runs.

    :raises ServiceRefused: a process runs, and none answered.
    """
    statuses: list[ProcessStatus] = []
    refused: ServiceRefused | None = None
    for socket in service_sockets(settings):
        try:
            answer = await _request(settings, socket, "GET", "/status", None)
        except ServiceRefused as error:
            refused = error
        else:
            if answer is not None:
                parts = {name: str(words) for name, words in answer.items()}
                statuses.append(ProcessStatus(process=f"process {socket.stem.rpartition('-')[2]}", parts=parts))
    if refused is not None and not statuses:
        raise refused
    return statuses


async def _request(settings: Settings, socket: Path, method: str, path: str, body: Json) -> dict[str, Json] | None:
    """Send one request to one socket. None if no process listens on it."""
    connector = aiohttp.UnixConnector(str(socket))
    timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.request(method, "http://service" + path, json=body) as response,
        ):
            answer = cast(dict[str, Json], await response.json())
    except aiohttp.ClientConnectorError:
        remove_stale_socket(settings, socket)
        return None  # a killed process left its socket file behind
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ServiceRefused(
            f"the running service did not answer ({type(error).__name__}); it may have done the work:"
            " look at `sms-bridge status` and the queue before you repeat it"
        ) from None
    if response.status != 200:
        raise ServiceRefused(str(answer.get("error", f"the service answered {response.status}")))
    return answer


async def nodes(settings: Settings) -> Sequence[Node]:
    """The processes that share the store, on any machine. Empty for a store of one process, or if it cannot be read."""
    if not settings.storage.is_postgresql:
        return ()
    try:
        async with read_only_store(settings) as store:
            return await store.nodes()
    except StoreError:
        return ()  # the next use of the store reports the error


async def execute(
    settings: Settings, path: str, body: Json, alone: Callable[[Commands], Awaitable[Sms | int]]
) -> tuple[dict[str, Json], bool]:
    """Let the running service execute a command. If none runs, do ``alone`` under the store's lock.

    Returns the answer (an SMS, or ``count`` for a command about many), and True if a running service carries it on.
    """
    answer = await call(settings, "POST", path, body)
    if answer is not None:
        return answer, True
    from bridge.app.sending import open_sending

    async with open_sending(settings) as parts:
        commands = Commands(settings=settings, services=parts.services)
        result = await alone(commands)
        answer = as_json(result) if isinstance(result, Sms) else {"count": result}
        return answer, any(node.roles for node in parts.cluster.nodes)
