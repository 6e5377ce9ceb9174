"""Malformed requests to the callback listener: nothing looks acknowledged that is not stored as it came.

From outside, over sockets, against the real service: holds for any listener.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from bridge.pipeline.clock import SystemClock
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from tests.chaos.cyrillic import Written, texts
from tests.chaos.hostile_calls import Case, escaped, get, good_case, malformed_case, query
from tests.chaos.judged_calls import PATIENCE, Row, Trial, judge
from tests.chaos.scenario import Findings, Progress, Scenario, nothing, scaled
from tests.chaos.tools import together
from tests.service import Service

CONNECTIONS = 100
QUIET = 0.15
"""Seconds without a byte after which we say that nothing more will come from us: many listeners drop what they have not
answered when they hear that."""
TO_CLOSE = 8.0
"""Seconds for the other side to close once we said that nothing more will come; the listener's own limits are 10 and
15 s, and waiting for them would hold places for nothing."""
SEGMENT_GAP = 0.002
"""Seconds between two segments, so that the other side reads them apart. A network's doing; nothing waits for it."""
SHOWN = 5
"""Violations of one kind that are named; of the rest, how many."""
OWN_LINE = re.compile(r"\{|configuration: |callbacks: |.*\(warning\)$")
"""A line of the log, or what else the command writes to stderr."""


# ---------------------------------------------------------------- the client


async def send(port: int, trial: Trial) -> None:
    """Play one case on a connection of its own; whatever the server does is no error here."""
    case = trial.case
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            sock: socket.socket = writer.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                segments = case.segments
                for segment in segments:
                    writer.write(segment)
                    await writer.drain()
                    if len(segments) > 1:
                        await asyncio.sleep(SEGMENT_GAP)
                if case.abort:
                    # Closing with this option resets the connection.
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    await read_all(reader, writer, trial)
                trial.ended = True
            finally:
                writer.close()
    except TimeoutError:
        trial.ended = False
    except OSError:
        trial.ended = True  # refused or reset: what came until then counts


async def read_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trial: Trial) -> None:
    said_all = False
    began = time.monotonic()
    while True:
        try:
            async with asyncio.timeout(TO_CLOSE if said_all else QUIET):
                block = await reader.read(65_536)
        except TimeoutError:
            if said_all:
                raise
            writer.write_eof()
            said_all = True
            continue
        if not block:
            return
        trial.answered_after = trial.answered_after or time.monotonic() - began
        trial.answer += block


async def play(port: int, trials: Iterable[Trial], progress: Progress, total: int) -> None:
    """All of them, so many at a time."""
    waiting = iter(trials)
    done = count(1)

    async def one_after_the_other() -> None:
        for trial in waiting:
            await send(port, trial)
            if (number := next(done)) % 2_000 == 0:
                progress(f"{number} of {total} connections")

    await asyncio.gather(*(one_after_the_other() for _ in range(CONNECTIONS)))


# ---------------------------------------------------------------- texts in either encoding


def text_calls(written: list[Written]) -> Iterator[tuple[str, str, Trial]]:
    """(id, text, how it is sent) for each text in each way that has its letters."""
    for number, one in enumerate(written):
        for way, (encoding, raw) in enumerate((("utf-8", False), ("utf-8", True), ("cp1251", False), ("cp1251", True))):
            if encoding == "cp1251" and (not one.fits_windows_1251 or one.is_either):
                continue
            smsid = b"8%07d%d" % (number, way)
            text = escaped(one.text.encode(encoding), raw=raw)
            case = Case(kind="texts", data=get(b"/sms.php?" + query(smsid, text)), needed=(smsid,))
            name = f"text {number} ({one.language}) in {encoding}, {'raw' if raw else 'escaped'}"
            yield smsid.decode(), one.text, Trial(name=name, case=case)


# ---------------------------------------------------------------- the scenario


@asynccontextmanager
async def listening(
    folder: Path, sabotage: str | None, environment: Mapping[str, str] | None
) -> AsyncIterator[Service]:
    platform = SimulatedPlatform(
        clock=SystemClock(), keep_book=False, account=SimulatedAccount(sender_names=None, balance=1e9)
    )
    await platform.start()
    service = Service(
        folder, platform, None, sabotage=sabotage, environment=environment, new_interpreter=True, max_age="off"
    )
    try:
        await service.start()
        yield service
    finally:
        await service.close()
        await platform.stop()


