"""A gateway of bare sockets: it does to each request what its text asks for, and counts the requests it has read whole.

The text of an SMS names the act and the SMS: ``half_body 17``. It runs in a thread with a loop of its own, so that what
it does to a connection and what the client does with it really race. Nothing of an HTTP library is used.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self
from urllib.parse import parse_qs

HEAD = b"HTTP/1.1 %s\r\nServer: Apache\r\nContent-Type: text/html; charset=UTF-8\r\n"
PAUSE_S = 0.003
"""Before and between what it does, at most."""
LAST_WORD_S = 5
"""For connections to end by themselves."""
STEP_S = 0.02
"""Between two pieces of what never ends."""


def id_of(number: int) -> str:
    """The gateway's answer to SMS ``number``."""
    return str(1_000_000_000 + number)


def answer(body: bytes, status: bytes = b"200 OK", headers: bytes = b"") -> bytes:
    return HEAD % status + b"Content-Length: %d\r\n%s\r\n%s" % (len(body), headers, body)


def chunked(body: bytes, chance: random.Random) -> bytes:
    cut = chance.randint(1, len(body) - 1)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:cut], body[cut:], b""))
    return HEAD % b"200 OK" + b"Transfer-Encoding: chunked\r\n\r\n" + chunks


class Wire:
    """A connection with a request on it that was read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.chance = random.Random()
        self.id = b""

    async def request(self) -> bytes | None:
        with suppress(asyncio.IncompleteReadError, OSError):
            return await self._reader.readuntil(b"\r\n\r\n")
        return None

    async def pause(self) -> None:
        await asyncio.sleep(self.chance.random() * PAUSE_S)

    async def write(self, data: bytes) -> None:
        with suppress(OSError):
            self._writer.write(data)
            await self._writer.drain()

    async def gone(self, within: float | None = None) -> bool:
        """Whether the client has closed; waits for it so long."""
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(within):
                while await self._reader.read(1024):
                    pass
                return True
        return self._reader.exception() is not None or self._writer.is_closing()

    def end(self) -> None:
        """Any way in which a connection ends: orderly, abruptly, by a reset."""
        match self.chance.randrange(3):
            case 0:
                self._writer.close()
            case 1:
                self._writer.transport.abort()  # over TLS an end without its farewell
            case _:
                linger = struct.pack("ii", 1, 0)
                with suppress(OSError):
                    self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._writer.transport.abort()

    def reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        with suppress(OSError):
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()

    @property
    def open(self) -> bool:
        return not self._writer.is_closing()


Act = Callable[[Wire], Awaitable[None]]


# ---------------------------------------------------------------- acts that end the connection


def cut(whole: Callable[[Wire], bytes], first: Callable[[bytes], int], last: Callable[[bytes], int]) -> Act:
    """Write a part of ``whole`` that ends anywhere between the two positions, and end the connection."""

    async def act(wire: Wire) -> None:
        data = whole(wire)
        await wire.pause()
        await wire.write(data[: wire.chance.randint(first(data), last(data))])
        await wire.pause()
        wire.end()

    return act


def stuck(whole: Callable[[Wire], bytes], first: Callable[[bytes], int], last: Callable[[bytes], int]) -> Act:
    """The same, and then nothing more until the client has had enough."""

    async def act(wire: Wire) -> None:
        data = whole(wire)
        await wire.write(data[: wire.chance.randint(first(data), last(data))])
        await wire.gone()
        wire.end()

    return act


def plain(wire: Wire) -> bytes:
    return answer(wire.id)


def in_chunks(wire: Wire) -> bytes:
    return chunked(wire.id, wire.chance)


def start(_: bytes) -> int:
    return 0


def status_line(data: bytes) -> int:
    return data.index(b"\r\n")


def headers(data: bytes) -> int:
    return data.index(b"\r\n\r\n") + 3


def body(data: bytes) -> int:
    return data.index(b"\r\n\r\n") + 4


def end(data: bytes) -> int:
    return len(data) - 1


async def garbage(wire: Wire) -> None:
    await wire.write(wire.chance.choice([b"220 mail ready\r\n", wire.chance.randbytes(200), wire.id + b"\r\n"]))
    await wire.pause()
    wire.end()


async def unframed(wire: Wire) -> None:
    await wire.write(HEAD % b"200 OK" + b"\r\n")
    await wire.pause()
    await wire.write(wire.id)
    await wire.pause()
    wire.close()


async def unframed_cut(wire: Wire) -> None:
    await wire.write(HEAD % b"200 OK" + b"\r\n" + wire.id[: wire.chance.randint(0, 9)])
    await wire.pause()
    wire.reset()


# ---------------------------------------------------------------- acts without end


async def trickle_on(wire: Wire) -> None:
    await wire.write(HEAD % b"200 OK" + b"X-Long: ")
    while not await wire.gone(within=STEP_S):
        await wire.write(b"x")
    wire.end()


async def hint_on(wire: Wire) -> None:
    while not await wire.gone(within=STEP_S):
        await wire.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    wire.end()


async def pour(wire: Wire) -> None:
    await wire.write(HEAD % b"200 OK" + b"\r\n")
    while not await wire.gone(within=0.001):
        await wire.write(b"1000000000\n" * 3_000)
    wire.end()


# ---------------------------------------------------------------- acts that answer


def says(status: bytes, said: bytes | None = None) -> Act:
    async def act(wire: Wire) -> None:
        await wire.pause()
        await wire.write(answer(wire.id if said is None else said, status))

    return act


async def redirect(wire: Wire) -> None:
    status = wire.chance.choice([b"301 Moved", b"302 Found", b"303 See Other", b"307 Repeat", b"308 Permanent"])
    await wire.write(
        answer(b"", status, b"Location: /sendsms.php?text=fin%20%s&dadr=1\r\n" % str(int(wire.id) - 10**9).encode())
    )


async def in_pieces(wire: Wire) -> None:
    data = wire.chance.choice([plain, in_chunks])(wire)
    while data:
        size = wire.chance.randint(1, 40)
        await wire.write(data[:size])
        data = data[size:]
        await asyncio.sleep(wire.chance.random() / 1000)


async def after_hints(wire: Wire) -> None:
    await wire.write(b"HTTP/1.1 100 Continue\r\n\r\n" * wire.chance.randint(1, 3))
    await wire.pause()
    await wire.write(answer(wire.id))


async def twice(wire: Wire) -> None:
    await wire.write(answer(wire.id) + answer(b"1"))


async def and_end(wire: Wire) -> None:
    """Answers, keeps the connection for a moment, and closes it: perhaps just as the next request is written."""
    await wire.write(answer(wire.id))
    await wire.pause()
    wire.end()


async def with_farewell(wire: Wire) -> None:
    await wire.write(answer(wire.id, headers=b"Connection: close\r\n"))
    wire.close()


PAGE = b"<!DOCTYPE html><html><body>1179038981</body></html>"
STOP_LIST = "Номер телефона присутствует в стоп-листе".encode("cp1251")
PARKED = "Недостаточно средств. SMS будет отправлена как только вы пополните счет".encode()

ACTS: dict[str, Act] = {
    "ok": says(b"200 OK"),
    "fin": cut(plain, start, start),
    "half_status_line": cut(plain, lambda _: 1, status_line),
    "half_headers": cut(plain, status_line, headers),
    "half_body": cut(plain, body, end),
    "half_chunks": cut(in_chunks, body, end),
    "garbage": garbage,
    "unframed": unframed,
    "unframed_cut": unframed_cut,
    "hang": stuck(plain, start, start),
    "hang_in_headers": stuck(plain, lambda _: 1, headers),
    "hang_in_body": stuck(plain, body, end),
    "hang_in_chunks": stuck(in_chunks, body, end),
    "trickle_on": trickle_on,
    "hint_on": hint_on,
    "pour": pour,
    "redirect": redirect,
    "internal_error": says(b"500 Internal Server Error"),
    "bad_gateway": says(b"502 Bad Gateway", PAGE),
    "unavailable": says(b"503 Service Unavailable", b""),
    "too_many": says(b"429 Too Many Requests", b""),
    "forbidden": says(b"403 Forbidden", PAGE),
    "too_long": says(b"414 URI Too Long", b""),
    "odd": says(b"408 Request Timeout", b""),
    "page": says(b"200 OK", PAGE),
    "empty": says(b"200 OK", b""),
    "zero": says(b"200 OK", b"0"),
    "stop_list": says(b"200 OK", STOP_LIST),
    "parked": says(b"200 OK", PARKED),
    "in_pieces": in_pieces,
    "after_hints": after_hints,
    "twice": twice,
    "and_end": and_end,
    "with_farewell": with_farewell,
}


class Gateway:
    """``with Gateway(…) as gateway``: its ports are there, and its loop runs until the end of the block."""

    def __init__(self, seed: int, tls: ssl.SSLContext | None = None) -> None:
        self.seen: Counter[int] = Counter()
        """SMS → how often a complete request for it was read."""
        self.on_used_connections = 0
        """Requests that did not come first on their connection."""
        self.ports: dict[str, int] = {}
        """The ports: ``plain`` and ``tls`` answer, ``deaf`` closes each connection, ``silent`` never answers."""
        self._seed = seed
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(10):
            raise AssertionError("the gateway did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        if self._thread.is_alive():
            raise AssertionError("the gateway did not stop")

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda *_: None)  # broken connections are its trade
        self._stop = asyncio.Event()
        kinds = {"plain": self._converse, "deaf": self._deaf, "silent": self._silent}
        if self._tls is not None:
            kinds["tls"] = self._converse
        listeners = []
        for name, kind in kinds.items():
            tls = self._tls if name == "tls" else None
            listener = await asyncio.start_server(self._serving(kind), "127.0.0.1", 0, ssl=tls, backlog=500)
            self.ports[name] = listener.sockets[0].getsockname()[1]
            listeners.append(listener)
        self._ready.set()
        await self._stop.wait()
        for listener in listeners:
            listener.close()
        if self._tasks:  # what is still on its way counts; sessions that were closed end their connections
            await asyncio.wait(self._tasks, timeout=LAST_WORD_S)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _serving(
        self, kind: Callable[[Wire], Awaitable[None]]
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                with suppress(OSError, asyncio.CancelledError):
                    await kind(Wire(reader, writer))
            finally:
                self._tasks.discard(task)
                writer.transport.abort() if task.cancelling() else writer.close()

        return serve

    async def _converse(self, wire: Wire) -> None:
        before = 0
        while wire.open and (request := await wire.request()) is not None:
            query = parse_qs(request.split(b" ", 2)[1].partition(b"?")[2].decode("ascii"))
            act, number = query["text"][0].split()
            self.seen[int(number)] += 1
            self.on_used_connections += before > 0
            before += 1
            wire.chance.seed(f"{self._seed} {number} {self.seen[int(number)]}")
            wire.id = id_of(int(number)).encode()
            await ACTS[act](wire)

    async def _deaf(self, wire: Wire) -> None:
        await wire.pause()
        wire.end()

    async def _silent(self, wire: Wire) -> None:
        await wire.gone()
