"""Sending and delivery: claims the SMS that may leave next, and records their outcomes and delivery status."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.base import Ms, SmsId
from bridge.model.post import NewPost
from bridge.model.sms import Change, Move, NewSms, Sms, SmsState
from bridge.store import locks
from bridge.store.repositories.posting import DELIVERY_STATUS, DeliveryStatus, add_post, refresh_status
from bridge.store.repositories.sms import (
    ADD_EVENT,
    NO_CHANGE,
    Insertion,
    MoveRequest,
    add_event,
    apply_move,
    apply_moves,
    get_sms,
    insert_sms,
    release_if_caller_gone,
    sms_of_key,
)
from bridge.store.repository import Repository, read_all
from bridge.store.schema.tables import SMS
from bridge.store.schema.types import TEXT
from bridge.store.statement import Statement
from bridge.store.transaction import Params, Tx, storable

# In the order of sending, so a caller that stops early reads no more rows than it needs. A lane may appear once for
# each priority; the caller uses the first row and skips the others.
DUE_CANDIDATES = SMS.statement("""
SELECT id, recipient FROM sms AS s
WHERE account = :account AND state = 'queued' AND priority >= 0 AND due_at <= :now
  AND (expires_at IS NULL OR expires_at > :now)
  AND (
    SELECT 1 FROM sms AS b
    WHERE b.account = s.account AND b.recipient = s.recipient AND b.state = 'sending' LIMIT 1) IS NULL
  AND (
    SELECT 1 FROM sms AS e WHERE e.account = s.account AND e.recipient = s.recipient AND e.state = 'queued'
                             AND e.priority = s.priority AND e.id < s.id LIMIT 1) IS NULL
ORDER BY priority, id
""")

# Each lane may appear only once among the rows. The statement checks again that the lane is free, since the first check
# came before the lock, and that the row is due, since an edit may have postponed it.
# "|| ''" keeps the planner from searching for the id among all queued rows.
START_SMS = SMS.batch(
    "id, now, node",
    f"""
UPDATE sms SET state = 'sending', attempts = sms.attempts + 1, left_at = n.now, probed_at = NULL,
               sending_since = n.now, sent_by = n.node
FROM rows AS n
WHERE sms.id = n.id AND sms.state || '' = 'queued'
  AND sms.due_at <= n.now AND (sms.expires_at IS NULL OR sms.expires_at > n.now)
  AND (
    SELECT 1 FROM sms AS b
    WHERE b.account = sms.account AND b.recipient = sms.recipient AND b.state = 'sending' LIMIT 1) IS NULL
  AND (
    SELECT 1 FROM sms AS e WHERE e.account = sms.account AND e.recipient = sms.recipient AND e.state = 'queued'
                             AND e.priority = sms.priority AND e.id < sms.id LIMIT 1) IS NULL
RETURNING {SMS.of("sms")}
""",
    node=TEXT,
)

NEXT_DUE = SMS.statement(
    "SELECT min(due_at) AS due_at FROM sms WHERE account = :account AND state = 'queued' AND due_at >= 0"
)

EXPIRED_QUEUED = Statement("""
SELECT id FROM sms WHERE state = 'queued' AND expires_at IS NOT NULL AND expires_at <= :now
ORDER BY expires_at LIMIT :limit
""")

# The "sending" rows of nodes whose last report is so old that none of their requests can still be under way.
LOST_SENDING = Statement("""
SELECT id, sending_since AS began FROM sms WHERE state = 'sending' AND NOT EXISTS (
    SELECT 1 FROM node AS n WHERE n.id = sms.sent_by AND n.sends_until > :now)
ORDER BY account, recipient
""")

NOTE_PROBE = SMS.statement("""
UPDATE sms SET probed_at = :now, left_at = :now, attempts = attempts + 1
WHERE id = :id AND state = 'sending' AND probed_at IS NULL
RETURNING id
""")

IDENTICAL_SINCE = SMS.statement("""
SELECT max(left_at) AS left_at FROM sms
WHERE recipient = :recipient AND account = :account AND sender_name = :sender_name AND text = :text
  AND left_at >= :since AND id <> :id
