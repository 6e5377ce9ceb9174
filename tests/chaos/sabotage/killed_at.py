"""The program unspoiled, but it kills itself at an exact moment, which ``KILLED_AT`` names.

``launch``: an SMS is committed as ``sending``, and its request has not left. ``answer``: the platform has answered, and
the outcome waits for its commit. ``KILLED_AFTER``: the how many-th such moment it is. ``SPOILED`` names another module
to apply, too.
"""

from __future__ import annotations

import importlib
import os
import signal

from bridge.model.sms import Change, Move, Sms
from bridge.pipeline.outbox import Outbox


def apply() -> None:
    left = int(os.environ.get("KILLED_AFTER", "1"))
    launch, move = Outbox.launch, Outbox._move

    def passes() -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    def launching(self: Outbox, sms: Sms) -> None:
        passes()
        launch(self, sms)

    async def moving(self: Outbox, sms: Sms, made: Move, change: Change) -> bool:
        passes()
        return await move(self, sms, made, change)

    match os.environ.get("KILLED_AT"):
        case "launch":
            Outbox.launch = launching  # type: ignore[method-assign]
        case "answer":
            Outbox._move = moving  # type: ignore[method-assign]
    if spoiled := os.environ.get("SPOILED"):
        importlib.import_module(f"tests.chaos.sabotage.{spoiled}").apply()
