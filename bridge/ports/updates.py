"""The part of the store that keeps Telegram's updates until they are processed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridge.model.base import Ms
from bridge.model.chat import StoredUpdate, UpdateState


class UpdateStore(Protocol):
    async def store_updates(self, bot_id: int, updates: Sequence[StoredUpdate]) -> int:
        """Store raw updates; known ones are skipped. Returns after the commit how many were new."""

    async def pending_updates(self, bot_id: int, *, limit: int) -> Sequence[StoredUpdate]:
        """Unprocessed updates in the order of arrival."""

    async def updates_since(self, bot_id: int, since: Ms) -> Sequence[StoredUpdate]:
        """Updates received since then, processed or not, in the order of arrival. Of very many only the newest."""

    async def finish_update(self, bot_id: int, update_id: int, state: UpdateState, error: str, now: Ms) -> None:
        """Mark an update as processed or parked."""

    async def purge_updates(self, before: Ms, *, limit: int) -> int:
        """Delete up to ``limit`` processed updates that were received before then.

        Parked ones stay. Returns how many.
        """
