"""Speaking to the running service over its local socket, or doing it alone under the store's lock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

import aiohttp

from bridge.config import Settings
from bridge.errors import BridgeError
from bridge.model.base import Json
from bridge.model.sms import Sms
from bridge.pipeline.commands import Commands
from bridge.web.admin import as_json, socket_path

SECONDS = 30


class ServiceRefused(BridgeError):
    """The running service said no; carries its words."""


async def call(settings: Settings, method: str, path: str, body: Json = None) -> dict[str, Json] | None:
    """Ask the running service. None where none runs. :raises ServiceRefused: it runs and refused."""
    socket = socket_path(settings)
    if not socket.exists():
        return None
    connector = aiohttp.UnixConnector(str(socket))
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.request(method, "http://service" + path, json=body) as response,
        ):
            answer = cast(dict[str, Json], await response.json())
    except aiohttp.ClientConnectorError:
        return None  # a socket file left by a run that was killed
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ServiceRefused(
            f"the running service did not answer ({type(error).__name__}); it may have taken the order:"
            " look at `sms-bridge status` and the queue before you repeat it"
        ) from None
    if response.status != 200:
        raise ServiceRefused(str(answer.get("error", f"the service answered {response.status}")))
    return answer


async def order(
    settings: Settings, path: str, body: Json, alone: Callable[[Commands], Awaitable[Sms]]
) -> tuple[dict[str, Json], bool]:
    """Let the running service do it; else do it under the lock. Returns the SMS and whether a service did it."""

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
    from bridge.app import sending

    async with sending(settings) as parts:
        commands = Commands(settings=settings, store=parts.store, signals=parts.signals, clock=parts.clock)
        return await alone(commands), False
