"""Taken out: what could not be stored is not acknowledged."""

from __future__ import annotations

from bridge.errors import StoreError
from bridge.model.inbound import AcceptedCall, InboundCall
from bridge.pipeline.inbox import Inbox


def apply() -> None:
    accept = Inbox.accept

    async def hopeful(self: Inbox, call: InboundCall) -> AcceptedCall:
        try:
            return await accept(self, call)
        except StoreError:
            return AcceptedCall(id=0, new=True, repeats=0)

    Inbox.accept = hopeful
