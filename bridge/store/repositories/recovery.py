"""Corrects the store after a restore from a copy, and after the machine's clock was set.

After a copy was taken its store went on, so it may have done everything that still waits in the copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge.model.answers import SmsReason
from bridge.model.base import InboundId, Ms, SmsId
from bridge.model.post import NewPost
from bridge.model.record import LongestWaits, Restoration
from bridge.model.sms import Change, Move, Sms
from bridge.model.work import Work
from bridge.store import locks
from bridge.store.repositories.posting import add_post
from bridge.store.repositories.sms import MoveRequest, apply_moves
from bridge.store.repository import Repository, read_all, read_number, read_one
from bridge.store.schema.mapping import Table
from bridge.store.schema.tables import ACCOUNT_STATE, CHAT_POST, CONTACT, RESTORATION, SMS
from bridge.store.schema.types import INTEGER
from bridge.store.statement import Statement
from bridge.store.transaction import Params, Tx

MARK_COPY = RESTORATION.statement("INSERT INTO restoration (taken_at) VALUES (:taken_at)")
COPY_TAKEN = Statement("SELECT min(taken_at) AS taken_at FROM restoration WHERE restored_at IS NULL")
UNMARK_COPY = RESTORATION.statement("""
UPDATE restoration SET restored_at = :restored_at, last_inbound = :last_inbound, sms = :sms, inbound = :inbound,
                       updates = :updates
WHERE restored_at IS NULL
""")
LAST_RESTORED = Statement(
    f"SELECT {RESTORATION} FROM restoration WHERE restored_at IS NOT NULL ORDER BY id DESC LIMIT 1"
)

# The condition "state <> 'delivered'" follows from the states. It is there because the index of undelivered SMS needs
# it.
UNSENT = Statement(
    "SELECT id FROM sms WHERE state IN ('draft', 'queued', 'sending') AND state <> 'delivered' AND id > 0 ORDER BY id"
)
FOUND_IN_COPY = Statement("""
SELECT (SELECT max(id) FROM inbound) AS last_inbound,
       (SELECT count(*) FROM inbound WHERE state = 'new' AND id > 0) AS inbound,
       (SELECT count(*) FROM tg_update WHERE state = 'new') AS updates
""")
RESTORED_SMS = Statement(f"""
SELECT {SMS} FROM sms
WHERE state = 'uncertain' AND state <> 'delivered' AND id > 0 AND reason = 'restored' AND id > :after
ORDER BY id LIMIT :limit
""")

NEWEST_SMS = Statement("SELECT max(id) AS id FROM sms")


def _shift_statement(table: Table, column: str, state: str) -> Statement:
    """Make a statement that shifts one time of the rows in one state by ``:by``.

    A time up to ``:sooner`` (the earlier of the two clocks) is over by both clocks and is not changed. If the shifted
    time is after ``:latest``, the time becomes ``:now``.
    """
    return table.statement(
        f"""
UPDATE {table.name} SET {column} = CASE WHEN {column} + :by <= :latest THEN {column} + :by ELSE :now END
WHERE state = '{state}' AND {column} > :sooner
""",
        by=INTEGER,
        latest=INTEGER,
        sooner=INTEGER,
    )


SHIFT_QUEUED = _shift_statement(SMS, "due_at", "queued")
SHIFT_POLLS = _shift_statement(SMS, "poll_at", "sent")
SHIFT_POSTS = _shift_statement(CHAT_POST, "due_at", "waiting")

# A pause that was over by the old clock stays over. If a time is possible by both clocks, it is not known which of them
# wrote it.
SHIFT_TAKEOVERS = CONTACT.statement(
    """
UPDATE contact SET robot_paused_until = CASE
    WHEN robot_paused_until > :before AND robot_paused_until + :by <= :latest THEN robot_paused_until + :by
    WHEN robot_paused_until <= :latest THEN robot_paused_until
    WHEN robot_paused_until > :before THEN :latest
    ELSE :now END
WHERE robot_paused_until > :sooner AND robot_paused_until > 0
""",
    by=INTEGER,
    latest=INTEGER,
    sooner=INTEGER,
)

# Includes "sending", since such a row may come back into the queue.
SHIFT_EXPIRY = SMS.statement(
    """
