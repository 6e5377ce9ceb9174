"""Keeps the bot's calls within Telegram's limits: about 20 messages a minute in a group, 30 calls a second in all.

Edits and topics count as messages of their chat; reactions count only for the bot as a whole. Less urgent messages
leave room for more urgent ones, so a new SMS does not wait behind a row of status changes. Times are monotonic: a wall
clock that is set must not end a pause that Telegram asked for.
"""

from __future__ import annotations

from collections import deque

from bridge.model.base import MINUTE, SECOND, Ms
from bridge.model.post import PostPriority
from bridge.ports.clock import Clock

_TRAVEL: Ms = 2 * SECOND
"""Added to a minute: Telegram counts a call when it arrives, but the limiter counts it when it leaves."""
GROUP = (20, MINUTE + _TRAVEL)
PRIVATE = (50, MINUTE + _TRAVEL)
OVERALL = (25, SECOND)

_RESERVED = {
    PostPriority.AHEAD: 0,
    PostPriority.INBOUND: 0,
    PostPriority.FAILURE: 0,
    PostPriority.STATUS: 3,
    PostPriority.REACTION: 6,
}
"""Messages of a chat's budget that a post of each priority leaves to more urgent posts."""
_RESERVED_FOR_MESSAGES = 8
"""Calls a second that reactions leave to messages."""


class RateBudget:
    """At most ``count`` calls within any ``per`` milliseconds. Pure: the time is passed in."""

    def __init__(self, count: int, per: Ms) -> None:
        self._count = count
        self._per = per
        self._spent: deque[Ms] = deque()

    def wait(self, now: Ms, reserved: int = 0) -> Ms:
        """Milliseconds until the next call fits, with ``reserved`` calls left over; 0 if it fits now."""
        while self._spent and self._spent[0] <= now - self._per:
            self._spent.popleft()
        over = len(self._spent) - (self._count - reserved)
        return 0 if over < 0 else max(self._spent[over] + self._per - now, 1)

    def spend(self, now: Ms) -> None:
        self._spent.append(now)


class RateLimiter:
    """The budgets of one bot and of its chats, and the pauses of single chats."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._overall = RateBudget(*OVERALL)
        self._chats: dict[int, RateBudget] = {}
        self._paused: dict[int, Ms] = {}
        """End of the pause that Telegram asked for, by chat."""
        self._away: dict[int, Ms] = {}
        """End of the pause after the chat could not be reached, by chat."""

    def wait(self, chat_id: int, priority: PostPriority) -> Ms:
        """Milliseconds until a message, an edit or a topic may leave; 0: now."""
        now = self._clock.monotonic()
        of_chat = self._budget(chat_id).wait(now, _RESERVED[priority])
        return max(self._pause_left(chat_id, now), of_chat, self._overall.wait(now))

    def wait_reaction(self, chat_id: int) -> Ms:
        """Milliseconds until a reaction may leave; 0: now."""
        now = self._clock.monotonic()
        return max(self._pause_left(chat_id, now), self._overall.wait(now, _RESERVED_FOR_MESSAGES))

    async def take(self, chat_id: int, priority: PostPriority) -> None:
        """Waits until a message, an edit or a topic may leave, and counts it. Await it before each call."""
        while wait := self.wait(chat_id, priority):
            await self._clock.sleep(wait)
        now = self._clock.monotonic()
        self._budget(chat_id).spend(now)
        self._overall.spend(now)

    async def take_reaction(self, chat_id: int) -> None:
        """Waits until a reaction may leave, and counts it. Await it before each call."""
        while wait := self.wait_reaction(chat_id):
            await self._clock.sleep(wait)
        self._overall.spend(self._clock.monotonic())

    def pause(self, chat_id: int, length: Ms) -> None:
        """Pauses a chat for as long as Telegram asked. A longer pause that runs already stays."""
        now = self._clock.monotonic()
        self._paused[chat_id] = max(self._paused.get(chat_id, now), now + length)

    def away(self, chat_id: int, length: Ms) -> None:
        """Pauses a chat that could not be reached, for ``length`` or until :meth:`reached`."""
        self._away[chat_id] = self._clock.monotonic() + length

    def reached(self, chat_id: int) -> None:
        """Ends the pause of a chat that can be reached again. A pause that Telegram asked for stays."""
        self._away.pop(chat_id, None)

    def _pause_left(self, chat_id: int, now: Ms) -> Ms:
        return max(self._paused.get(chat_id, now), self._away.get(chat_id, now), now) - now

    def _budget(self, chat_id: int) -> RateBudget:
        if chat_id not in self._chats:
            self._chats[chat_id] = RateBudget(*(GROUP if chat_id < 0 else PRIVATE))
        return self._chats[chat_id]
