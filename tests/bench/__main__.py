"""``python -m tests.bench``: the whole path beside a bare pass-through and the disk, in one run.

Figures of one machine at one time: only the ratios travel. Each series is run in turn (pass-through, whole path, disk,
then again), so that a slow minute of the machine meets all of them.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.disk import commits_per_second
from tests.bench.farside import FarSide, Load, Outcome
from tests.bench.passthrough import PassThrough
from tests.bench.whole import WholePath


@dataclass(slots=True)
class Series:
    """What one thing measured did in every run, in units a second."""

    name: str
    rates: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.rates)

    @property
    def spread(self) -> str:
        return f"{min(self.rates):,.0f} – {max(self.rates):,.0f}"


Subject = Callable[[str, Path], PassThrough | WholePath]


def measure(subject: Subject, load: Load) -> Outcome:
    """One run: a far side (platform and subscribers) in its own process, the subject in another."""
    with (
        tempfile.TemporaryDirectory(prefix="sms-bench-") as place,
        FarSide(load) as far_side,
        subject(far_side.platform_url, Path(place)) as running,
    ):
        return far_side.run(running.callback_url)


def table(bare: Series, whole: Series, disk: Series, load: Load) -> Table:
    shown = Table(title=f"{load.messages:,} messages in, as many replies out; medians")
    shown.add_column("", min_width=30)
    shown.add_column("a second", justify="right")
    shown.add_column("spread", justify="right")
    shown.add_column("of bare", justify="right")
    shown.add_column("a commit", justify="right")
    for series in (bare, whole, disk):
        if not series.rates:
            shown.add_row(series.name, "–", "; ".join(series.notes) or "not measured", "–", "–")
            continue
        of_bare = f"{series.median / bare.median:.2f}" if series is not disk and bare.rates else "–"
        per_commit = f"{series.median / disk.median:.2f}" if series is not disk and disk.rates else "–"
        shown.add_row(series.name, f"{series.median:,.0f}", series.spread, of_bare, per_commit)
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--messages", type=int, default=2000, help="messages in each run (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each series (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=64, help="of the platform (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=60, help="seconds for a run (default: %(default)s)")
    parser.add_argument("--only", choices=["bare", "whole", "disk"], help="measure one series alone")
    chosen = parser.parse_args(arguments)
    # `kill` and `timeout` end the benchmark as Ctrl-C does: with its processes
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    load = Load(messages=chosen.messages, connections=chosen.connections, limit_s=chosen.limit)
    bare = Series("bare pass-through")
    whole = Series("whole path, 100 rules, SQLite")
    disk = Series("disk: 4 kB and fsync")
    subjects: list[tuple[Series, Subject, str]] = [(bare, PassThrough, "bare"), (whole, WholePath, "whole")]
    console, failed = Console(), False
    for run in range(1, chosen.runs + 1):
        for series, subject, key in subjects:
            if chosen.only not in (None, key):
                continue
            with console.status(f"run {run}: {series.name}"):
                outcome = measure(subject, load)
            console.print(f"run {run}: {series.name}: {outcome}")
            if outcome.complete:
                series.rates.append(outcome.per_second)
            else:
                failed = True
                series.notes.append(str(outcome))
        if chosen.only in (None, "disk"):
            disk.rates.append(commits_per_second())
            console.print(f"run {run}: {disk.name}: {disk.rates[-1]:,.0f}/s")
    console.print(table(bare, whole, disk, load))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
