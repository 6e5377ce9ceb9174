"""Accounts on hold, their balance, and alerts that stand until their all-clear."""

from __future__ import annotations

from bridge.model import AccountState, Alert, Balance, Ms
from bridge.store import rows, sql
from bridge.store.base import Writing
from bridge.store.tx import Params, Tx
from bridge.store.work_posts import close_alert, open_alert


class AccountVerbs(Writing):
    async def account_state(self, account: str) -> AccountState:
        row = await self._readers.run(lambda tx: tx.one(sql.GET_ACCOUNT, {"account": account}))
        return AccountState(account=account) if row is None else rows.account_state(row)

    async def hold_account(self, account: str, *, reason: str, detail: str, now: Ms, probe_at: Ms) -> bool:
        hold: Params = {"account": account, "reason": reason, "detail": detail, "now": now, "probe_at": probe_at}

        def unit(tx: Tx) -> bool:
            row = tx.one(sql.HOLD_ACCOUNT, hold)
            return row is not None and row["probes"] == 0

        return await self._writer.run(unit)

    async def release_account(self, account: str, now: Ms) -> bool:
        released: Params = {"account": account, "now": now}
        return await self._writer.run(lambda tx: tx.run(sql.RELEASE_ACCOUNT, released) > 0)

    async def note_balance(self, account: str, balance: Balance, now: Ms) -> None:
        noted: Params = {"account": account, "amount": balance.amount, "currency": balance.currency, "now": now}
        await self._writer.run(lambda tx: tx.run(sql.NOTE_BALANCE, noted))

    async def note_contact(self, account: str, now: Ms) -> None:
        await self._writer.run(lambda tx: tx.run(sql.NOTE_CONTACT, {"account": account, "now": now}))

    async def raise_alert(self, alert: Alert, now: Ms) -> bool:
        return await self._writer.run(lambda tx: open_alert(tx, alert, now))

    async def clear_alert(self, key: str, text: str, params: dict[str, str | int | float], now: Ms) -> bool:
        return await self._writer.run(lambda tx: close_alert(tx, key, text, {**params}, now))
