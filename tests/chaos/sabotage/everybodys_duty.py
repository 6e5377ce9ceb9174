"""Each bridge takes every duty for its own."""

from __future__ import annotations

from bridge.pipeline.cluster import Cluster


def apply() -> None:
    Cluster.leads = lambda self, role: True  # type: ignore[method-assign]
