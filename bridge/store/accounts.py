"""Accounts on hold, their balance, and alerts that stand until their all-clear."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from bridge.model.alert import Alert
from bridge.model.answers import AccountState, Balance
from bridge.model.base import Ms
from bridge.store import locks, rows, sql
from bridge.store.repository import Writing
from bridge.store.transaction import Params, Tx
from bridge.store.work_posts import close_alert, open_alert


class AccountVerbs(Writing):
    async def account_state(self, account: str) -> AccountState:
        row = await self._readers.run(lambda tx: tx.one(sql.GET_ACCOUNT, {"account": account}))
        return AccountState(account=account) if row is None else rows.account_state(row)

    async def hold_account(self, account: str, *, reason: str, detail: str, now: Ms, probe_at: Ms) -> bool:
        hold: Params = {"account": account, "reason": reason, "detail": detail, "now": now, "probe_at": probe_at}
        return await self._writer.run(lambda tx: tx.run(sql.HOLD_ACCOUNT, hold) > 0)

    async def still_held(self, account: str, *, probe_at: Ms) -> None:
        probe: Params = {"account": account, "probe_at": probe_at}
        await self._writer.run(lambda tx: tx.run(sql.PROBE_ACCOUNT, probe))

    async def queued(self, account: str, *, limit: int) -> int:
        row = await self._readers.run(lambda tx: tx.one(sql.QUEUED_OF, {"account": account, "limit": limit}))
        return 0 if row is None else int(row["number"])

    async def release_account(self, account: str, now: Ms) -> bool:
        released: Params = {"account": account, "now": now}
        return await self._writer.run(lambda tx: tx.run(sql.RELEASE_ACCOUNT, released) > 0)

    async def note_balance(self, account: str, balance: Balance, now: Ms) -> None:
        noted: Params = {"account": account, "amount": balance.amount, "currency": balance.currency, "now": now}

        def unit(tx: Tx) -> None:
            tx.lock([locks.balance(account)])  # else what two bridges see at once was spent twice
            known = tx.one(sql.GET_ACCOUNT, {"account": account})
            before = known["balance"] if known is not None else None
            if before is not None and before > balance.amount:
                spent: Params = {"account": account, "day": _day(now), "amount": before - balance.amount}
                tx.run(sql.ADD_SPENT, spent)
            tx.run(sql.NOTE_BALANCE, noted)

        await self._writer.run(unit)

    async def spent_a_day(self, account: str, now: Ms) -> float | None:
        today = _date(now)
        week: Params = {"account": account, "from_day": (today - timedelta(days=7)).isoformat(), "to_day": _day(now)}
        row = await self._readers.run(lambda tx: tx.one(sql.SPENT, week))
        if row is None or not row["amount"]:
            return None
        # A day of that time without a row cost nothing; days before the first row were perhaps before all of this.
        return float(row["amount"] / (today - date.fromisoformat(row["first"])).days)

    async def note_contact(self, account: str, now: Ms) -> None:
        await self._writer.run(lambda tx: tx.run(sql.NOTE_CONTACT, {"account": account, "now": now}))

    async def raise_alert(self, alert: Alert, now: Ms) -> bool:
        return await self._writer.run(lambda tx: open_alert(tx, alert, now))

    async def clear_alert(self, key: str, text: str, params: dict[str, str | int | float], now: Ms) -> bool:
        return await self._writer.run(lambda tx: close_alert(tx, key, text, {**params}, now))


def _date(now: Ms) -> date:
    return datetime.fromtimestamp(now / 1000, UTC).date()


def _day(now: Ms) -> str:
    return _date(now).isoformat()
