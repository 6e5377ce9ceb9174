"""Speaking to the running service over its local socket, or doing it alone under the store's lock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import aiohttp

from bridge.cli.common import looking_into
from bridge.config import Settings
from bridge.errors import BridgeError, StoreError
from bridge.model.base import Json
from bridge.model.cluster import Node
from bridge.model.sms import Sms
from bridge.pipeline.commands import Commands
from bridge.web.admin import as_json, clear, sockets
from bridge.web.health import ELSEWHERE

SECONDS = 30


class ServiceRefused(BridgeError):
    """The running service said no; carries its words."""


async def call(
    settings: Settings, method: str, path: str, body: Json = None, *, own: bool = False
) -> dict[str, Json] | None:
    """Ask the running service; of several on this machine that share the store, any, those with the same configuration
    file first. ``own``: only those. None where none runs.

    :raises ServiceRefused: it runs and refused.
    """
    for socket in sockets(settings, own=own):
        if (answer := await _ask(settings, socket, method, path, body)) is not None:
            return answer
    return None


async def live(settings: Settings) -> dict[str, Json] | None:
    """What the running service says of itself; of several on this machine, all of them together. None where none runs.

    :raises ServiceRefused: one runs, and did not answer.
    """
    said: dict[str, dict[str, Json]] = {}
    silent: ServiceRefused | None = None
    for socket in sockets(settings):
        try:
            answer = await _ask(settings, socket, "GET", "/status", None)
        except ServiceRefused as error:
            silent = error
        else:
            if answer is not None:
                said[f"process {socket.stem.rpartition('-')[2]}"] = answer
    if silent is not None and not said:
        raise silent
    return together(said) if said else None


def together(said: Mapping[str, Mapping[str, Json]]) -> dict[str, Json]:
    """Each part once where all who have it say the same; else each one's word behind its name."""
    parts: dict[str, Json] = {}
    for part in dict.fromkeys(part for each in said.values() for part in each):
        words = {name: each[part] for name, each in said.items() if part in each}
        telling = {name: word for name, word in words.items() if word not in ELSEWHERE} or words
        first, *others = telling.values()
        same = all(word == first for word in others)
        parts[part] = first if same else "; ".join(f"{name}: {word}" for name, word in telling.items())
    return parts


async def _ask(settings: Settings, socket: Path, method: str, path: str, body: Json) -> dict[str, Json] | None:
    """None where nobody listens."""
    connector = aiohttp.UnixConnector(str(socket))
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.request(method, "http://service" + path, json=body) as response,
        ):
            answer = cast(dict[str, Json], await response.json())
    except aiohttp.ClientConnectorError:
        clear(settings, socket)
        return None  # a socket file left by a run that was killed
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ServiceRefused(
            f"the running service did not answer ({type(error).__name__}); it may have taken the order:"
            " look at `sms-bridge status` and the queue before you repeat it"
        ) from None
    if response.status != 200:
        raise ServiceRefused(str(answer.get("error", f"the service answered {response.status}")))
    return answer


async def bridges(settings: Settings) -> Sequence[Node]:
    """Those that share the store, on whatever machine; none where it belongs to one process, or cannot be read."""
    if not settings.storage.shared:
        return ()
    try:
        async with looking_into(settings) as store:
            return await store.nodes()
    except StoreError:
        return ()  # whoever uses the store next says what is wrong with it


async def order(
    settings: Settings, path: str, body: Json, alone: Callable[[Commands], Awaitable[Sms]]
) -> tuple[dict[str, Json], bool]:
    """Let the running service do it; else do it under the lock. Returns the SMS and whether a service has it."""

    async def one(commands: Commands) -> dict[str, Json]:
        return as_json(await alone(commands))

    return await answered(settings, path, body, one)


async def order_all(
    settings: Settings, path: str, alone: Callable[[Commands], Awaitable[int]]
) -> tuple[dict[str, Json], bool]:
    """The same for an order about many; the answer is their ``count``."""

    async def many(commands: Commands) -> dict[str, Json]:
        return {"count": await alone(commands)}

    return await answered(settings, path, {}, many)


async def answered(
    settings: Settings, path: str, body: Json, alone: Callable[[Commands], Awaitable[dict[str, Json]]]
) -> tuple[dict[str, Json], bool]:
    answer = await call(settings, "POST", path, body)
    if answer is not None:
        return answer, True
    from bridge.app.sending import sending

    async with sending(settings) as parts:
        commands = Commands(settings=settings, store=parts.store, signals=parts.signals, clock=parts.clock)
        cluster = parts.cluster
        cluster.connect()
        answer = await alone(commands)
        # On other machines there may be bridges that do it: they are told.
        await cluster.ringing()
        return answer, any(node.roles for node in cluster.nodes)