""")

DUE_POLLS = SMS.statement(f"""
SELECT {SMS} FROM sms
WHERE account = :account AND state = 'sent' AND poll_at IS NOT NULL AND poll_at <= :now AND platform_ids <> '[]'
ORDER BY poll_at LIMIT :limit
""")

NOTE_STATUS = SMS.statement(f"""
UPDATE sms SET platform_status = :platform_status, poll_at = :poll_at, polls = :polls
WHERE id = :id AND state = 'sent'
RETURNING {DELIVERY_STATUS}
""")

POSTPONE_POLL = SMS.statement("UPDATE sms SET poll_at = :poll_at WHERE id = :id AND state = 'sent'")

_QUEUED, _SENDING = SmsState.QUEUED.value, SmsState.SENDING.value


class OutboxRepository(Repository):
    """Implements :class:`~bridge.ports.outbox.OutboxStore`."""

    async def enqueue(self, sms: NewSms, posts: Sequence[NewPost] = ()) -> Sms:
        now = self._clock.now()

        def unit(tx: Tx) -> Sms:
            tx.lock([locks.subscriber(sms.recipient)])
            written = insert_sms(tx, [Insertion(sms, now)])[0]
            if written is None:
                return _known(tx, sms.key)
            for post in posts:
                add_post(tx, post, now)
            return written

        return await self._writer.run(unit)

    async def claim_due(self, account: str, *, now: Ms, limit: int) -> Sequence[Sms]:
        return await self._writer.run(lambda tx: claim(tx, account, now, limit))

    async def next_due(self, account: str) -> Ms | None:
        row = await self._readers.run(lambda tx: tx.one(NEXT_DUE, {"account": account}))
        return None if row is None else row["due_at"]

    async def expire_queued(self, *, now: Ms, limit: int) -> Sequence[Sms]:
        def unit(tx: Tx) -> list[Sms]:
            expired = tx.all(EXPIRED_QUEUED, {"now": now, "limit": limit})
            over = Change(reason="ttl")
            return _move_all(tx, [MoveRequest(row["id"], Move.EXPIRE_WAITING, now, over) for row in expired])

        return await self._writer.run(unit)

    async def move(
        self,
        sms_id: SmsId,
        move: Move,
        now: Ms,
        change: Change = NO_CHANGE,
        *,
        began: Ms | None = None,
        ride: bool = False,
    ) -> bool:
        if move is Move.START:  # leaves a repair for this caller, so it must not be batched
            return await self._writer.run(lambda tx: apply_move(tx, sms_id, move, now, change))
        return await self._writer.run_batched(apply_moves, MoveRequest(sms_id, move, now, change, began), ride=ride)

    async def note_probe(self, sms_id: SmsId, now: Ms) -> bool:
        def unit(tx: Tx) -> bool:
            if tx.one(NOTE_PROBE, {"id": sms_id, "now": now}) is None:
                return False
            add_event(tx, sms_id, "probe", SmsState.SENDING, SmsState.SENDING, now)
            return True

        return await self._writer.run(unit)

    async def identical_since(self, sms: Sms, since: Ms) -> Ms | None:
        same: Params = {
            "id": sms.id,
            "account": sms.account,
            "recipient": sms.recipient,
            "sender_name": sms.sender_name,
            "text": sms.text,
            "since": since,
        }
        row = await self._readers.run(lambda tx: tx.one(IDENTICAL_SINCE, same))
        return None if row is None else row["left_at"]

    async def recover_sending(self, now: Ms) -> Sequence[Sms]:
        def unit(tx: Tx) -> list[Sms]:
            interrupted = Change(reason="interrupted")
            found = tx.all(LOST_SENDING, {"now": tx.now()})
            return _move_all(
                tx, [MoveRequest(row["id"], Move.LOSE_TRACK, now, interrupted, row["began"]) for row in found]
            )

        return await self._writer.run(unit)

    async def sms_of_key(self, key: str) -> Sms | None:
        return await self._readers.run(lambda tx: sms_of_key(tx, key))

    async def due_polls(self, account: str, *, now: Ms, limit: int) -> Sequence[Sms]:
        due: Params = {"account": account, "now": now, "limit": limit}
        return await self._readers.run(lambda tx: read_all(tx, SMS, DUE_POLLS, due))

    async def note_status(self, sms_id: SmsId, status: str, poll_at: Ms, polls: int) -> None:
        now = self._clock.now()
        noted: Params = {"id": sms_id, "platform_status": status, "poll_at": poll_at, "polls": polls}

        def unit(tx: Tx) -> None:
            before = get_sms(tx, sms_id)
            row = tx.one(NOTE_STATUS, noted)
            if before is not None and row is not None and before.platform_status != storable(status):
                add_event(tx, sms_id, "status", SmsState.SENT, SmsState.SENT, now, detail=status)
                refresh_status(tx, DeliveryStatus(*row), now)

        await self._writer.run(unit)

    async def postpone_poll(self, sms_id: SmsId, poll_at: Ms) -> None:
        await self._writer.run(lambda tx: tx.run(POSTPONE_POLL, {"id": sms_id, "poll_at": poll_at}))


def _known(tx: Tx, key: str) -> Sms:
    known = sms_of_key(tx, key)
    assert known is not None  # the insertion in this transaction has just found the key
    return known


def claim(tx: Tx, account: str, now: Ms, limit: int) -> list[Sms]:
    """Move up to ``limit`` due SMS of the account to ``sending``, one of each lane."""
    if limit <= 0:
        return []
    lanes = _Lanes(tx)
    for row in tx.each(DUE_CANDIDATES, {"account": account, "now": now}):
        lanes.add(row["recipient"], row["id"])
        if lanes.number == limit and lanes.lock() == limit:
            break
    lanes.lock()
    return _start(tx, list(lanes.locked.values()), now) if lanes.locked else []


class _Lanes:
    """Collects the first SMS of each lane. Skips the lanes that another node is claiming."""

    def __init__(self, tx: Tx) -> None:
        self.locked: dict[str, SmsId] = {}
        self._tx = tx
        self._seen: dict[str, SmsId] = {}
        self._skipped: set[str] = set()

    @property
    def number(self) -> int:
        """The number of lanes that are locked or not tried yet."""
        return len(self.locked) + len(self._seen)

    def add(self, recipient: str, sms_id: SmsId) -> None:
        if recipient not in self.locked and recipient not in self._skipped:
            self._seen.setdefault(recipient, sms_id)

    def lock(self) -> int:
        """Try to lock the lanes added since the last call; returns how many lanes are locked in all."""
        if self._seen:
            free = self._tx.lock_free(map(locks.subscriber, self._seen))
            for lane, sms_id in self._seen.items():
                if locks.subscriber(lane) in free:
                    self.locked[lane] = sms_id
                else:
                    self._skipped.add(lane)
            self._seen.clear()
        return len(self.locked)


def _start(tx: Tx, ids: Sequence[SmsId], now: Ms) -> list[Sms]:
    """Move the SMS from ``queued`` to ``sending`` with two statements for all of them. A long queue is sent this way.

    An SMS that came from a chat costs two statements more, for its delivery status.
    """
    started = [SMS.read(row) for row in tx.batch(START_SMS, [(sms_id, now, tx.node) for sms_id in ids])]
    tx.batch(ADD_EVENT, [(sms.id, now, Move.START.value, _QUEUED, _SENDING, "", "", "") for sms in started])
    for sms in started:
        release_if_caller_gone(tx, sms.key, sms.attempts, now)
        refresh_status(tx, DeliveryStatus.of(sms), now)
    return sorted(started, key=lambda sms: (sms.priority, sms.id))


def _move_all(tx: Tx, requests: Sequence[MoveRequest]) -> list[Sms]:
    made = apply_moves(tx, requests)
    moved = [get_sms(tx, request.sms_id) for request, done in zip(requests, made, strict=True) if done]
    return [sms for sms in moved if sms is not None]
