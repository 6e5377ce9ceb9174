"""Each node believes that it has every singleton role."""

from __future__ import annotations

from bridge.pipeline.cluster import Cluster


def apply() -> None:
    Cluster.leads = lambda self, role: True  # type: ignore[method-assign]
