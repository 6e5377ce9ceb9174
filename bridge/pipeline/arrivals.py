"""After a start: how many SMS the platform had kept for us meanwhile. One post, and only where there were any.

The platform repeats what nobody acknowledged, so they come in the first minutes; their own dates tell them apart.
"""

from __future__ import annotations

from typing import Protocol

from bridge.model import ADMIN_CHAT, MINUTE, SECOND, Ms, NewPost, PostKind, PostPriority
from bridge.pipeline.signals import Signals
from bridge.ports import ChatStore, Clock, WatchStore

WAIT: Ms = 10 * MINUTE
"""How long the platform is given to bring them."""
WORTH_TELLING: Ms = MINUTE
"""A shorter stop is a restart."""
_WAY: Ms = 5 * SECOND
"""An SMS dated so shortly before the start may have been on its way; dates are whole seconds, too."""


class ArrivalStore(ChatStore, WatchStore, Protocol):
    """Posts, and what came late."""


class Arrivals:
    def __init__(self, *, alive_until: Ms | None, store: ArrivalStore, signals: Signals, clock: Clock) -> None:
        """``alive_until``: the last sign of life of the run before; None: there was none."""
        self._alive_until = alive_until
        self._store = store
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
        count = await self._store.arrived_late(after=alive_until, before=self._began - _WAY)
        if not count:
            return
        post = NewPost(
            chat=ADMIN_CHAT,
            kind=PostKind.ALERT,
            priority=PostPriority.STATUS,
            key=f"arrived:{self._began}",
            payload={"text": "alert.arrived", "params": {"sms": count}},
            due_at=self._clock.now(),
        )
        if await self._store.add_post(post, self._clock.now()):
            self._signals.posts.set()
