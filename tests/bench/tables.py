"""The tables at the end: medians over the runs, the smallest and largest under them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table

from tests.bench.cases import Case, Sizes
from tests.bench.series import Series

Measured = Mapping[str, Series]
MB = 1e-6


def tables(measured: Measured, chosen: list[Case], sizes: Sizes) -> Iterator[Table]:
    groups = {case.group for case in chosen}
    if "closed" in groups or "disk" in measured:
        yield throughput(measured, sizes)
    if "paced" in groups:
        yield paced(measured, [case for case in chosen if case.group == "paced"])
    if "sqlite" in measured or "postgres" in measured:
        yield engines(measured, sizes)
    ratios = [
        ("rules", f"rules-{sizes.few_rules}", f"rules-{sizes.many_rules}"),
        ("store", "empty", "stored"),
        ("conversations", "few-conversations", "many-conversations"),
    ]
    ratios += [("postgres-store", "postgres-empty", "postgres-stored"), ("several", "postgres", "postgres-2")]
    if wanted := [(few, many) for group, few, many in ratios if group in groups]:
        yield growth(measured, wanted)
    if "start-empty" in measured:
        yield idle(measured)


def throughput(measured: Measured, sizes: Sizes) -> Table:
    table = _table(
        f"Closed loop: {sizes.connections} connections, {sizes.messages:,} messages in, as many replies out."
        " CPU a message; latencies in ms",
        ("a second", "of bare", "CPU µs", "in loop", "ack p50", "ack p99", "reply p99", "peak MB"),
    )
    bare = measured.get("bare")
    for key in ("disk", "bare", "whole"):
        if key not in measured:
            continue
        series = measured[key]
        table.add_row(
            _name(series),
            series.shown("per_second"),
            _ratio(bare, series, "per_second") if bare and key == "whole" else "–",
            series.shown("cpu_us"),
            series.shown("loop_us"),
            series.shown("ack_p50", ".1f"),
            series.shown("ack_p99", ".1f"),
            series.shown("reply_p99", ".0f"),
            series.shown("peak", ".0f", MB),
        )
    return table


def paced(measured: Measured, chosen: list[Case]) -> Table:
    table = _table(
        "Paced: so many a second, whatever the bridge does. Milliseconds from when a message was due",
        ("a second", "reply p50", "reply p99", "reply max", "ack p50", "ack p99", "CPU µs", "late p99"),
    )
    for case in chosen:
        series = measured[case.key]
        table.add_row(
            _name(series),
            series.shown("per_second"),
            series.shown("reply_p50", ".1f"),
            series.shown("reply_p99", ".1f"),
            series.shown("reply_max", ".0f"),
            series.shown("ack_p50", ".1f"),
            series.shown("ack_p99", ".1f"),
            series.shown("cpu_us"),
            series.shown("late_p99", ".1f"),
        )
    return table


def engines(measured: Measured, sizes: Sizes) -> Table:
    table = _table(
        "PostgreSQL beside SQLite, whole path, one bridge. CPU a message: of the bridge; of the server's backends",
        ("a second", "of SQLite", "CPU µs", "of SQLite", "server µs", "ack p99", "reply p99"),
    )
    for key in ("", f"-{sizes.rates[0]}"):
        sqlite = measured.get(f"sqlite{key}")
        for series in (sqlite, measured.get(f"postgres{key}")):
            if series is None:
                continue
            beside = sqlite if series is not sqlite else None
            table.add_row(
                _name(series),
                series.shown("per_second"),
                _ratio(beside, series, "per_second") if beside else "",
                series.shown("cpu_us"),
                _ratio(beside, series, "cpu_us") if beside else "",
                series.shown("server_us"),
                series.shown("ack_p99", ".1f"),
                series.shown("reply_p99", ".1f"),
            )
    return table


def growth(measured: Measured, pairs: list[tuple[str, str]]) -> Table:
    table = _table(
        "What grows with what stands there already. Evened: in units of the far side's CPU, the same for every message",
        ("CPU µs", "times", "evened", "a second", "times"),
    )
    for few, many in pairs:
        for key in (few, many):
            if key not in measured:
                continue
            series = measured[key]
            first = key == few or few not in measured
            table.add_row(
                _name(series),
                series.shown("cpu_us"),
                "" if first else _ratio(measured[few], series, "cpu_us"),
                "" if first else _ratio(measured[few], series, "cpu_evened"),
                series.shown("per_second"),
                "" if first else _ratio(measured[few], series, "per_second"),
            )
    return table


def idle(measured: Measured) -> Table:
    table = _table("Start and idle", ("ready ms", "idle MB", "idle CPU %", "bytes/message"))
    for series in (measured["start-empty"], measured["start-stored"]):
        table.add_row(
            series.name,
            series.shown("ready_s", ",.0f", 1000),
            series.shown("idle_rss", ".0f", MB),
            series.shown("idle_cpu", ".2f", 100),
            series.shown("bytes_a_message"),
        )
    return table


def _ratio(small: Series, large: Series, figure: str) -> str:
    """Of the two runs that took turns, then the median of those: what slowed the machine for a while slowed both."""
    pairs = zip(small.values(figure), large.values(figure), strict=False)
    ratios = Series("", "", [{figure: other / one} for one, other in pairs if one])
    return ratios.shown(figure, ".2f")


def _name(series: Series) -> str:
    missing, faults = series.total("missing"), series.total("faults")
    return series.name + (" (too slow: cut off)" if missing else "") + (f" ({faults:.0f} FAULTS)" if faults else "")


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", padding=(0, 1, 0, 0), show_lines=True)
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table
