"""The platform gets its answer while the message still waits for its commit."""

from __future__ import annotations

import asyncio

from bridge.model.base import InboundId
from bridge.model.inbound import AcceptedCall, InboundCall
from bridge.pipeline.inbox import Inbox


def apply() -> None:
    accept = Inbox.accept
    under_way: set[asyncio.Task[AcceptedCall]] = set()

    async def at_once(self: Inbox, call: InboundCall) -> AcceptedCall:
        task = asyncio.create_task(accept(self, call))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        return AcceptedCall(id=InboundId(0), new=True, repeats=0)

    Inbox.accept = at_once  # type: ignore[method-assign]