@dataclass(kw_only=True, slots=True)
class Tally:
    """Violations by kind, of which the first few are named."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str, where: str) -> None:
        self.counts[kind] += 1
        if len(self.examples[kind]) < SHOWN:
            self.examples[kind].append(where)

    def sentences(self) -> list[str]:
        return [f"{number} × {kind}: {'; '.join(self.examples[kind])}" for kind, number in self.counts.items()]


def stored_rows(service: Service) -> Mapping[str, list[Row]]:
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    for smsid, raw_query, text, sender, receiver in service.rows(
        "SELECT smsid, raw_query, text, sender, receiver FROM inbound"
    ):
        rows[str(smsid)].append(Row(bytes(raw_query), str(text), str(sender), str(receiver)))  # type: ignore[arg-type]
    return rows


def look_at_log(service: Service, tally: Tally) -> None:
    """A stranger's bytes are no reason for a traceback, nor for an error."""
    for line in service.log.read_text(encoding="utf-8").splitlines():
        if "Traceback" in line:
            tally.add("traceback in the log", line[:200])
        elif '"level": "error"' in line or '"level": "critical"' in line:
            tally.add("error in the log", line[:200])
        elif not OWN_LINE.match(line):
            tally.add("a line that is no log line", line[:200])


async def malformed(
    folder: Path,
    progress: Progress = nothing,
    *,
    requests: int,
    good: int,
    corpus: int,
    seed: int = 7,
    sabotage: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Findings:
    """``requests`` malformed connections with ``good`` odd but good ones among them, then ``corpus`` texts.

    :param seed: a violation names its case; ``hostile_calls.malformed_case(seed, number)`` makes it again.
    """
    bad = [Trial(name=f"malformed {each}", case=malformed_case(seed, each)) for each in range(requests)]
    fine = [Trial(name=f"good {each}", case=good_case(seed, each)) for each in range(good)]
    written = texts(corpus, seed)
    calls = list(text_calls(written))
    step = max(len(bad) // max(len(fine), 1), 1)
    mixed = [each for at, one in enumerate(bad) for each in (one, *fine[at // step : at // step + (at % step == 0)])]
    tally = Tally()
    async with listening(folder, sabotage, environment) as service:
        began = time.monotonic()
        await play(service.port, mixed, progress, len(mixed))
        took = time.monotonic() - began
        after = Trial(name="right afterwards", case=good_case(seed, good))
        await send(service.port, after)
        progress("texts in both encodings")
        await play(service.port, (trial for _, _, trial in calls), progress, len(calls))
        stored = stored_rows(service)
        try:
            code = await service.stop()
        except ProcessLookupError:
            tally.add("the service is gone", "see its log")
        else:
            if code:
                tally.add("the service did not stop in peace", f"exit code {code}")
    for trial in (*mixed, after):
        for kind, where in judge(trial, stored):
            tally.add(kind, f"{where} ({trial.case.kind})")
    for smsid, text, trial in calls:
        if [row.text for row in stored.get(smsid, ())] != [text]:
            tally.add("a text was not decoded right", trial.name)
        for kind, where in judge(trial, stored):
            tally.add(kind, where)
    look_at_log(service, tally)
    kinds = {trial.case.kind for trial in bad}
    figures = {
        "malformed": f"{len(bad)} of {len(kinds)} kinds in {took:.0f} s, {len(fine)} odd but good ones among them",
        "a good call afterwards": f"{after.answered_after * 1000:.0f} ms",
        "texts": f"{len(written)} in {len(calls)} calls, {sum(one.is_either for one in written)} of them ambiguous",
        "log": f"{service.log.stat().st_size / 1e6:.1f} MB",
    }
    return Findings(figures=figures, violations=tally.sentences())


def named(name: str, part: Findings) -> Findings:
    """In one line of the table."""
    figures = "; ".join(f"{what} {figure}" for what, figure in part.figures.items())
    return Findings(figures={f"{name}:": figures}, violations=[f"{name}: {sentence}" for sentence in part.violations])


PYTHON_PARSER = {"AIOHTTP_NO_EXTENSIONS": "1"}


async def run(folder: Path, progress: Progress) -> Findings:
    """Once with each of the two parsers that the listener's library has; the usual one takes the most."""
    parts = []
    for name, full, environment in (("C parser", 20_000, None), ("Python parser", 5_000, PYTHON_PARSER)):
        inside = folder / name.split()[0].lower()
        inside.mkdir()
        found = await malformed(
            inside,
            lambda line, name=name: progress(f"{name}: {line}"),
            requests=scaled(full),
            good=scaled(full // 10),
            corpus=scaled(600),
            environment=environment,
        )
        parts.append(named(name, found))
    return together(*parts)


async def control(folder: Path, progress: Progress) -> Findings:
    """A listener as frameworks make it: decoded queries, their error page."""
    return await malformed(folder, progress, requests=600, good=20, corpus=40, sabotage="framework_listener")


SCENARIO = Scenario(
    number=7,
    title="malformed requests",
    run=run,
    rule="queries are read from raw bytes and errors are constants",
    control=control,
)
