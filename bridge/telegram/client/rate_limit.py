"""How much may be said: Telegram's budgets for a group and for the whole bot. Pure arithmetic on a given time.

The time is monotonic: a wall clock that is set must not let a call leave before Telegram's own wait is over.

A group takes about 20 messages a minute, topics and edits included; the bot about 30 calls a second over all, reactions
too. What matters less leaves room for what matters more, so a new SMS is not held up by a row of reactions.
"""

from __future__ import annotations

from collections import deque

from bridge.model.base import MINUTE, SECOND, Ms
from bridge.model.post import PostPriority

_WAY: Ms = 2 * SECOND
"""Telegram counts a call when it arrives, we when it leaves."""
GROUP = (20, MINUTE + _WAY)
PRIVATE = (50, MINUTE + _WAY)
OVERALL = (25, SECOND)

_LEFT_FREE = {
    PostPriority.AHEAD: 0,
    PostPriority.INBOUND: 0,
    PostPriority.FAILURE: 0,
    PostPriority.STATUS: 3,
    PostPriority.REACTION: 6,
}
"""Messages of a chat's budget that a post of this priority does not touch."""
_FOR_MESSAGES = 8
"""Calls a second that reactions leave to messages."""


class Window:
    """So many calls in a sliding time."""

    def __init__(self, count: int, per: Ms) -> None:
        self._count = count
        self._per = per
        self._made: deque[Ms] = deque()

    def wait(self, now: Ms, left_free: int = 0) -> Ms:
        """Milliseconds until one more call is within the budget less ``left_free``; 0 if it is now."""
        while self._made and self._made[0] <= now - self._per:
            self._made.popleft()
        over = len(self._made) - (self._count - left_free)
        return 0 if over < 0 else max(self._made[over] + self._per - now, 1)

    def note(self, now: Ms) -> None:
        self._made.append(now)


class RateBudget:
    """The budgets of all chats of one bot, and the pauses that Telegram asked for."""

    def __init__(self) -> None:
        self._overall = Window(*OVERALL)
        self._chats: dict[int, Window] = {}
        self._paused: dict[int, Ms] = {}
        """Until when, because Telegram asked for it."""
        self._away: dict[int, Ms] = {}
        """Until when, because the chat could not be reached."""

    def wait(self, chat_id: int, priority: PostPriority, now: Ms) -> Ms:
        """Milliseconds until a message, an edit or a topic may leave."""
        window = self._window(chat_id)
        return max(self._pause_left(chat_id, now), window.wait(now, _LEFT_FREE[priority]), self._overall.wait(now), 0)

    def wait_reaction(self, chat_id: int, now: Ms) -> Ms:
        """The same for a reaction: the chat's budget is not touched by it."""
        return max(self._pause_left(chat_id, now), self._overall.wait(now, _FOR_MESSAGES), 0)

    def note(self, chat_id: int, now: Ms) -> None:
        """A message, an edit or a topic left for this chat."""
        self._window(chat_id).note(now)
        self._overall.note(now)

    def note_reaction(self, now: Ms) -> None:
        self._overall.note(now)

    def pause(self, chat_id: int, now: Ms, length: Ms) -> None:
        """Telegram asked for it; other chats go on. A longer pause is kept."""
        self._paused[chat_id] = now + max(self._paused.get(chat_id, now) - now, length)

    def away(self, chat_id: int, now: Ms, length: Ms) -> None:
        """The chat cannot be reached: so long it is not tried, or until somebody knows better."""
        self._away[chat_id] = now + length

    def reached(self, chat_id: int) -> None:
        """What Telegram itself asked for is waited out all the same."""
        self._away.pop(chat_id, None)

    def _pause_left(self, chat_id: int, now: Ms) -> Ms:
        return max(self._paused.get(chat_id, now), self._away.get(chat_id, now), now) - now

    def _window(self, chat_id: int) -> Window:
        if chat_id not in self._chats:
            self._chats[chat_id] = Window(*(GROUP if chat_id < 0 else PRIVATE))
        return self._chats[chat_id]
