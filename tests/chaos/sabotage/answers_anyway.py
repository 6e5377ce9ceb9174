"""Taken out: what could not be stored is not acknowledged."""

from __future__ import annotations

from bridge.errors import StoreError
from bridge.model.inbound import Accepted, InboundCall
from bridge.pipeline.inbox import Inbox


def apply() -> None:
    accept = Inbox.accept

    async def hopeful(self: Inbox, call: InboundCall) -> Accepted:
        try:
            return await accept(self, call)
        except StoreError:
            return Accepted(id=0, new=True, repeats=0)

    Inbox.accept = hopeful
