"""After a start: what had waited for it meanwhile. One post, and only where something had; a stop before it is said
leaves it to the next start.

The platform repeats what nobody acknowledged, so SMS come in the first minutes, and their own dates tell them apart;
Telegram keeps what people wrote and pressed. What had been taken before the stop and was routed only now waited, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict

from bridge.model.alert import alert_post
from bridge.model.base import MINUTE, SECOND, Json, Ms
from bridge.model.post import PostPriority
from bridge.model.record import Downtime
from bridge.pipeline.signals import Signals
from bridge.ports.chats import WatchStore
from bridge.ports.clock import Clock
from bridge.value import value_object

WAIT: Ms = 10 * MINUTE
"""How long the platform is given to bring them."""
WORTH_TELLING: Ms = MINUTE
"""A shorter stop is a restart."""
ON_ITS_WAY: Ms = 5 * SECOND
"""What is dated so shortly before the start may have been on its way; dates are whole seconds, too."""


@value_object
class WaitingUpdates:
    """What people did in the chats meanwhile, to be carried out after the start."""

    messages: int = 0
    """Replies and commands."""
    edits: int = 0
    presses: int = 0
    """Of buttons."""

    def __add__(self, other: WaitingUpdates) -> WaitingUpdates:
        return WaitingUpdates(
            messages=self.messages + other.messages,
            edits=self.edits + other.edits,
            presses=self.presses + other.presses,
        )


AskChats = Callable[[Ms, Ms], Awaitable[WaitingUpdates]]
"""What had waited for a start at the first time and came before the second; asked when it surely has come in."""


async def note_outage(store: WatchStore, now: Ms) -> None:
    """For every start of a service, before it gives a sign of life itself: what nothing ran until now."""
    since = await store.last_sign()
    if since is not None and now - since >= WORTH_TELLING:
        await store.note_outage(Downtime(since=since, until=now))


class DowntimeReport:
    def __init__(self, *, store: WatchStore, chats: AskChats, signals: Signals, clock: Clock) -> None:
        self._store = store
        self._chats = chats
        self._signals = signals
        self._clock = clock
        self._tell_at = clock.monotonic() + WAIT
        self._told = False

    async def step(self) -> Ms:
        left = self._tell_at - self._clock.monotonic()
        if self._told or left > 0:
            return max(left, WAIT)
        if outages := await self._store.outages():
            await self._tell(outages)
        self._told = True
        return WAIT

    async def _tell(self, outages: Sequence[Downtime]) -> None:
        now = self._clock.now()
        # What came between two starts had waited for the first of them.
        until = [*(outage.until for outage in outages[1:]), now + 1]
        sms, waited, counted = 0, WaitingUpdates(), 0
        for outage, next_one in zip(outages, until, strict=True):
            before = outage.until - ON_ITS_WAY
            sms += await self._store.arrived_late(after=outage.since, before=before, since=counted)
            waited += await self._chats(outage.until, next_one)
            counted = before
        if not sms and waited == WaitingUpdates():
            await self._store.outages_told(outages, None, now)
            return
        params: dict[str, Json] = {"sms": sms, **asdict(waited)}
        text = "alert.arrived" if waited == WaitingUpdates() else "alert.arrived_both" if sms else "alert.arrived_chats"
        key = f"arrived:{outages[-1].until}"
        post = alert_post(text, params, key=key, priority=PostPriority.STATUS, due_at=now)
        await self._store.outages_told(outages, post, now)
        self._signals.posts.set()
