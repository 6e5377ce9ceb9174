"""Taken out: a callback is answered as soon as its message is stored. Here its reply is sent first."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from bridge.model.base import InboundId
from bridge.model.inbound import AcceptedCall, InboundCall
from bridge.model.sms import Sms
from bridge.pipeline.account_channel import AccountChannel
from bridge.pipeline.inbox import Inbox
from bridge.pipeline.outbox import Outbox


def apply() -> None:
    accept, send = Inbox.accept, Outbox._send
    sent: defaultdict[InboundId | None, asyncio.Event] = defaultdict(asyncio.Event)

    async def accept_and_send(self: Inbox, call: InboundCall) -> AcceptedCall:
        accepted = await accept(self, call)
        if accepted.new:
            await sent[accepted.id].wait()
        return accepted

    async def send_and_say(self: Outbox, sms: Sms, channel: AccountChannel) -> None:
        await send(self, sms, channel)
        sent[sms.inbound_id].set()

    Inbox.accept = accept_and_send  # type: ignore[method-assign]
    Outbox._send = send_and_say  # type: ignore[method-assign]
