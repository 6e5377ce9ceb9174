"""Each bridge takes every duty for its own."""

from __future__ import annotations

from bridge.pipeline.fleet import Fleet


def apply() -> None:
    Fleet.has = lambda self, duty: True  # type: ignore[method-assign]
