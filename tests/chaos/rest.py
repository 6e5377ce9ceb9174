"""Waits until a bridge has worked off everything it has."""

from __future__ import annotations

import asyncio

from tests.chaos import invariants
from tests.service import Service

LOOK_AGAIN = 0.1
MOVING = (
    "SELECT (SELECT count(*) FROM inbound WHERE state = 'new')"
    " + (SELECT count(*) FROM sms WHERE state IN ('queued', 'sending'))"
    " + (SELECT count(*) FROM tg_update WHERE state = 'new')"
)


async def at_rest(service: Service, *, seconds: float = 120, chats: bool = True, asks: bool = True) -> list[str]:
    """Waits until a running service has finished its work. Returns what is left as violations."""
    also = " + (SELECT count(*) FROM chat_post WHERE state = 'waiting')" if chats else ""
    try:
        async with asyncio.timeout(seconds):
            while service.count(MOVING + also):
                await asyncio.sleep(LOOK_AGAIN)
    except TimeoutError:
        pass  # what is left is said below
    return invariants.at_rest(service.database, chats=chats, asks=asks)
