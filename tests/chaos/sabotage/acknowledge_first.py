"""The platform gets its answer while the message still waits for its commit."""

from __future__ import annotations

import asyncio

from bridge.model.base import InboundId
from bridge.model.inbound import AcceptedCall, InboundCall
from bridge.pipeline.inbox import Answer, Inbox


def apply() -> None:
    take = Inbox.take

    def at_once(self: Inbox, call: InboundCall, answer: Answer) -> None:
        take(self, call, lambda result: None)
        asyncio.get_running_loop().call_soon(answer, AcceptedCall(id=InboundId(0), new=True, repeats=0))

    Inbox.take = at_once  # type: ignore[method-assign]
