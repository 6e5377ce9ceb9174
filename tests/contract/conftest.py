"""The suite runs over every implementation of the store: one that joins adds its factory to ``FACTORIES``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Set
from pathlib import Path
from typing import Protocol

import pytest

from bridge.model.work import Work
from bridge.ports.store import OnWork, Store
from bridge.store import open_store
from bridge.store.postgres.store import open_store as open_postgres
from tests import postgres
from tests.contract.builders import SetClock


class Factory(Protocol):
    def __call__(self, directory: Path, clock: SetClock, on_work: OnWork = ..., /) -> Awaitable[Store]: ...


def unheard(work: Set[Work]) -> None:
    """Most tests do not ask which loops are woken."""


async def _sqlite(directory: Path, clock: SetClock, on_work: OnWork = unheard) -> Store:
    return await open_store(directory / "bridge.db", clock=clock, on_work=on_work)


async def _postgres(directory: Path, clock: SetClock, on_work: OnWork = unheard) -> Store:
    return await open_postgres(await postgres.schema_of(directory, ready=True), clock=clock, on_work=on_work)


FACTORIES: dict[str, Factory] = {"sqlite": _sqlite, "postgres": _postgres}
EVERY_STORE = ["sqlite", pytest.param("postgres", marks=postgres.needs_postgres)]


@pytest.fixture(params=EVERY_STORE)
def factory(request: pytest.FixtureRequest) -> Factory:
    return FACTORIES[request.param]


@pytest.fixture(autouse=True)
async def schema_is_recycled(tmp_path: Path) -> AsyncIterator[None]:
    yield
    await postgres.recycle(tmp_path)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def work() -> list[Work]:
    """What the store wakes loops for."""
    return []


@pytest.fixture
async def store(factory: Factory, tmp_path: Path, clock: SetClock, work: list[Work]) -> AsyncIterator[Store]:
    opened = await factory(tmp_path, clock, work.extend)
    yield opened
    await opened.close()
