"""What a person may order from the command line; the same verbs whether a service runs or not."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Protocol

from bridge.config import Settings
from bridge.errors import BridgeError
from bridge.model.base import SmsId
from bridge.model.sms import Change, Move, Sms
from bridge.pipeline import compose
from bridge.pipeline.signals import Signals
from bridge.ports.clock import Clock
from bridge.ports.desk import DeskStore
from bridge.ports.record import RestoreStore
from bridge.ports.sending import OutboxStore
from bridge.text import phones

BULK = 500
"""SMS decided about at a time."""


class CommandStore(OutboxStore, DeskStore, RestoreStore, Protocol):
    """What the orders write."""


class Refused(BridgeError):
    """The order cannot be carried out; says why and what to do."""


def account_of(settings: Settings, account: str) -> str:
    """The account that is meant; the only one needs no name. :raises Refused:"""
    names = list(settings.accounts)
    if not account and len(names) == 1:
        return names[0]
    if account in settings.accounts:
        return account
    given = f"there is no account {account!r} in {settings.file}" if account else "which account?"
    raise Refused(f"{given}; configured: {', '.join(names)}")


def recipient_of(settings: Settings, to: str) -> str:
    """The number as it is kept. :raises Refused: nobody can be reached by it."""
    recipient = phones.normalise(to, settings.region)
    if not phones.answerable(recipient, ()):
        raise Refused(f"{to!r} is not a number that an SMS can be sent to: write it like +79001234567")
    return recipient


class Commands:
    def __init__(self, *, settings: Settings, store: CommandStore, signals: Signals, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._signals = signals
        self._clock = clock

    async def send(self, *, to: str, text: str, account: str, author: str, key: str = "") -> Sms:
        """Queue one SMS with a person's priority. The same ``key`` twice is one SMS.

        :raises Refused: no such account, a number nobody can be reached by, an empty text, another number's key.
        """
        chosen = account_of(self._settings, account)
        recipient = recipient_of(self._settings, to)
        if not text.strip():
            raise Refused("the text is empty; nothing was sent")
        now = self._clock.now()
        sms = compose.command_sms(
            self._settings,
            chosen,
            recipient=recipient,
            text=text,
            key=f"cli:{key or secrets.token_hex(8)}",
            author=author,
            now=now,
        )
        row = await self._store.enqueue(sms)
        if row.recipient != recipient:
            # What became of that one would be taken for what becomes of this.
            raise Refused(f"the key {key!r} was used for SMS {row.id} to another number; nothing was sent")
        self._signals.sms.set()
        return row

    async def retry(self, sms_id: SmsId, *, author: str) -> Sms:
        """Send again as a new row. :raises Refused: the row's state does not allow it (any more)."""
        old = await self._known(sms_id)
        if old.account not in self._settings.accounts:
            raise Refused(
                f"SMS {sms_id} went by account {old.account!r}, which is not configured any more; send a new one"
            )
        key = f"cli:again:{sms_id}"
        new = await self._store.send_again(sms_id, key=key, author=author, now=self._clock.now())
        if new is None:
            raise Refused(
                f"SMS {sms_id} is {old.state}: only uncertain, parked, failed, undelivered or stale ones go again"
            )
        self._signals.sms.set()
        self._signals.posts.set()
        return new

    async def abandon(self, sms_id: SmsId, *, author: str) -> Sms:
        """Leave an unknown or parked SMS as it is; take a waiting one off the queue. :raises Refused:"""
        old = await self._known(sms_id)
        move = Move.CANCEL if old.state.is_waiting else Move.ABANDON
        if not await self._store.move(sms_id, move, self._clock.now(), Change(author=author)):
            raise Refused(f"SMS {sms_id} is {old.state}: only queued, uncertain and parked ones can be abandoned")
        self._signals.posts.set()
        self._signals.sms.set()
        return await self._known(sms_id)

    async def retry_restored(self, *, author: str) -> int:
        """Send again all that a restored copy left unknown, oldest first; how many SMS that makes.

        What went by an account that is not configured any more stays as it is.
        """

        async def again(sms: Sms) -> bool:
            if sms.account not in self._settings.accounts:
                return False
            key = f"cli:again:{sms.id}"
            return await self._store.send_again(sms.id, key=key, author=author, now=self._clock.now()) is not None

        return await self._each_restored(again)

    async def abandon_restored(self, *, author: str) -> int:
        """Leave as it is all that a restored copy left unknown; how many SMS that were."""

        async def leave(sms: Sms) -> bool:
            return await self._store.move(sms.id, Move.ABANDON, self._clock.now(), Change(author=author))

        return await self._each_restored(leave)

    async def _each_restored(self, decide: Callable[[Sms], Awaitable[bool]]) -> int:
        decided, last = 0, SmsId(0)
        while rows := await self._store.restored_sms(after=last, limit=BULK):
            # Handed in together, so that they share commits; the store writes them in the order of handing in.
            decided += sum(await asyncio.gather(*(decide(sms) for sms in rows)))
            last = rows[-1].id
        self._signals.sms.set()
        self._signals.posts.set()
        return decided

    async def _known(self, sms_id: SmsId) -> Sms:
        sms = await self._store.get_sms(sms_id)
        if sms is None:
            raise Refused(f"there is no SMS {sms_id}; `sms-bridge queue list` shows the ids")
        return sms
