"""The gateway closes, hangs, trickles and talks nonsense: it sees each SMS at most once, and the outcome is told right.

Real sessions against a gateway of bare sockets. What it does to a request stands in the SMS's text, so every SMS knows
which outcomes are right for it, and the gateway's own count tells how often it was asked.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import SecretStr
from yarl import URL

from bridge.config import AccountSettings
from bridge.model.answers import Receipt, SendOutcome
from bridge.platforms.http import Answer, HttpFault, HttpLimits, NoAnswer
from bridge.platforms.http_client import HttpClient
from bridge.platforms.iba import IbaPlatform
from tests.certificate import self_signed, server_side, trusting
from tests.chaos.gateway import ACTS, PAUSE_S, Gateway, id_of
from tests.chaos.scenario import Findings, Progress, Scenario, nothing, scaled
from tests.chaos.tools import each, together, without

REPETITIONS = 50
RACES = 10
"""This case is repeated that many times more, since it takes luck: a connection closed just as a request is written."""
BURST = 5_000
AT_ONCE = 64
"""Cells under way. They wait for the gateway most of the time."""
GO_AWAY = 0.05
"""The part of a crowd that stops waiting."""
CLOSED_WHILE_WAITING = "and_end"
UVLOOPS_OWN = "Fatal error on SSL protocol"
"""Its TLS answers an orderly end on a transport that it has just closed, and complains of itself. The line is over by
then, and knows it."""

PATIENT = HttpLimits(total=30_000, connect=15_000, sock_connect=15_000, sock_read=15_000)
"""Where nothing is meant to take long: a slow machine must not be taken for an ill gateway."""
SHORT = HttpLimits(total=600, connect=300, sock_connect=300, sock_read=150)
"""Where a limit is meant to come. On a slow machine one may come before the request could leave: that is not sent."""

Outcomes = frozenset[SendOutcome]
UNKNOWN: Outcomes = frozenset({SendOutcome.UNKNOWN})
ACCEPTED: Outcomes = frozenset({SendOutcome.ACCEPTED})
NOT_SENT: Outcomes = frozenset({SendOutcome.NOT_SENT})
ANY: Outcomes = frozenset(SendOutcome)

RIGHT: dict[str, Outcomes] = {
    **dict.fromkeys(ACTS, UNKNOWN),
    **dict.fromkeys(["ok", "unframed", "in_pieces", "after_hints", "and_end", "with_farewell"], ACCEPTED),
    "too_many": frozenset({SendOutcome.TEMPORARY}),
    "forbidden": frozenset({SendOutcome.ACCOUNT_FAULT}),
    "too_long": frozenset({SendOutcome.REFUSED}),
    "zero": frozenset({SendOutcome.ZERO}),
    "stop_list": frozenset({SendOutcome.REFUSED}),
    "parked": frozenset({SendOutcome.PARKED}),
    # One answer if the network cuts between the two, else more than was announced.
    "twice": UNKNOWN | ACCEPTED,
}
ENDLESS = frozenset({"hang", "hang_in_headers", "hang_in_body", "hang_in_chunks", "trickle_on", "hint_on"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One thing that goes wrong, on one kind of connection."""

    act: str
    right: Outcomes
    secure: bool = False
    before: str = ""
    """The act asked for by an SMS that goes first over the same connection; empty: the connection is fresh."""
    port: str = ""
    """The name of the gateway's port. Empty: the plain or the TLS port."""
    trusted: bool = True
    limits: HttpLimits = PATIENT
    often: int = 1
    """Times the repetitions of a run."""
    connections: int = 1

    def __str__(self) -> str:
        line = f"{'TLS' if self.secure else 'plain'}, {f'after {self.before}' if self.before else 'fresh'}"
        return f"{line}{f', {self.port} port' if self.port else ''}: {self.act}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """One SMS that was asked for, and what its session said of it."""

    number: int
    act: str
    cell: Cell
    right: Outcomes
    receipt: Receipt | None
    """None: the caller went away."""


def cells(*, tls: bool, acts: Sequence[str] = tuple(ACTS)) -> Iterator[Cell]:
    for secure in (False, True) if tls else (False,):
        for act, before in product([act for act in acts if act != CLOSED_WHILE_WAITING], ("", "ok")):
            yield Cell(
                secure=secure,
                act=act,
                before=before,
                right=RIGHT[act] | (NOT_SENT if act in ENDLESS else frozenset()),
                limits=SHORT if act in ENDLESS else PATIENT,
            )
        # Closed about when the request is written: it got through, or nobody knows; never both.
        yield Cell(secure=secure, act="ok", before=CLOSED_WHILE_WAITING, right=ACCEPTED | UNKNOWN, often=RACES)
        # The handshake comes first over TLS: there nothing has left yet.
        never_read = NOT_SENT if secure else NOT_SENT | UNKNOWN
        yield Cell(secure=secure, act="ok", port="deaf", right=never_read)
        yield Cell(secure=secure, act="ok", port="silent", right=never_read, limits=SHORT)
        yield Cell(secure=secure, act="ok", port="nobody", right=NOT_SENT)
        if secure:
            yield Cell(secure=True, act="ok", trusted=False, right=NOT_SENT)


class Sender:
    """Sends SMS through real sessions and keeps what they said."""

    def __init__(
        self, ports: Mapping[str, int], client: type[HttpClient], trust: ssl.SSLContext | None, seed: int
    ) -> None:
        self._ports = ports
        self._client = client
        self._trust = trust
        self._chance = random.Random(seed)
        self.sent: list[Sent] = []

    async def once(self, cell: Cell) -> None:
        expected = ANY if cell.limits is SHORT else ACCEPTED
        async with self._session(cell) as platform:
            if cell.before:
                await self._send(platform, cell, cell.before, expected)
                await asyncio.sleep(self._chance.random() * PAUSE_S)
            await self._send(platform, cell, cell.act, cell.right)
            if cell.before != CLOSED_WHILE_WAITING and not cell.port and cell.trusted:
                await self._send(platform, cell, "ok", expected)  # the session goes on, with its own answers

    async def burst(self, count: int, acts: Sequence[str]) -> None:
        """All acts at once over the few connections of one session, and some callers go away."""
        cell = Cell(act="all at once", right=ANY, connections=8)
        places = asyncio.Semaphore(3 * cell.connections)

        async def one(platform: IbaPlatform) -> None:
            act = self._chance.choice(acts)
            async with places:
                # What an earlier one did to the connection may cost a later one its answer, never more.
                sending = asyncio.create_task(self._send(platform, cell, act, RIGHT[act] | UNKNOWN))
                if self._chance.random() < GO_AWAY:
                    await asyncio.sleep(self._chance.random() * 3 * PAUSE_S)
                    sending.cancel()
                await asyncio.wait([sending])

        async with self._session(cell) as platform:
            await asyncio.gather(*(one(platform) for _ in range(count)))

    @asynccontextmanager
    async def _session(self, cell: Cell) -> AsyncIterator[IbaPlatform]:
        port = self._ports[cell.port or ("tls" if cell.secure else "plain")]
        account = AccountSettings(
            url=f"{'https' if cell.secure else 'http'}://127.0.0.1:{port}",
            login="login-of-shop",
            password=SecretStr("password-of-shop"),
            sender="MyShop",
            connections=cell.connections,
        )
        tls = self._trust if cell.trusted else None
        platform = IbaPlatform(account, limits=cell.limits, tls=tls, client=self._client)
        try:
            yield platform
        finally:
            await platform.close()

    async def _send(self, platform: IbaPlatform, cell: Cell, act: str, right: Outcomes) -> None:
        number = len(self.sent)
        asked = Sent(number=number, act=act, cell=cell, right=right, receipt=None)
        self.sent.append(asked)
        async with asyncio.timeout(2 * PATIENT.total / 1000):
            receipt = await platform.send(f"79{number:09d}", "MyShop", f"{act} {number}")
        self.sent[number] = replace(asked, receipt=receipt)


def judged(sent: Sequence[Sent], seen: Mapping[int, int]) -> Iterator[str]:
    """Against the gateway's own count, once it has read all that will ever come."""
    for one in sent:
        for wrong in _wrong(one, seen.get(one.number, 0)):
            yield f"{one.cell}: SMS {one.number} ({one.act}) {wrong}"


