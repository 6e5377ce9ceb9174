"""``python -m tests.bench``: what the bridge can do beside a bare pass-through and the disk, in one run.

Figures of one machine at one time: only the ratios travel. The series take turns (disk, pass-through, whole path, …,
then again), so that a slow minute of the machine meets all of them.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from bridge.store.postgres.pool import masked_url
from tests.bench import decide, reload, starts, tables
from tests.bench.cases import Case, Sizes, cases
from tests.bench.disk import commits_per_second
from tests.bench.prefill import Filling, Stores
from tests.bench.profile import Profiler
from tests.bench.series import Series, figures
from tests.postgres import SERVER, why_unreachable

GROUPS = ("disk", "closed", "paced", "rules", "store", "conversations", "start", "decide", "reload", "postgres")
MORE = ("postgres-store", "several")
"""Only where they are asked for."""
QUICK = Sizes(
    messages=2000,
    rates=(1000,),
    paced_s=2,
    many_rules=1000,
    stored=50_000,
    stored_on_server=50_000,
    many_conversations=10_000,
)
QUICK_GROUPS = ("disk", "closed", "paced", "rules", "start")
STARTS = 5
IDLE_S = 5.0
SHARED = 0.3
"""Cores."""
WIDTH = 120
"""Where the output is no terminal."""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    usual = Sizes()
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute: small sizes, one run, the main figures")
    parser.add_argument(
        "--only", nargs="+", metavar="WHAT", help=f"groups ({', '.join((*GROUPS, *MORE))}) or single series"
    )
    parser.add_argument("--runs", type=int, help="runs of each series (default: 3; quick: 1)")
    parser.add_argument("--messages", type=int, help=f"in a closed-loop run (default: {usual.messages})")
    parser.add_argument("--rates", type=int, nargs="+", help="of the paced runs, messages a second")
    parser.add_argument("--seconds", type=float, help=f"of a paced run (default: {usual.paced_s:g})")
    parser.add_argument("--stored", type=int, help=f"messages in the large store (default: {usual.stored})")
    parser.add_argument(
        "--stored-on-server", type=int, metavar="STORED", help=f"on PostgreSQL (default: {usual.stored_on_server})"
    )
    parser.add_argument("--limit", type=float, help=f"seconds for a run (default: {usual.limit_s:g})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run's figures there")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="profile the whole path with py-spy into there")
    parser.add_argument("--py-spy", default="py-spy", metavar="PATH", help="the program (default: %(default)s)")
    parser.add_argument(
        "--py-spy-option", action="append", default=[], metavar="X", help="more for it, as --py-spy-option=--gil"
    )
    return parser.parse_args(arguments)


def sizes_of(chosen: argparse.Namespace) -> Sizes:
    base = QUICK if chosen.quick else Sizes()
    return Sizes(
        messages=chosen.messages or base.messages,
        rates=tuple(chosen.rates or base.rates),
        paced_s=chosen.seconds or base.paced_s,
        many_rules=base.many_rules,
        stored=chosen.stored or base.stored,
        stored_on_server=chosen.stored_on_server or base.stored_on_server,
        many_conversations=base.many_conversations,
        limit_s=chosen.limit or base.limit_s,
    )


class Bench:
    """One call of the command: what is measured, what was found."""

    def __init__(self, chosen: argparse.Namespace, stores: Stores, console: Console) -> None:
        self.sizes = sizes_of(chosen)
        only = set(chosen.only or (QUICK_GROUPS if chosen.quick else GROUPS))
        self.cases = [case for case in cases(self.sizes) if only & {case.group, case.key}]
        if any(case.postgres for case in self.cases) and (said := why_unreachable()):
            console.print(f"PostgreSQL is left out: none answers at {masked_url(SERVER)} ({said})")
            self.cases = [case for case in self.cases if not case.postgres]
        self.disk = "disk" in only
        self.alone = [part.table for name, part in (("decide", decide), ("reload", reload)) if name in only]
        """Measures single parts in this process."""
        self.starts = "start" in only
        self.runs = chosen.runs or (1 if chosen.quick else 3)
        self.measured: dict[str, Series] = {}
        self._stores = stores
        self._console = console
        self._profiler = Profiler(chosen.profile, chosen.py_spy, chosen.py_spy_option)

    def measure(self) -> None:
        for run in range(1, self.runs + 1):
            if self.disk:
                rate = commits_per_second(self._stores.folder)
                self._keep("disk", "disk: 4 kB and fsync", run, {"per_second": rate}, f"{rate:,.0f}/s")
            for case in self.cases:
                self._case(case, run)
        if self.starts:
            self._starts()

    def _case(self, case: Case, run: int) -> None:
        if case.filling is not None:
            self._fill(case.filling)
        with self._console.status(f"run {run}: {case.name}"):
            outcome = case.measure(self._stores, self._profiler)
        self._keep(case.key, case.name, run, figures(outcome), str(outcome))

    def _starts(self) -> None:
        large = Filling(messages=self.sizes.stored)
        self._fill(large)
        size = {"bytes_a_message": self._stores.bytes[large] / large.messages}
        kinds = [("start-empty", "empty store", None), ("start-stored", f"{large.messages:,} stored", large)]
        for run in range(1, STARTS + 1):
            for key, name, filling in kinds:
                found = starts.start(self._stores, filling, IDLE_S if run == 1 else 0)
                found |= size if filling is not None and run == 1 else {}
                self._keep(key, name, run, found, f"ready after {found['ready_s'] * 1000:,.0f} ms")

    def _fill(self, filling: Filling) -> None:
        before = self._stores.filling_s
        with self._console.status(f"filling: {filling}"):
            self._stores.url(filling)
        if (seconds := self._stores.filling_s - before) > 0:
            self._console.print(f"filled a store in {seconds:.0f} s: {filling}", soft_wrap=True)

    def _keep(self, key: str, name: str, run: int, found: dict[str, float], line: str) -> None:
        self.measured.setdefault(key, Series(key, name)).runs.append(found)
        self._console.print(f"run {run}: {name}: {line}", soft_wrap=True, highlight=False)

    @property
    def failed(self) -> bool:
        """A message lost, doubled or unknown; or one that a closed loop left undone. A pace may be too fast."""
        closed = [self.measured[case.key] for case in self.cases if case.load.rate is None]
        return any(series.total("faults") for series in self.measured.values()) or any(
            series.total("missing") for series in closed
        )


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = parse(arguments)
    console, start = Console(), time.monotonic()
    if not console.is_terminal:
        console.width = WIDTH
    with tempfile.TemporaryDirectory(prefix="sms-bench-") as folder, closing(Stores(Path(folder))) as stores:
        bench = Bench(chosen, stores, console)
        bench.measure()
    for table in tables.tables(bench.measured, bench.cases, bench.sizes):
        console.print(table)
    for measured in bench.alone:
        console.print(measured())
    console.print(f"{time.monotonic() - start:.0f} s")
    others = [taken for series in bench.measured.values() for taken in series.values("others")]
    if shared := sum(taken > SHARED for taken in others):
        console.print(f"In {shared} of {len(others)} runs others took more than {SHARED} cores: rates are too low.")
    if chosen.json is not None:
        found = {key: {"name": series.name, "runs": series.runs} for key, series in bench.measured.items()}
        chosen.json.write_text(json.dumps({"sizes": asdict(bench.sizes), "series": found}, indent=1))
    return 1 if bench.failed else 0


if __name__ == "__main__":
    # `kill` and `timeout` end the benchmark as Ctrl-C does: with its processes
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
