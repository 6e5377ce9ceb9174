"""The store's verbs for SMS that go out, for accounts and for time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridge.model.alert import Alert
from bridge.model.answers import AccountState, Balance
from bridge.model.base import Ms, SmsId
from bridge.model.post import NewPost
from bridge.model.record import LongestWaits
from bridge.model.sms import Change, Move, NewSms, Sms


class OutboxStore(Protocol):
    async def enqueue(self, sms: NewSms, posts: Sequence[NewPost] = ()) -> Sms:
        """Write one SMS and its posts; with a key that exists already, return that row and write nothing."""

    async def claim_due(self, account: str, *, now: Ms, limit: int) -> Sequence[Sms]:
        """Move up to ``limit`` due rows ``queued`` → ``sending`` and return them (attempts counted).

        A lane is (account, recipient). At most one row a lane; none where the lane has a row in ``sending``; none
        that has an earlier ``queued`` row of its own priority in the lane, due or not; expired rows not at all.
        Order: priority, then id.
        """

    async def next_due(self, account: str) -> Ms | None:
        """The earliest ``due_at`` of a queued row of the account, or None."""

    async def expire_queued(self, *, now: Ms, limit: int) -> Sequence[Sms]:
        """Move ``queued`` rows whose ``expires_at`` has come to ``stale`` and return them."""

    async def move(self, sms_id: SmsId, move: Move, now: Ms, change: Change = ..., *, began: Ms | None = None) -> bool:
        """Compare-and-set: make the move if the row is in one of its source states, else return False.

        ``began``: only if it is still the attempt with this ``sending_since``. What one attempt came to must not move
        the next, which may be another bridge's.

        Writes ``change`` and its posts with it, stamps ``sent_at``/``final_at``/``sending_since``, logs it in the
        row's history, and renews the ``fate`` post of a row that has an operator's message. All in one transaction.
        """

    async def note_probe(self, sms_id: SmsId, now: Ms) -> bool:
        """Record, before it leaves, that a ``sending`` row's request is repeated once (a probe). False: not allowed."""

    async def identical_since(self, sms: Sms, since: Ms) -> Ms | None:
        """When another row with the same account, recipient, sender name and text last left since then, or None."""

    async def recover_sending(self, now: Ms) -> Sequence[Sms]:
        """Every ``sending`` row whose bridge is gone becomes ``uncertain`` (reason ``interrupted``); returns them.

        At start, and where several bridges share the store again and again."""

    async def get_sms(self, sms_id: SmsId) -> Sms | None: ...


class DeliveryStore(Protocol):
    async def due_polls(self, account: str, *, now: Ms, limit: int) -> Sequence[Sms]:
        """``sent`` rows with an id whose ``poll_at`` has come, oldest due first."""

    async def note_status(self, sms_id: SmsId, word: str, poll_at: Ms, polls: int) -> None:
        """A non-final answer: keep the word (as it came) and when to ask again; renews the fate if the word changed."""

    async def postpone_poll(self, sms_id: SmsId, poll_at: Ms) -> None:
        """No usable answer: nothing changes but the time of the next question."""


class AccountStore(Protocol):
    async def queued(self, account: str, *, limit: int) -> int:
        """How many SMS of the account wait to leave, counted no further than ``limit``."""

    async def account_state(self, account: str) -> AccountState: ...

    async def suspend_account(self, account: str, *, reason: str, detail: str, now: Ms, probe_at: Ms) -> bool:
        """Hold the account's queue. False, and nothing changes, where it is held already: another met it first."""

    async def postpone_probe(self, account: str, *, probe_at: Ms) -> None:
        """A held account was asked whether it is well again, and is not: when to ask again."""

    async def resume_account(self, account: str, now: Ms) -> bool:
        """True if it was held."""

    async def note_balance(self, account: str, balance: Balance, now: Ms) -> None:
        """Keep it; what it fell by was spent today."""

    async def spent_a_day(self, account: str, now: Ms) -> float | None:
        """By the last week's full days; None where none is known, or nothing was spent."""

    async def note_contact(self, account: str, now: Ms) -> None:
        """The platform answered something."""

    async def raise_alert(self, alert: Alert, now: Ms) -> bool:
        """Open the alert and write its post in the admin chat, unless one with this key is open. True if opened."""

    async def clear_alert(self, key: str, text: str, params: dict[str, str | int | float], now: Ms) -> bool:
        """Close it and post the all-clear ``text``; False (and nothing written) if it is not open."""


class ClockStore(Protocol):
    """For when the machine's clock was set."""

    async def newest_sms(self) -> SmsId:
        """The highest id of an SMS, 0 without one: what this run writes lies above."""

    async def shift_waits(self, by: Ms, *, now: Ms, longest: LongestWaits, since: SmsId) -> None:
        """The clock that shows ``now`` showed ``now - by`` until now: all that waits goes on waiting as long as it
        would have, but no longer than ``longest``. With ``by=0`` only the latter.

        Deadlines (``expires_at``, and ``sent_at``, from which the patience with a status counts) move along for SMS
        above the id ``since`` alone: only of those is it known that the same clock wrote them.
        """
