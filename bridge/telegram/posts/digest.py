"""What a team is told where more SMS wait than its group takes in a minute: how many, of how many numbers; once.

All of them are shown afterwards, and then the same message says so: an edit, which disturbs nobody. Until then nobody
wonders whether the bot is slow or the subscribers are silent.
"""

from __future__ import annotations

from bridge.ports.chats import PostStore
from bridge.ports.clock import Clock
from bridge.telegram.chats import Chat, Chats
from bridge.telegram.client.rate_limit import GROUP

MANY_TALKS = GROUP[0]
"""One message each at least: more than this takes longer than a minute."""
MANY_SMS = 20 * MANY_TALKS
"""The same for few subscribers who wrote very much: so many fill the messages of a minute."""


class BacklogDigest:
    """Of one chat. What is open is a row in the store; the flag only saves asking."""

    def __init__(self, store: PostStore, chats: Chats, clock: Clock) -> None:
        self._store = store
        self._chats = chats
        self._clock = clock
        self._open: bool | None = None
        """None: not known yet whether an earlier run opened one."""

    async def look(self, chat: Chat) -> None:
        addresses = self._chats.addresses(chat)
        talks, sms = await self._store.posts_ahead(addresses, talks=MANY_TALKS + 1, posts=MANY_SMS + 1)
        key, now = f"backlog:{chat.name}", self._clock.now()
        if talks > MANY_TALKS or sms > MANY_SMS:
            if self._open is not True:
                await self._store.open_backlog(key, addresses, chat.name, now)
                self._open = True
        elif not sms and self._open is not False:
            await self._store.close_backlog(key, now)
            self._open = False
