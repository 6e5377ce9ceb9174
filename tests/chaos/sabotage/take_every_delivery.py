"""Every delivery is a message of its own: the key tells no repetition."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace

from bridge.model.inbound import InboundCall
from bridge.pipeline.inbox import Answer, Inbox


def apply() -> None:
    take = Inbox.take
    number = itertools.count()

    def anew(self: Inbox, call: InboundCall, answer: Answer) -> None:
        take(self, replace(call, content_hash=f"{os.getpid()}:{next(number)}".encode()), answer)

    Inbox.take = anew  # type: ignore[method-assign]
