"""Every statement of the store, by its name in the module that runs it."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TypeVar

import bridge.store.repositories
from bridge.store.batch import BatchStatement
from bridge.store.statement import Statement

Kind = TypeVar("Kind", Statement, BatchStatement)
_MODULES = [
    import_module(module.name)
    for module in pkgutil.iter_modules(bridge.store.repositories.__path__, "bridge.store.repositories.")
]


def _of_kind(kind: type[Kind]) -> dict[str, Kind]:
    found: dict[str, Kind] = {}
    for module in _MODULES:
        for name, value in vars(module).items():
            if isinstance(value, kind):
                assert found.setdefault(name, value) is value, f"two statements are called {name}"
    return found


STATEMENTS = _of_kind(Statement)
BATCHES = _of_kind(BatchStatement)