def _wrong(sent: Sent, seen: int) -> Iterator[str]:
    receipt = sent.receipt
    if seen > 1:
        yield f"was asked for {seen} times"
    if receipt is None:
        return
    if receipt.outcome is SendOutcome.NOT_SENT and seen:
        yield "was called not sent, and the gateway has read it"
    if receipt.outcome is SendOutcome.ACCEPTED:
        if not seen:
            yield "was called accepted, and the gateway never read it"
        elif receipt.ids != (id_of(sent.number),):
            yield f"was called accepted under {receipt.ids}"
    if receipt.outcome not in sent.right:
        yield f"was called {receipt.outcome} ({receipt.reason})"


async def gateway(
    folder: Path,
    progress: Progress = nothing,
    *,
    repetitions: int,
    burst: int = 0,
    client: type[HttpClient] = HttpClient,
    acts: Sequence[str] = tuple(ACTS),
    seed: int = 4,
) -> Findings:
    """Each cell so often, and so many SMS in a crowd."""
    complaints: Counter[str] = Counter()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.update([str(context["message"])]))
    certificate = self_signed(folder)
    trust = trusting(certificate) if certificate is not None else None
    wanted = list(cells(tls=certificate is not None, acts=acts))
    turns = [cell for cell in wanted for _ in range(cell.often * repetitions)]
    random.Random(seed).shuffle(turns)
    todo = iter(turns)
    with (
        socket.socket() as nobody,
        Gateway(seed, server_side(certificate) if certificate is not None else None) as opposite,
    ):
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
        sender = Sender({**opposite.ports, "nobody": nobody.getsockname()[1]}, client, trust, seed)

        async def work() -> None:
            for cell in todo:
                await sender.once(cell)
                progress(f"{len(sender.sent)} SMS in {len(wanted)} kinds of trouble")

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        await sender.burst(burst, [act for act in acts if act not in ENDLESS])
    violations = list(judged(sender.sent, opposite.seen))
    complaints.pop(UVLOOPS_OWN, None)
    violations += [f"the loop complained {times} times: {complaint}" for complaint, times in complaints.items()]
    lack = without("openssl is not there: no cell over TLS") if certificate is None else Findings()
    figures = {
        "cells": f"{len(wanted)} × {repetitions}",
        "SMS": f"{len(sender.sent)}, {burst} of them in a crowd",
        "complete requests read": f"{opposite.seen.total()}, {opposite.on_used_connections} on used connections",
        "most for one SMS": f"{max(opposite.seen.values(), default=0)}",
        "called": told(sender.sent),
        "written as the gateway closed": told(
            [one for one in sender.sent if one.cell.before == CLOSED_WHILE_WAITING and one.act == one.cell.act]
        ),
        "wrong": f"{len(violations)}",
    }
    return Findings(figures={**figures, **lack.figures}, violations=[*violations, *lack.violations])


