"""The platform under load, in a process of its own: callbacks at an even pace, and a send page that may be slow.

Built of the benchmark's parts. Its clients count each latency from the moment at which a callback was due, so a bridge
that stands still cannot look fast.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Self, cast

from tests.bench.clients import Clients
from tests.bench.farside import Latency
from tests.bench.gateway import Gateway
from tests.bench.load import requests
from tests.bench.processes import Child, run_loop
from tests.bench.tally import Tally, milliseconds

KEYWORDS = 100
LOOK_ON_S = 0.5
"""After the last reply, for one too many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wave:
    """Messages from ``first`` on, each from a subscriber of its own."""

    callback_url: str
    first: int
    messages: int
    rate: float
    answer_after_s: float
    """The send page's delay of each answer. Once the last callback is acknowledged, it answers at once."""
    limit_s: float
    connections: int = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One wave as the platform saw it."""

    acknowledged: int
    unanswered: int
    """Callbacks that got something else than their acknowledgement, or nothing."""
    replied: int
    doubled: int
    strange: int
    ack: Latency
    """Milliseconds from when a callback was due."""
    late: Latency
    """Lateness of the generator itself."""
    intake_s: float
    drained_s: float
    """From the last acknowledgement to the last reply."""
    overtaken: int
    """By how many places, at most, a reply came before one that was due earlier."""


class SlowGateway(Gateway):
    """Answers a connection's requests one after the other, each so long after it came."""

    answer_after_s = 0.0

    async def start(self) -> str:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=512)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"


class _Connection(asyncio.Protocol):
    def __init__(self, gateway: SlowGateway) -> None:
        self._gateway = gateway
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            answer = self._gateway.answer(self._buffer, 0, end)
            self._buffer = self._buffer[end + 4 :]
            if self._gateway.answer_after_s:
                asyncio.get_running_loop().call_later(self._gateway.answer_after_s, self._say, answer)
            else:
                self._transport.write(answer)

    def _say(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


class _Clients(Clients):
    """Knows when the last callback got its answer."""

    def __init__(self, wave: Wave, callbacks: Sequence[bytes], tally: Tally) -> None:
        super().__init__([wave.callback_url], callbacks, tally, wave.rate)
        self.all_answered = asyncio.Event()
        self._left = len(callbacks)

    def answered(self, place: int, *, acknowledged: bool) -> None:
        super().answered(place, acknowledged=acknowledged)
        self._left -= 1
        if not self._left:
            self.all_answered.set()


async def _run(wave: Wave, gateway: SlowGateway, pipe: Connection) -> Seen:
    messages = range(wave.first, wave.first + wave.messages)
    tally = Tally(messages, KEYWORDS)
    clients = _Clients(wave, requests(wave.callback_url, messages, KEYWORDS), tally)
    gateway.tally, gateway.answer_after_s = tally, wave.answer_after_s
    await clients.connect(wave.connections)
    gc.collect()
    gc.disable()  # its pauses would stand in the latencies of the bridge
    began = ended = time.perf_counter()
    try:
        with contextlib.suppress(TimeoutError):  # what is missing is counted
            async with asyncio.timeout(wave.limit_s), asyncio.TaskGroup() as group:
                group.create_task(clients.bring())
                await clients.all_answered.wait()
                pipe.send("all answered")
                gateway.answer_after_s = 0.0
        ended = time.perf_counter()
        await asyncio.sleep(LOOK_ON_S)
    finally:
        gc.enable()
        gateway.answer_after_s = 0.0
        clients.close()
    last_ack = max(tally.acked) or ended
    acks = milliseconds(tally.due, tally.acked)
    return Seen(
        acknowledged=len(acks),
        unanswered=tally.unanswered,
        replied=sum(1 for at in tally.replied if at),
        doubled=tally.doubled,
        strange=tally.strange,
        ack=Latency.of(acks),
        late=Latency.of(sorted(late * 1000 for late in tally.late)),
        intake_s=last_ack - began,
        drained_s=max(ended - last_ack, 0.0),
        overtaken=overtaken(tally.replied),
    )


def overtaken(replied: Sequence[float]) -> int:
    """By how many places a message's reply came too early, at most: 0 where all came in the order of the messages."""
    order = sorted((at, place) for place, at in enumerate(replied) if at)
    return max((place - rank for rank, (_, place) in enumerate(order)), default=0)


async def _live(pipe: Connection) -> None:
    gateway = SlowGateway()
    pipe.send(await gateway.start())
    try:
        while (wave := await asyncio.to_thread(pipe.recv)) is not None:
            pipe.send(await _run(wave, gateway, pipe))
    finally:
        gateway.stop()


def _process(pipe: Connection) -> None:
    run_loop(_live(pipe))


class FarLoad:
    """Context manager: the process."""

    def __enter__(self) -> Self:
        self._child = Child(_process)
        self.url = self._child.address
        return self

    def __exit__(self, *_: object) -> None:
        self._child.stop()

    def begin(self, wave: Wave) -> None:
        self._child.pipe.send(wave)

    async def says(self, seconds: float) -> Any:
        """The next thing it says, without keeping the loop; ``all answered`` comes before the :class:`Seen`."""
        return await asyncio.to_thread(self._child.receive, seconds)
