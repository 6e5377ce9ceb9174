"""Spoil the program by name, then be it."""

from __future__ import annotations

import importlib
import sys

from bridge.cli import main


def spoiled() -> None:
    name = sys.argv.pop(1)
    importlib.import_module(f"tests.chaos.sabotage.{name}").apply()
    main()


if __name__ == "__main__":
    spoiled()
