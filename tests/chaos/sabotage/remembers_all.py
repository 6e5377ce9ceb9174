"""Taken out: what waits is in the store alone. Here every message is kept in memory as well, from its callback on."""

from __future__ import annotations

from bridge.model.routing import ClaimedBatch, ClaimRequest, Settlement
from bridge.pipeline.router import Router


def apply() -> None:
    kept: list[object] = []
    settle = Router._settle

    async def keep(
        self: Router, batch: list[object], settlements: list[Settlement], claim: ClaimRequest
    ) -> ClaimedBatch | None:
        kept.append((batch, settlements))
        return await settle(self, batch, settlements, claim)  # type: ignore[arg-type]

    Router._settle = keep  # type: ignore[method-assign, assignment]
