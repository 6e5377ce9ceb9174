"""Telegram's flood control: calls a minute for a group, topics included, and calls a second for the bot."""

from __future__ import annotations

from collections import deque

from bridge.model.base import MINUTE, SECOND, Ms
from bridge.ports.clock import Clock
from bridge.sandbox.botapi.refusal import too_many_requests


class FloodControl:
    """Counts calls in sliding windows, by the clock that is passed in. A refused call does not count."""

    def __init__(self, clock: Clock, *, group_budget: int | None, per_second: int | None) -> None:
        self._clock = clock
        self.group_budget = group_budget
        """Calls a minute for one group; None: no limit."""
        self.per_second = per_second
        """Calls a second over all chats; None: no limit."""
        self._groups: dict[int, deque[Ms]] = {}
        self._all: deque[Ms] = deque()
        self._held: dict[int, Ms] = {}

    def hold(self, chat_id: int, retry_after_s: int) -> None:
        """Refuse all calls for this chat for ``retry_after_s`` seconds, whatever its budget is."""
        self._held[chat_id] = self._clock.now() + retry_after_s * SECOND

    def spend(self, chat_id: int, *, group: bool) -> None:
        """Count one call for this chat. :raises Refusal: 429, with the seconds until a call would be accepted."""
        now = self._clock.now()
        if (until := self._held.get(chat_id, 0)) > now:
            raise too_many_requests(_seconds(until - now))
        windows: list[deque[Ms]] = []
        if self.group_budget is not None and group:
            windows.append(self._free(self._groups.setdefault(chat_id, deque()), self.group_budget, MINUTE, now))
        if self.per_second is not None:
            windows.append(self._free(self._all, self.per_second, SECOND, now))
        for window in windows:
            window.append(now)

    @staticmethod
    def _free(window: deque[Ms], budget: int, span: Ms, now: Ms) -> deque[Ms]:
        while window and window[0] <= now - span:
            window.popleft()
        if len(window) >= budget:
            raise too_many_requests(_seconds(window[0] + span - now) if window else _seconds(span))
        return window


def _seconds(ms: Ms) -> int:
    return max(1, -(-ms // SECOND))