def told(sent: Sequence[Sent]) -> str:
    outcomes = Counter(one.receipt.outcome.value if one.receipt is not None else "given up" for one in sent)
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))


# ---------------------------------------------------------------- without the rule


class LibrarysOwnWay(HttpClient):
    """aiohttp as it comes: it repeats a GET on a broken connection and follows redirects."""

    def __init__(
        self, address: str, *, connections: int, limits: HttpLimits | None, tls: ssl.SSLContext | None, **more: Any
    ) -> None:
        super().__init__(address, connections=connections, limits=limits, tls=tls, **more)
        self._address = address
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, ssl=tls or True),
            timeout=aiohttp.ClientTimeout(total=(limits or PATIENT).total / 1000),
        )

    async def get(self, query: str) -> Answer | NoAnswer:
        try:
            async with self._session.get(URL(f"{self._address}?{query}", encoded=True)) as response:
                return Answer(status=response.status, body=await response.read())
        except (aiohttp.ClientError, TimeoutError):
            return NoAnswer(fault=HttpFault.DISCONNECTED, left=True)

    async def close(self) -> None:
        await self._session.close()


class AsksAgain(HttpClient):
    """A connection broke, so it tries another, as most clients do."""

    async def get(self, query: str) -> Answer | NoAnswer:
        result = await super().get(query)
        again = isinstance(result, NoAnswer) and result.fault is HttpFault.DISCONNECTED
        return await super().get(query) if again else result


class CallsItNotSent(HttpClient):
    """No answer, so nothing was sent: the usual mistake."""

    async def get(self, query: str) -> Answer | NoAnswer:
        result = await super().get(query)
        return NoAnswer(fault=result.fault, left=False) if isinstance(result, NoAnswer) else result


TWICE = "was asked for 2 times"
CONTROLS: dict[str, tuple[type[HttpClient], str]] = {
    "library": (LibrarysOwnWay, TWICE),
    "again": (AsksAgain, TWICE),
    "not sent": (CallsItNotSent, "was called not sent, and the gateway has read it"),
}
"""A client without the rule, and what must be found of it."""
BROKEN = ("fin", "half_status_line", "half_body", "redirect")


async def control(folder: Path, progress: Progress = nothing) -> Findings:
    return each(*[await without_rule(folder, name, progress) for name in CONTROLS])


async def without_rule(folder: Path, name: str, progress: Progress = nothing) -> Findings:
    client, found = CONTROLS[name]
    findings = await gateway(folder, progress, repetitions=1, client=client, acts=BROKEN)
    return Findings(violations=[violation for violation in findings.violations if found in violation])


async def run(folder: Path, progress: Progress) -> Findings:
    """On the loop of the standard library, then on the faster one."""
    usual = await gateway(folder, progress, repetitions=scaled(REPETITIONS), burst=scaled(BURST))
    other = await asyncio.to_thread(on_uvloop, folder, repetitions=scaled(REPETITIONS // 4), burst=scaled(BURST))
    other.figures = {f"uvloop: {name}": figure for name, figure in other.figures.items()}
    other.violations = [f"uvloop: {violation}" for violation in other.violations]
    return together(usual, other)


def on_uvloop(folder: Path, *, repetitions: int, burst: int) -> Findings:
    """For a thread of its own: it blocks."""
    try:
        import uvloop
    except ImportError:
        return without("uvloop is not installed")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(gateway(folder, repetitions=repetitions, burst=burst))


SCENARIO = Scenario(
    number=4,
    title="an ill gateway",
    run=run,
    rule="a GET leaves once, and only what surely did not leave is called not sent",
    control=control,
)
