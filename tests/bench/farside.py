"""The far side of a benchmark: the simulated platform and the subscribers, in a process of their own.

The generator speaks HTTP over bare protocols, so that the measured program and not the measuring one is the limit.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Self, TypeVar, cast
from urllib.parse import quote, urlsplit

from bridge.model import Ms
from bridge.ports import Waiter
from bridge.sandbox.platform import SimulatedPlatform
from bridge.sandbox.sendpage import PLATFORM_TIME

LOGIN, PASSWORD, SENDER_NAME = "bench", "bench-password", "MyShop"
KEYWORDS = 100
WARM_UP = 64
"""Messages before the clock starts: connections, imports on first use, caches."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    messages: int
    connections: int
    limit_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What the far side saw."""

    wanted: int
    replies: int
    """SMS that the platform took."""
    acknowledged: int
    unanswered: int
    """Callbacks without the id: the platform would bring them again."""
    intake_s: float
    """Until the last acknowledgement."""
    total_s: float
    """Until the last reply stood in the platform's book."""

    @property
    def complete(self) -> bool:
        return self.replies == self.acknowledged == self.wanted

    @property
    def per_second(self) -> float:
        return self.wanted / self.total_s

    def __str__(self) -> str:
        if not self.complete:
            return (
                f"incomplete after {self.total_s:.1f} s: {self.acknowledged} of {self.wanted} acknowledged, "
                f"{self.replies} replies, {self.unanswered} callbacks without an acknowledgement"
            )
        intake = self.wanted / self.intake_s
        return f"{self.per_second:,.0f}/s until replied, {intake:,.0f}/s until acknowledged"


class RealClock:
    """The loop's time is enough here: nothing in a benchmark waits by the clock."""

    def now(self) -> Ms:
        return time.time_ns() // 1_000_000

    async def wait(self, event: Waiter, timeout: Ms | None) -> bool:
        raise NotImplementedError


class Caller(asyncio.Protocol):
    """One keep-alive connection of the platform: brings the next message as soon as the last one was answered."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._buffer = b""
        self._smsid = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        if len(body) < length:
            return
        self._buffer = body[length:]
        self._crowd.answered(acknowledged=b"smsid=" + self._smsid in body)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._smsid:
            self._crowd.answered(acknowledged=False)

    def _next(self) -> None:
        self._smsid = b""
        wanted = self._crowd.take()
        if wanted is None:
            self._transport.close()
            return
        self._smsid, request = wanted
        self._transport.write(request)


class Crowd:
    """The messages of one wave, each of another subscriber, and who waits for their end."""

    def __init__(self, callback_url: str, first: int, count: int) -> None:
        parts = urlsplit(callback_url)
        assert parts.hostname
        assert parts.port
        self.address = (parts.hostname, parts.port)
        self._path = parts.path
        self._host = parts.netloc
        # of today: an old message gets no automatic reply
        self._date = quote(f"{datetime.now(PLATFORM_TIME):%Y-%m-%d %H:%M:%S}")
        self._at = first
        self._end = first + count
        self._open = count
        self.acknowledged = 0
        self.unanswered = 0
        self.done = asyncio.Event()

    def take(self) -> tuple[bytes, bytes] | None:
        """The next message's id and request; None when all are under way."""
        if self._at == self._end:
            return None
        number, self._at = self._at, self._at + 1
        smsid = str(5_000_000 + number)
        text = quote(f"слово{number % KEYWORDS} пришлите адрес")
        query = f"date={self._date}&text={text}&smsid={smsid}&sender={79_000_000_000 + number}&receiver=1234&prefix="
        return smsid.encode(), f"GET {self._path}?{query} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode()

    def answered(self, *, acknowledged: bool) -> None:
        self.acknowledged += acknowledged
        self.unanswered += not acknowledged
        self._open -= 1
        if not self._open:
            self.done.set()


async def wave(platform: SimulatedPlatform, callback_url: str, *, first: int, count: int, load: Load) -> Outcome:
    """Bring ``count`` messages over all connections and wait until as many replies were taken."""
    crowd, loop = Crowd(callback_url, first, count), asyncio.get_running_loop()
    before = platform.taken
    start = intake = time.perf_counter()
    try:
        async with asyncio.timeout(load.limit_s):
            for _ in range(min(load.connections, count)):
                await loop.create_connection(lambda: Caller(crowd), *crowd.address)
            await crowd.done.wait()
            intake = time.perf_counter()
            await platform.wait_for(lambda seen: seen.taken - before >= count, timeout_s=load.limit_s)
    except TimeoutError:
        pass  # the outcome says what is missing
    end = time.perf_counter()
    return Outcome(
        wanted=count,
        replies=platform.taken - before,
        acknowledged=crowd.acknowledged,
        unanswered=crowd.unanswered,
        intake_s=max(intake - start, 1e-6),
        total_s=end - start,
    )


async def _live(pipe: Connection, load: Load) -> None:
    platform = SimulatedPlatform(
        login=LOGIN,
        password=PASSWORD,
        sender_names=(SENDER_NAME,),
        balance=1e9,
        clock=RealClock(),
        keep_book=False,
    )
    await platform.start()
    try:
        pipe.send(platform.url)
        callback_url = await asyncio.to_thread(pipe.recv)
        await wave(platform, callback_url, first=0, count=WARM_UP, load=load)
        pipe.send(await wave(platform, callback_url, first=WARM_UP, count=load.messages, load=load))
    finally:
        await platform.stop()


def run_loop(main: Coroutine[object, object, T]) -> T:
    """On uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def _process(pipe: Connection, load: Load) -> None:
    run_loop(_live(pipe, load))


class Child:
    """A process of the benchmark that first says where it listens."""

    def __init__(self, target: Callable[..., None], *arguments: object) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
        self._process.start()
        theirs.close()
        self.address: str = self.receive(30)

    def receive(self, timeout_s: float) -> T:  # type: ignore[type-var]
        if not self.pipe.poll(timeout_s):
            raise TimeoutError("a process of the benchmark says nothing")
        return cast(T, self.pipe.recv())

    def stop(self) -> None:
        self._process.terminate()
        self._process.join(10)
        self.pipe.close()


class FarSide:
    """Context manager: the process with the platform and the subscribers."""

    def __init__(self, load: Load) -> None:
        self._load = load

    def __enter__(self) -> Self:
        self._child = Child(_process, self._load)
        self.platform_url = self._child.address
        return self

    def __exit__(self, *_: object) -> None:
        self._child.stop()

    def run(self, callback_url: str) -> Outcome:
        """Warm up, then bring all messages; at most two time limits and a bit."""
        self._child.pipe.send(callback_url)
        outcome: Outcome = self._child.receive(4 * self._load.limit_s + 10)
        return outcome