UPDATE sms SET expires_at = expires_at + :by, due_at = CASE WHEN state = 'draft' THEN due_at + :by ELSE due_at END
WHERE state IN ('draft', 'queued', 'sending') AND state <> 'delivered' AND id > 0
  AND id > :since
""",
    by=INTEGER,
)

SHIFT_SENT = SMS.statement(
    """
UPDATE sms SET sent_at = sent_at + :by
WHERE state = 'sent' AND state <> 'delivered' AND id > 0 AND poll_at IS NOT NULL
  AND id > :since
""",
    by=INTEGER,
)

SHIFT_ACCOUNTS = ACCOUNT_STATE.statement(
    """
UPDATE account_state SET suspended_since = suspended_since + :by, probe_at = probe_at + :by,
                         balance_at = balance_at + :by
""",
    by=INTEGER,
)


class RecoveryRepository(Repository):
    """Implements :class:`~bridge.ports.recovery.RecoveryStore`."""

    async def settle_restored(self, now: Ms, tell: Callable[[Restoration], NewPost]) -> Restoration | None:
        return await self._writer.run(lambda tx: _settle(tx, now, tell))

    async def last_restored(self) -> Restoration | None:
        return await self._readers.run(_last_restored)

    async def restored_sms(self, *, after: SmsId, limit: int) -> Sequence[Sms]:
        page: Params = {"after": after, "limit": limit}
        return await self._readers.run(lambda tx: read_all(tx, SMS, RESTORED_SMS, page))

    async def newest_sms(self) -> SmsId:
        return SmsId(await self._readers.run(lambda tx: read_number(tx, NEWEST_SMS)))

    async def shift_waits(self, by: Ms, *, now: Ms, longest: LongestWaits, since: SmsId) -> None:
        await self._writer.run(lambda tx: _shift_waits(tx, by, now, longest, since))


def _last_restored(tx: Tx) -> Restoration | None:
    return read_one(tx, RESTORATION, LAST_RESTORED)


def last_in_copy(tx: Tx) -> InboundId:
    """The id of the newest message that came from a copy; 0 if the store was never restored from one."""
    restored = _last_restored(tx)
    return InboundId(0) if restored is None else restored.last_inbound


def _settle(tx: Tx, now: Ms, tell: Callable[[Restoration], NewPost]) -> Restoration | None:
    tx.lock([locks.RESTORATION])
    copy = tx.one(COPY_TAKEN)
    if copy is None or copy["taken_at"] is None:
        return None
    change = Change(reason=SmsReason.RESTORED)
    moved = apply_moves(tx, [MoveRequest(row["id"], Move.RESTORE, now, change) for row in tx.all(UNSENT)])
    found = tx.one(FOUND_IN_COPY)
    assert found is not None
    restored = Restoration(
        taken_at=copy["taken_at"],
        restored_at=now,
        last_inbound=InboundId(found["last_inbound"] or 0),
        sms=len(moved),
        inbound=found["inbound"],
        updates=found["updates"],
    )
    tx.run(UNMARK_COPY, _RESTORED.params(restored))
    add_post(tx, tell(restored), now)
    return restored


_RESTORED = RESTORATION.writer(Restoration, without=["taken_at"])


def _shift_waits(tx: Tx, by: Ms, now: Ms, longest: LongestWaits, since: SmsId) -> None:
    before = now - by
    tx.wake(Work.SMS)
    tx.wake(Work.POSTS)
    clocks: Params = {"by": by, "now": now, "sooner": min(now, before)}
    tx.run(SHIFT_QUEUED, {**clocks, "latest": now + longest.sms})
    tx.run(SHIFT_POLLS, {**clocks, "latest": now + longest.poll})
    tx.run(SHIFT_POSTS, {**clocks, "latest": now + longest.post})
    tx.run(SHIFT_TAKEOVERS, {**clocks, "latest": now + longest.takeover, "before": before})
    if by:
        tx.run(SHIFT_EXPIRY, {"by": by, "since": since})
        tx.run(SHIFT_SENT, {"by": by, "since": since})
        tx.run(SHIFT_ACCOUNTS, {"by": by})
