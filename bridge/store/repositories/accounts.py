"""The state of each account (suspension, balance), and alerts that stay open until their all-clear."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from bridge.model.alert import Alert
from bridge.model.answers import AccountState, Balance
from bridge.model.base import Json, Ms
from bridge.store import locks
from bridge.store.repositories.alerts import clear_alert, open_alert
from bridge.store.repository import Repository, read_number, read_one
from bridge.store.schema.tables import ACCOUNT_STATE, BALANCE_SPENT, SMS
from bridge.store.schema.types import TEXT
from bridge.store.transaction import Params, Tx

GET_ACCOUNT = ACCOUNT_STATE.statement(f"SELECT {ACCOUNT_STATE} FROM account_state WHERE account = :account")

# Does nothing if the account is suspended already. So only the suspension of a free account sets "probes" back to 0.
SUSPEND_ACCOUNT = ACCOUNT_STATE.statement("""
INSERT INTO account_state (account, suspended_reason, suspended_detail, suspended_since, probe_at)
VALUES (:account, :suspended_reason, :suspended_detail, :suspended_since, :probe_at)
ON CONFLICT (account) DO UPDATE SET
    suspended_reason = excluded.suspended_reason, suspended_detail = excluded.suspended_detail,
    suspended_since = excluded.suspended_since,
    probe_at = excluded.probe_at, probes = 0
WHERE account_state.suspended_since IS NULL
""")

PROBE_ACCOUNT = ACCOUNT_STATE.statement("""
UPDATE account_state SET probes = probes + 1, probe_at = :probe_at
WHERE account = :account AND suspended_since IS NOT NULL
""")

RELEASE_ACCOUNT = ACCOUNT_STATE.statement("""
UPDATE account_state SET suspended_reason = '', suspended_detail = '', suspended_since = NULL, probe_at = NULL,
                         probes = 0, last_answer_at = :now
WHERE account = :account AND suspended_since IS NOT NULL
""")

NOTE_BALANCE = ACCOUNT_STATE.statement("""
INSERT INTO account_state (account, balance, currency, balance_at, last_answer_at)
VALUES (:account, :balance, :currency, :now, :now)
ON CONFLICT (account) DO UPDATE SET balance = excluded.balance, currency = excluded.currency,
    balance_at = excluded.balance_at, last_answer_at = excluded.last_answer_at
""")

NOTE_ANSWER = ACCOUNT_STATE.statement("""
INSERT INTO account_state (account, last_answer_at) VALUES (:account, :now)
ON CONFLICT (account) DO UPDATE SET last_answer_at = excluded.last_answer_at
""")

ADD_SPENT = BALANCE_SPENT.statement("""
INSERT INTO balance_spent (account, day, amount) VALUES (:account, :day, :amount)
ON CONFLICT (account, day) DO UPDATE SET amount = balance_spent.amount + excluded.amount
""")

SPENT = BALANCE_SPENT.statement(
    """
SELECT sum(amount) AS amount, min(day) AS first FROM balance_spent
WHERE account = :account AND day >= :from_day AND day < :to_day
""",
    from_day=TEXT,
    to_day=TEXT,
)

# Stops counting at a limit, so that it costs the same however many SMS wait.
COUNT_QUEUED = SMS.statement("""
SELECT count(*) AS number FROM (
    SELECT 1 FROM sms WHERE account = :account AND state = 'queued' AND priority >= 0 LIMIT :limit) AS q
""")


class AccountRepository(Repository):
    """Implements :class:`~bridge.ports.accounts.AccountStore`."""

    async def account_state(self, account: str) -> AccountState:
        known = await self._readers.run(lambda tx: read_one(tx, ACCOUNT_STATE, GET_ACCOUNT, {"account": account}))
        return known or AccountState(account=account)

    async def count_queued(self, account: str, *, limit: int) -> int:
        return await self._readers.run(lambda tx: read_number(tx, COUNT_QUEUED, {"account": account, "limit": limit}))

    async def suspend_account(self, account: str, *, reason: str, detail: str, now: Ms, probe_at: Ms) -> bool:
        suspended: Params = {
            "account": account,
            "suspended_reason": reason,
            "suspended_detail": detail,
            "suspended_since": now,
            "probe_at": probe_at,
        }
        return await self._writer.run(lambda tx: tx.run(SUSPEND_ACCOUNT, suspended) > 0)

    async def postpone_probe(self, account: str, *, probe_at: Ms) -> None:
        probe: Params = {"account": account, "probe_at": probe_at}
        await self._writer.run(lambda tx: tx.run(PROBE_ACCOUNT, probe))

    async def resume_account(self, account: str, now: Ms) -> bool:
        released: Params = {"account": account, "now": now}
        return await self._writer.run(lambda tx: tx.run(RELEASE_ACCOUNT, released) > 0)

    async def note_balance(self, account: str, balance: Balance, now: Ms) -> None:
        noted: Params = {"account": account, "balance": balance.amount, "currency": balance.currency, "now": now}

        def unit(tx: Tx) -> None:
            tx.lock([locks.balance(account)])  # without it, an expense that two nodes see at once would count twice
            known = read_one(tx, ACCOUNT_STATE, GET_ACCOUNT, {"account": account})
            before = None if known is None else known.balance
            if before is not None and before > balance.amount:
                spent: Params = {"account": account, "day": _day(now), "amount": before - balance.amount}
                tx.run(ADD_SPENT, spent)
            tx.run(NOTE_BALANCE, noted)

        await self._writer.run(unit)

    async def spent_a_day(self, account: str, now: Ms) -> float | None:
        today = _date(now)
        week: Params = {"account": account, "from_day": (today - timedelta(days=7)).isoformat(), "to_day": _day(now)}
        row = await self._readers.run(lambda tx: tx.one(SPENT, week))
        if row is None or not row["amount"]:
            return None
        # After the first day with a row, a day without one cost nothing. The days before it do not count: perhaps the
        # account was not watched yet.
        return float(row["amount"] / (today - date.fromisoformat(row["first"])).days)

    async def note_answer(self, account: str, now: Ms) -> None:
        await self._writer.run(lambda tx: tx.run(NOTE_ANSWER, {"account": account, "now": now}))

    async def raise_alert(self, alert: Alert, now: Ms) -> bool:
        return await self._writer.run(lambda tx: open_alert(tx, alert, now))

    async def clear_alert(self, key: str, text: str, params: Mapping[str, Json], now: Ms) -> bool:
        return await self._writer.run(lambda tx: clear_alert(tx, key, text, params, now))


def _date(now: Ms) -> date:
    return datetime.fromtimestamp(now / 1000, UTC).date()


def _day(now: Ms) -> str:
    return _date(now).isoformat()
