"""Every delivery is a message of its own: the key tells no repetition."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace

from bridge.model.inbound import AcceptedCall, InboundCall
from bridge.pipeline.inbox import Inbox


def apply() -> None:
    accept = Inbox.accept
    number = itertools.count()

    async def anew(self: Inbox, call: InboundCall) -> AcceptedCall:
        return await accept(self, replace(call, content_hash=f"{os.getpid()}:{next(number)}".encode()))

    Inbox.accept = anew  # type: ignore[method-assign]
