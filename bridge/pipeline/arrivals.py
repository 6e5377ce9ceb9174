"""After a start: what had waited for it meanwhile. One post, and only where something had.

The platform repeats what nobody acknowledged, so SMS come in the first minutes, and their own dates tell them apart;
Telegram keeps what people wrote and pressed. What had been taken before the stop and was routed only now waited, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Protocol

from bridge.frozen import frozen
from bridge.model.base import ADMIN_CHAT, MINUTE, SECOND, Json, Ms
from bridge.model.post import NewPost, PostKind, PostPriority
from bridge.pipeline.signals import Signals
from bridge.ports.chats import ChatStore, WatchStore
from bridge.ports.clock import Clock

WAIT: Ms = 10 * MINUTE
"""How long the platform is given to bring them."""
WORTH_TELLING: Ms = MINUTE
"""A shorter stop is a restart."""
ON_ITS_WAY: Ms = 5 * SECOND
"""What is dated so shortly before the start may have been on its way; dates are whole seconds, too."""


@frozen
class Waited:
    """What people did in the chats meanwhile, to be carried out after the start."""

    messages: int = 0
    """Replies and commands."""
    edits: int = 0
    presses: int = 0
    """Of buttons."""


AskChats = Callable[[Ms], Awaitable[Waited]]
"""What had waited for a start at this time; asked once, when it surely has come in."""


class ArrivalStore(ChatStore, WatchStore, Protocol):
    """Posts, and what came late."""


class Arrivals:
    def __init__(
        self, *, alive_until: Ms | None, store: ArrivalStore, chats: AskChats, signals: Signals, clock: Clock
    ) -> None:
        """``alive_until``: the last sign of life of the run before; None: there was none."""
        self._alive_until = alive_until
        self._store = store
        self._chats = chats
        self._signals = signals
        self._clock = clock
        self._began = clock.now()
        self._tell_at = clock.monotonic() + WAIT
        self._told = False

    async def step(self) -> Ms:
        left = self._tell_at - self._clock.monotonic()
        if self._told or left > 0:
            return max(left, WAIT)
        if self._alive_until is not None and self._began - self._alive_until >= WORTH_TELLING:
            await self._tell(self._alive_until)
        self._told = True
        return WAIT

    async def _tell(self, alive_until: Ms) -> None:
        sms = await self._store.arrived_late(after=alive_until, before=self._began - ON_ITS_WAY)
        waited = await self._chats(self._began)
        if not sms and waited == Waited():
            return
        params: dict[str, Json] = {"sms": sms, **asdict(waited)}
        text = "alert.arrived" if waited == Waited() else "alert.arrived_both" if sms else "alert.arrived_chats"
        post = NewPost(
            chat=ADMIN_CHAT,
            kind=PostKind.ALERT,
            priority=PostPriority.STATUS,
            key=f"arrived:{self._began}",
            payload={"text": text, "params": params},
            due_at=self._clock.now(),
        )
        if await self._store.add_post(post, self._clock.now()):
            self._signals.posts.set()
