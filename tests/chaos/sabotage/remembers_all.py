"""Taken out: what waits is in the store alone. Here every message is kept in memory as well, from its callback on."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.routing import Routed
from bridge.pipeline.routing import Attempt


def apply() -> None:
    kept: list[object] = []
    settled = Attempt.settled

    def keep(self: Attempt, routed: Sequence[Routed]) -> None:
        kept.append((self, routed))
        settled(self, routed)

    Attempt.settled = keep  # type: ignore[method-assign]
