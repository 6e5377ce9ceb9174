"""The cases of `make bench`: each is one kind of run, repeated."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench import postgres
from tests.bench.farside import FarSide, Outcome
from tests.bench.load import Load
from tests.bench.passthrough import PassThrough
from tests.bench.prefill import Filling, Stores
from tests.bench.profile import Profiler
from tests.bench.whole import Setup, WholePath


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    messages: int = 10_000
    connections: int = 64
    rates: tuple[int, ...] = (1000, 5000, 10_000)
    paced_s: float = 4
    few_rules: int = 10
    many_rules: int = 10_000
    stored: int = 1_000_000
    stored_on_server: int = 5_000_000
    few_conversations: int = 10
    many_conversations: int = 100_000
    limit_s: float = 30
    """Time limit of one run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    key: str
    group: str
    name: str
    load: Load
    setup: Setup | None
    """None: the bare pass-through."""
    filling: Filling | None = None
    """The rows that the store has before the run. None: an empty store."""
    postgres: bool = False

    def measure(self, stores: Stores, profiler: Profiler) -> Outcome:
        """One run: a far side (platform and callers) in its own process, the subject in another."""
        with ExitStack() as stack:
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix="sms-bench-", dir=stores.folder))
            far_side = stack.enter_context(FarSide())
            if self.setup is None:
                with PassThrough(far_side.platform_url) as bare:
                    return far_side.run(bare.subject, self.load)
            setup, load = self.setup, self.load
            if self.filling is not None:
                storage, first = stores.lend(self.filling, load.warm_up + load.messages, Path(place))
                setup, load = replace(setup, storage=storage), replace(load, first=first)
            elif self.postgres:
                setup = replace(setup, storage=stack.enter_context(postgres.schema()))
            with WholePath(far_side.platform_url, Path(place), setup) as whole:
                with profiler.over(whole.pid, self.key):
                    outcome = far_side.run(whole.subject, load)
                whole.stop()
                return replace(outcome, unsettled=whole.unsettled())


def cases(sizes: Sizes) -> Sequence[Case]:
    closed = Load(messages=sizes.messages, connections=sizes.connections, limit_s=sizes.limit_s)
    few, many = Filling(conversations=sizes.few_conversations), Filling(conversations=sizes.many_conversations)
    conversing = Setup(forward=True)
    found = [
        Case(key="bare", group="closed", name="bare pass-through", load=closed, setup=None),
        Case(key="whole", group="closed", name="whole path", load=closed, setup=Setup()),
    ]
    for rate in sizes.rates:
        # what takes twice as long as it should did not hold the pace; nothing is learned from waiting for it
        limit_s = min(sizes.limit_s, 2 * sizes.paced_s + 2)
        paced = replace(closed, messages=int(rate * sizes.paced_s), rate=float(rate), limit_s=limit_s)
        found += [
            Case(key=f"bare-{rate}", group="paced", name=f"bare, {rate:,}/s", load=paced, setup=None),
            Case(key=f"whole-{rate}", group="paced", name=f"whole path, {rate:,}/s", load=paced, setup=Setup()),
        ]
    for count in (sizes.few_rules, sizes.many_rules):
        load, setup = replace(closed, keywords=count), Setup(rules=count)
        found.append(Case(key=f"rules-{count}", group="rules", name=f"{count:,} rules", load=load, setup=setup))
    stored = Filling(messages=sizes.stored)
    found += [
        Case(key="empty", group="store", name="empty store", load=closed, setup=Setup()),
        Case(key="stored", group="store", name=f"{sizes.stored:,} stored", load=closed, setup=Setup(), filling=stored),
        Case(
            key="few-conversations",
            group="conversations",
            name=f"{sizes.few_conversations:,} conversations",
            load=closed,
            setup=conversing,
            filling=few,
        ),
        Case(
            key="many-conversations",
            group="conversations",
            name=f"{sizes.many_conversations:,} conversations",
            load=closed,
            setup=conversing,
            filling=many,
        ),
    ]
    return [*found, *_on_both_engines(sizes, closed)]


def _on_both_engines(sizes: Sizes, closed: Load) -> Iterator[Case]:
    rate = sizes.rates[0]
    paced = replace(closed, messages=int(rate * sizes.paced_s), rate=float(rate), limit_s=2 * sizes.paced_s + 2)
    for engine, on_server in (("sqlite", False), ("postgres", True)):
        name = "PostgreSQL" if on_server else "SQLite"
        common = {"group": "postgres", "setup": Setup(), "postgres": on_server}
        yield Case(key=engine, name=name, load=closed, **common)
        yield Case(key=f"{engine}-{rate}", name=f"{name}, {rate:,}/s", load=paced, **common)
    several = Setup(processes=2)
    yield Case(
        key="postgres-2", group="several", name="PostgreSQL, two bridges", load=closed, setup=several, postgres=True
    )
    stored = Filling(messages=sizes.stored_on_server, postgres=True)
    name = f"{sizes.stored_on_server:,} stored"
    common = {"group": "postgres-store", "load": closed, "setup": Setup(), "postgres": True}
    yield Case(key="postgres-empty", name="empty schema", **common)
    yield Case(key="postgres-stored", name=name, filling=stored, **common)
