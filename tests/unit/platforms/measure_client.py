"""``python -m tests.unit.platforms.measure_client [uvloop]`` measures the CPU time of a request.

The server runs in a process of its own; the CPU time of this process is counted. "bare" sends the same bytes over the
loop's transports without a client: no client can be faster.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import cast

import uvloop
from pydantic import SecretStr

from bridge.config import AccountSettings
from bridge.platforms.http_client import HttpClient
from bridge.platforms.iba import IbaPlatform
from tests.chaos.gateway import answer

ROUNDS = 7
CONNECTIONS = 16
TEXT = "Ваш заказ № 123456 готов, ждём вас до 18:00 по адресу Ленина 5. Спасибо!"
ANSWER = answer(b"1179038981", headers=b"Keep-Alive: timeout=5, max=100\r\nConnection: Keep-Alive\r\n")
REQUEST = b"GET /sendsms.php?" + b"x" * 560 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: identity\r\n\r\n"


class Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(ANSWER * data.count(b"\r\n\r\n"))


def serve(told: Connection) -> None:
    async def forever() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(forever())


class Bare(asyncio.BufferedProtocol):
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray(64 * 1024)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._answer.set_result(bytes(self._buffer[:nbytes]))

    async def ask(self) -> None:
        self._answer = self._loop.create_future()
        self._transport.write(REQUEST)
        await self._answer


async def cost(ask: Callable[[], Awaitable[object]], times: int) -> tuple[float, float]:
    """Microseconds of CPU for a request, and requests a second."""

    async def some(count: int) -> None:
        for _ in range(count):
            await ask()

    await asyncio.gather(*(some(10) for _ in range(CONNECTIONS)))
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(some(times // CONNECTIONS) for _ in range(CONNECTIONS)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return 1e6 * cpu / times, times / wall


async def bare(port: int) -> tuple[float, float]:
    loop = asyncio.get_running_loop()
    lines = [(await loop.create_connection(Bare, "127.0.0.1", port))[1] for _ in range(CONNECTIONS)]
    free = list(lines)

    async def ask() -> None:
        line = free.pop()
        await line.ask()
        free.append(line)

    try:
        return await cost(ask, 16_000)
    finally:
        for line in lines:
            line._transport.abort()


async def client(port: int, times: int) -> tuple[float, float]:
    session = HttpClient(f"http://127.0.0.1:{port}/sendsms.php", connections=CONNECTIONS)
    try:
        return await cost(lambda: session.get("x" * 560), times)
    finally:
        await session.close()


async def send(port: int, times: int) -> tuple[float, float]:
    account = AccountSettings(
        url=f"http://127.0.0.1:{port}",
        login="login-of-shop",
        password=SecretStr("password-of-shop"),
        sender="MyShop",
        connections=CONNECTIONS,
    )
    platform = IbaPlatform(account)
    try:
        return await cost(lambda: platform.send("79001112233", "MyShop", TEXT), times)
    finally:
        await platform.close()


async def measure(port: int) -> None:
    series: dict[str, Callable[[], Awaitable[tuple[float, float]]]] = {
        "bare": lambda: bare(port),
        "a request": lambda: client(port, 16_000),
        "a whole send": lambda: send(port, 16_000),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in series}
    for _ in range(ROUNDS):
        for name, one in series.items():
            found[name].append(await one())
    loop = type(asyncio.get_running_loop()).__module__
    say(f"{loop}, {CONNECTIONS} connections, {ROUNDS} rounds in turns")
    say("                µs of CPU: least, median     requests/s: most, median")
    for name, costs in found.items():
        cpu, rate = [one[0] for one in costs], [one[1] for one in costs]
        figures = f"{min(cpu):16.1f} {statistics.median(cpu):9.1f} {max(rate):17,.0f} {statistics.median(rate):9,.0f}"
        say(f"{name:16}{figures}")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> None:
    told, telling = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(telling,), daemon=True)
    server.start()
    try:
        port = told.recv()
        uvloop.run(measure(port)) if "uvloop" in sys.argv else asyncio.run(measure(port))
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
