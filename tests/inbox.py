"""An inbox for tests, and its callback as something to await."""

from __future__ import annotations

import asyncio

from bridge.model.inbound import AcceptedCall, InboundCall
from bridge.pipeline.inbox import Inbox
from bridge.pipeline.routing import Routing
from bridge.pipeline.services import Services


def inbox_of(services: Services, routing: Routing | None = None) -> Inbox:
    """By default one that decides nothing: all messages are left ``new``."""
    return Inbox(services, routing, asyncio.Semaphore())


async def brought(inbox: Inbox, call: InboundCall) -> AcceptedCall:
    """The result of a callback. Raises what the inbox answers with."""
    answered: asyncio.Future[AcceptedCall] = asyncio.get_running_loop().create_future()

    def answer(result: AcceptedCall | Exception) -> None:
        if isinstance(result, Exception):
            answered.set_exception(result)
        else:
            answered.set_result(result)

    inbox.take(call, answer)
    return await answered
