"""Each bridge takes every duty for its own."""

from __future__ import annotations

from bridge.pipeline.cluster import Cluster


def apply() -> None:
    Cluster.has = lambda self, duty: True  # type: ignore[method-assign]
