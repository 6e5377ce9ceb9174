"""The far side of a benchmark: the platform's send page and its calls, in a process of their own, and what they saw."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Self

from tests.bench.clients import Clients
from tests.bench.gateway import Gateway
from tests.bench.load import Load, requests
from tests.bench.processes import Child, Subject, Usage, busy_s, run_loop
from tests.bench.tally import Tally, milliseconds, quantile

AFTERWARDS = 0.2
"""Seconds to look on after the last reply: for a reply too many, and for the work that the bridge does behind it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Latency:
    """Milliseconds."""

    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, ordered: list[float]) -> Self:
        return cls(p50=quantile(ordered, 0.5), p99=quantile(ordered, 0.99), max=quantile(ordered, 1))

    def __str__(self) -> str:
        return f"{self.p50:.1f}/{self.p99:.1f}/{self.max:.0f}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """One wave. What is "a message" counts both ways: the callback and its reply."""

    wanted: int
    acknowledged: int
    replied: int
    unanswered: int
    doubled: int
    strange: int
    polls: int
    seconds: float
    """From the first byte to the last reply."""
    intake_s: float
    """From the first byte to the last acknowledgement."""
    ack: Latency
    """From the callback's first byte (paced: from when it was due) to its acknowledgement."""
    reply: Latency
    """To the reply's request, complete at the platform."""
    late: Latency
    """Lateness of the generator itself, in a paced wave."""
    cpu_us: float
    """Processor time of the subject for each answered message, in microseconds: all threads, user and system."""
    loop_us: float
    """The part of ``cpu_us`` in the thread of the event loop."""
    server_us: float
    """Processor time of PostgreSQL's backends for each message; not in ``cpu_us``."""
    far_cpu_us: float
    """Processor time of the far side itself for each message."""
    others: float
    """Cores that anybody else kept busy meanwhile, the kernel's own work included."""
    rss: int
    peak: int
    unsettled: int = 0
    """SMS of this wave that do not stand as sent in the store in the end; looked up by the whole path only."""

    @property
    def missing(self) -> int:
        """Messages that had no acknowledgement or no reply when the time limit was over."""
        return max(self.wanted - self.acknowledged, self.wanted - self.replied)

    @property
    def faults(self) -> int:
        """The number of broken promises. None may be broken, however slow the machine is."""
        # what was cut off by the time limit is still on its way
        return self.unanswered + self.doubled + self.strange + (0 if self.missing else self.unsettled)

    @property
    def per_second(self) -> float:
        return self.replied / self.seconds

    def __str__(self) -> str:
        if self.missing or self.faults:
            return (
                f"INCOMPLETE after {self.seconds:.1f} s ({self.per_second:,.0f}/s): {self.acknowledged} of "
                f"{self.wanted} acknowledged, {self.replied} replied, {self.unanswered} unanswered, "
                f"{self.doubled} doubled, {self.strange} strange, {self.unsettled} unsettled"
            )
        late = f"; generator {self.late} late" if self.late.max else ""
        server = f", the server's {self.server_us:.0f}" if self.server_us else ""
        return (
            f"{self.per_second:,.0f}/s (acknowledged {self.wanted / self.intake_s:,.0f}/s); ms p50/p99/max: "
            f"ack {self.ack}, reply {self.reply}{late}; CPU {self.cpu_us:.0f} µs a message "
            f"({self.loop_us:.0f} in the loop){server}, far side {self.far_cpu_us:.0f}; "
            f"others {self.others:.2f} cores; RSS {self.rss / 1e6:.0f} MB, peak {self.peak / 1e6:.0f}; "
            f"{self.polls} polls"
        )


async def wave(gateway: Gateway, subject: Subject, load: Load, messages: range) -> Outcome:
    """Bring ``messages`` and look what comes of them."""
    tally = Tally(messages, load.keywords)
    written = requests(subject.callback_urls[0], messages, load.keywords)
    clients = Clients(subject.callback_urls, written, tally, load.rate)
    gateway.tally = tally
    await clients.connect(load.connections)
    # A collection over all that was prepared would stand in the latencies of others.
    gc.collect()
    gc.disable()
    try:
        before = _Meters.read(subject, gateway)
        with contextlib.suppress(TimeoutError):  # the outcome says what is missing
            async with asyncio.timeout(load.limit_s):
                await clients.bring()
        ended = time.perf_counter()
        await asyncio.sleep(AFTERWARDS)
        return _outcome(tally, before, ended, _Meters.read(subject, gateway))
    finally:
        gc.enable()
        clients.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Meters:
    at: float
    subject: Usage
    own_s: float
    machine_s: float
    polls: int

    @classmethod
    def read(cls, subject: Subject, gateway: Gateway) -> Self:
        return cls(
            at=time.perf_counter(),
            subject=subject.usage(),
            own_s=time.process_time(),
            machine_s=busy_s(),
            polls=gateway.polls,
        )


def _outcome(tally: Tally, before: _Meters, ended: float, after: _Meters) -> Outcome:
    acks, replies = milliseconds(tally.due, tally.acked), milliseconds(tally.due, tally.replied)
    cpu_s = after.subject.cpu_s - before.subject.cpu_s
    own_s = after.own_s - before.own_s
    server_s = after.subject.server_s - before.subject.server_s
    others_s = after.machine_s - before.machine_s - cpu_s - server_s - own_s
    a_message = 1e6 / max(len(replies), 1)
    return Outcome(
        wanted=tally.count,
        acknowledged=len(acks),
        replied=len(replies),
        unanswered=tally.unanswered,
        doubled=tally.doubled,
        strange=tally.strange,
        polls=after.polls - before.polls,
        seconds=ended - before.at,
        intake_s=max(max(tally.acked) - before.at, 1e-6),
        ack=Latency.of(acks),
        reply=Latency.of(replies),
        late=Latency.of(sorted(late * 1000 for late in tally.late)),
        cpu_us=cpu_s * a_message,
        loop_us=(after.subject.loop_s - before.subject.loop_s) * a_message,
        server_us=server_s * a_message,
        far_cpu_us=own_s * a_message,
        others=max(others_s, 0) / (after.at - before.at),
        rss=after.subject.rss,
        peak=after.subject.peak,
    )


async def _live(pipe: Connection) -> None:
    gateway = Gateway()
    pipe.send(await gateway.start())
    try:
        while (asked := await asyncio.to_thread(pipe.recv)) is not None:
            subject, load = asked
            middle = load.first + load.warm_up
            await wave(gateway, subject, replace(load, rate=None), range(load.first, middle))
            pipe.send(await wave(gateway, subject, load, range(middle, middle + load.messages)))
    finally:
        gateway.stop()


def _process(pipe: Connection) -> None:
    run_loop(_live(pipe))


class FarSide:
    """Context manager: the process with the platform and its callers."""

    def __enter__(self) -> Self:
        self._child = Child(_process)
        self.platform_url = self._child.address
        return self

    def __exit__(self, *_: object) -> None:
        self._child.stop()

    def run(self, subject: Subject, load: Load) -> Outcome:
        """Warm up, then bring all messages to the subject; at most two time limits and a bit."""
        self._child.pipe.send((subject, load))
        outcome: Outcome = self._child.receive(2 * load.limit_s + 30)
        return outcome
