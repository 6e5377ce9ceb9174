"""Taken out: a callback is answered as soon as its message is stored. Here its reply is sent first."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from bridge.model.base import InboundId
from bridge.model.inbound import AcceptedCall, InboundCall
from bridge.model.sms import Sms
from bridge.pipeline.account_channel import AccountChannel
from bridge.pipeline.inbox import Answer, Inbox
from bridge.pipeline.outbox import Outbox


def apply() -> None:
    take, send = Inbox.take, Outbox._send
    sent: defaultdict[InboundId | None, asyncio.Event] = defaultdict(asyncio.Event)
    waiting: set[asyncio.Task[None]] = set()

    def take_and_send(self: Inbox, call: InboundCall, answer: Answer) -> None:
        async def answer_later(accepted: AcceptedCall) -> None:
            await sent[accepted.id].wait()
            answer(accepted)

        def stored(result: AcceptedCall | Exception) -> None:
            if not isinstance(result, AcceptedCall) or not result.new:
                answer(result)
                return
            waiting.add(task := asyncio.create_task(answer_later(result)))
            task.add_done_callback(waiting.discard)

        take(self, call, stored)

    async def send_and_say(self: Outbox, sms: Sms, channel: AccountChannel) -> None:
        await send(self, sms, channel)
        sent[sms.inbound_id].set()

    Inbox.take = take_and_send  # type: ignore[method-assign]
    Outbox._send = send_and_say  # type: ignore[method-assign]
