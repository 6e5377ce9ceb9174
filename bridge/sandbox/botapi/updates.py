"""The updates for the bot. They are kept until an offset confirms them, and one long poll at a time gets them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bridge.model.base import DAY, SECOND, Json, Ms
from bridge.ports.clock import Clock
from bridge.sandbox.botapi.refusal import OTHER_POLL, WEBHOOK_ACTIVE, WEBHOOK_SET, conflict

FIRST_UPDATE_ID = 700_000_001
LIFETIME: Ms = DAY
"""Lifetime of an unconfirmed update."""
ON_DEMAND = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
"""Kinds of updates that a bot gets only if it names them in ``allowed_updates``."""


@dataclass(eq=False, slots=True)
class _Poll:
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    ended: str = ""
    """Why the poll was ended early; empty while it waits."""


class UpdateQueue:
    """The queue of ``getUpdates`` and of :mod:`bridge.sandbox.botapi.webhooks`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ids = itertools.count(FIRST_UPDATE_ID)
        self._waiting: dict[int, tuple[Ms, dict[str, Json]]] = {}
        self._poll: _Poll | None = None
        self._allowed: frozenset[str] | None = None
        self._conflicts = 0
        self.webhook_url = ""
        self.on_put: Callable[[], None] = lambda: None
        """Called with each new update."""

    @property
    def unconfirmed(self) -> list[int]:
        """Ids of the unconfirmed updates, in their order."""
        return list(self._waiting)

    @property
    def polled(self) -> bool:
        """True while a long poll waits."""
        return self._poll is not None

    def put(self, kind: str, body: Mapping[str, Json]) -> int | None:
        """Queue an update of this kind and return its id. None if the bot did not ask for the kind."""
        wanted = kind in self._allowed if self._allowed is not None else kind not in ON_DEMAND
        return self.put_raw({kind: dict(body)}) if wanted else None

    def put_raw(self, update: Mapping[str, Json]) -> int:
        """Queue any object with an ``update_id`` of its own, and return that id."""
        update_id = next(self._ids)
        self._waiting[update_id] = (self._clock.now(), {**update, "update_id": update_id})
        if self._poll is not None:
            self._poll.woken.set()
        self.on_put()
        return update_id

    def waiting(self) -> list[dict[str, Json]]:
        """The unconfirmed updates, in their order."""
        self._confirm(0)
        return [update for _, update in self._waiting.values()]

    def confirm(self, update_id: int) -> None:
        """A webhook accepted the update."""
        self._waiting.pop(update_id, None)

    async def poll(self, *, offset: int, limit: int, wait: Ms, allowed: frozenset[str] | None) -> list[Json]:
        """Wait up to ``wait`` for updates, and return at most ``limit``. Confirms those below ``offset``.

        :raises Refusal: 409 if a webhook is set, or if another poll or a webhook comes during the wait.
        """
        if self.webhook_url:
            raise conflict(WEBHOOK_ACTIVE)
        if allowed is not None:
            self._allowed = allowed or None
        self._end_poll(OTHER_POLL)
        if self._conflicts:
            self._conflicts -= 1
            raise conflict(OTHER_POLL)
        self._confirm(offset)
        poll = self._poll = _Poll()
        until = self._clock.now() + wait
        try:
            while not self._waiting and not poll.ended and (left := until - self._clock.now()) > 0:
                poll.woken.clear()
                await self._clock.wait(poll.woken, left)
        finally:
            if self._poll is poll:
                self._poll = None
        if poll.ended:
            raise conflict(poll.ended)
        return [update for _, update in itertools.islice(self._waiting.values(), limit)]

    def conflict(self, times: int) -> None:
        """Act as another program that polls: end the waiting poll and the next ones, ``times`` in all."""
        if self._poll is not None:
            self._end_poll(OTHER_POLL)
            times -= 1
        self._conflicts += times

    def set_webhook(self, url: str, *, drop_pending: bool, allowed: frozenset[str] | None = None) -> None:
        """Set the webhook; an empty ``url`` removes it."""
        self.webhook_url = url
        if allowed is not None:
            self._allowed = allowed or None
        if drop_pending:
            self._waiting.clear()
        if url:
            self._end_poll(WEBHOOK_SET)

    def _end_poll(self, why: str) -> None:
        if self._poll is not None:
            self._poll.ended = why
            self._poll.woken.set()
            self._poll = None

    def _confirm(self, offset: int) -> None:
        """Forget the updates below ``offset``, and those older than :data:`LIFETIME`. A negative offset keeps that many
        of the last updates."""
        stale = self._clock.now() - LIFETIME
        first = offset if offset >= 0 else next(iter(list(self._waiting)[offset:]), 0)
        self._waiting = {i: (at, u) for i, (at, u) in self._waiting.items() if i >= first and at > stale}


def poll_timeout(seconds: int | None) -> Ms:
    """The time limit of a poll; Telegram limits it to 0–50 seconds."""
    return min(max(seconds or 0, 0), 50) * SECOND
