"""Every statement of the store, by its name in the module that runs it."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import bridge.store.repositories
from bridge.store.batch import BatchStatement
from bridge.store.statement import Statement

_MODULES = [
    import_module(module.name)
    for module in pkgutil.iter_modules(bridge.store.repositories.__path__, "bridge.store.repositories.")
]
STATEMENTS: dict[str, Statement] = {
    name: value for module in _MODULES for name, value in vars(module).items() if isinstance(value, Statement)
}
BATCHES: dict[str, BatchStatement] = {
    name: value for module in _MODULES for name, value in vars(module).items() if isinstance(value, BatchStatement)
}
