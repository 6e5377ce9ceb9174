"""The changes that the command line can make. They are the same whether a service runs or not."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from bridge.config import Settings
from bridge.errors import BridgeError
from bridge.model.base import SmsId
from bridge.model.sms import Change, Move, Sms, SmsState
from bridge.pipeline import compose
from bridge.pipeline.services import Services
from bridge.text import phones

BATCH = 500
"""How many restored SMS are read at a time."""


class CommandRefused(BridgeError):
    """The command cannot be carried out. The message says why and what to do."""


def account_of(settings: Settings, account: str) -> str:
    """The account with this name; without a name the only one. :raises CommandRefused: there is no such account."""
    names = list(settings.accounts)
    if not account and len(names) == 1:
        return names[0]
    if account in settings.accounts:
        return account
    given = f"there is no account {account!r} in {settings.file}" if account else "which account?"
    raise CommandRefused(f"{given}; configured: {', '.join(names)}")


def recipient_of(settings: Settings, to: str) -> str:
    """The number as it is stored. :raises CommandRefused: no SMS can be sent to it."""
    recipient = phones.normalise(to, settings.region)
    if not phones.can_be_answered(recipient, ()):
        raise CommandRefused(f"{to!r} is not a number that an SMS can be sent to: write it like +79001234567")
    return recipient


class Commands:
    """The changes that the command line can make, each as a method."""

    def __init__(self, *, settings: Settings, services: Services) -> None:
        self._settings = settings
        self._store = services.store
        self._clock = services.clock

    async def send(self, *, to: str, text: str, account: str, author: str, key: str = "") -> Sms:
        """Queue one SMS with a person's priority.

        A second call with the same ``key`` queues nothing and returns the first SMS.

        :raises CommandRefused: unknown account, a number that cannot get SMS, an empty text, or a key that was used for
            another number.
        """
        chosen = account_of(self._settings, account)
        recipient = recipient_of(self._settings, to)
        if not text.strip():
            raise CommandRefused("the text is empty; nothing was sent")
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
            # Its outcome would be taken for the outcome of this SMS.
            raise CommandRefused(f"the key {key!r} was used for SMS {row.id} to another number; nothing was sent")
        return row

    async def retry(self, sms_id: SmsId, *, author: str) -> Sms:
        """Send an SMS again, as a new row. :raises CommandRefused: the state of the row does not allow it."""
        old = await self._known(sms_id)
        if old.account not in self._settings.accounts:
            raise CommandRefused(
                f"SMS {sms_id} went by account {old.account!r}, which is not configured any more; send a new one"
            )
        new = await self._send_again(sms_id, author)
        if new is None:
            again = ", ".join(state for state in SmsState if state.can_be_sent_again)
            raise CommandRefused(f"SMS {sms_id} is {old.state}: only an SMS in one of these states goes again: {again}")
        return new

    async def abandon(self, sms_id: SmsId, *, author: str) -> Sms:
        """Leave an uncertain or parked SMS as it is, or cancel one that waits.

        :raises CommandRefused: the SMS is in another state.
        """
        old = await self._known(sms_id)
        move = Move.CANCEL if old.state.is_waiting else Move.ABANDON
        if not await self._store.move(sms_id, move, self._clock.now(), Change(author=author)):
            open_states = "draft, queued, uncertain and parked"
            raise CommandRefused(f"SMS {sms_id} is {old.state}: only {open_states} ones can be abandoned")
        return await self._known(sms_id)

    async def retry_restored(self, *, author: str) -> int:
        """Send again all SMS that are unknown because of a restored copy, oldest first. Returns how many.

        SMS whose account is not configured any more stay as they are.
        """

        async def again(sms: Sms) -> bool:
            return sms.account in self._settings.accounts and await self._send_again(sms.id, author) is not None

        return await self._each_restored(again)

    async def abandon_restored(self, *, author: str) -> int:
        """Leave all SMS that are unknown because of a restored copy as they are. Returns how many."""

        async def leave(sms: Sms) -> bool:
            return await self._store.move(sms.id, Move.ABANDON, self._clock.now(), Change(author=author))

        return await self._each_restored(leave)

    async def _each_restored(self, decide: Callable[[Sms], Awaitable[bool]]) -> int:
        decided, last = 0, SmsId(0)
        while rows := await self._store.restored_sms(after=last, limit=BATCH):
            # Started together, so that they share commits; the store writes them in the order of starting.
            decided += sum(await asyncio.gather(*(decide(sms) for sms in rows)))
            last = rows[-1].id
        return decided

    async def _send_again(self, sms_id: SmsId, author: str) -> Sms | None:
        return await self._store.send_again(sms_id, key=f"cli:again:{sms_id}", author=author, now=self._clock.now())

    async def _known(self, sms_id: SmsId) -> Sms:
        sms = await self._store.get_sms(sms_id)
        if sms is None:
            raise CommandRefused(f"there is no SMS {sms_id}; `sms-bridge queue list` shows the ids")
        return sms
