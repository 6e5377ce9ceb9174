"""The part of the store that knows the platform's accounts, and the alerts of the admin chat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bridge.model.alert import Alert
from bridge.model.answers import AccountState, Balance
from bridge.model.base import Json, Ms


class AccountStore(Protocol):
    async def account_state(self, account: str) -> AccountState:
        """The suspension and the balance of the account."""

    async def count_queued(self, account: str, *, limit: int) -> int:
        """The number of queued SMS of the account, counted up to ``limit``."""

    async def suspend_account(self, account: str, *, reason: str, detail: str, now: Ms, probe_at: Ms) -> bool:
        """Suspend sending by the account. Returns False and changes nothing if it is suspended already."""

    async def postpone_probe(self, account: str, *, probe_at: Ms) -> None:
        """Set when to ask the platform again about a suspended account.

        The last probe found that it still cannot send.
        """

    async def resume_account(self, account: str, now: Ms) -> bool:
        """End the suspension. Returns False if there is none."""

    async def note_balance(self, account: str, balance: Balance, now: Ms) -> None:
        """Store the balance. The amount by which it fell counts as spent today."""

    async def spent_a_day(self, account: str, now: Ms) -> float | None:
        """The average amount spent on a full day of the last week.

        None if no such day is known, or nothing was spent.
        """

    async def note_answer(self, account: str, now: Ms) -> None:
        """Store when the platform last answered anything."""

    async def raise_alert(self, alert: Alert, now: Ms) -> bool:
        """Open the alert and write its post for the admin chat. Returns False if an alert with this key is open."""

    async def clear_alert(self, key: str, text: str, params: Mapping[str, Json], now: Ms) -> bool:
        """Close the alert and post the all-clear ``text``.

        Returns False and writes nothing if the alert is not open.
        """
