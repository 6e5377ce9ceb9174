"""Sending and delivery: which row may leave next, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.base import Ms, SmsId
from bridge.model.post import NewPost
from bridge.model.sms import Change, Move, NewSms, Sms, SmsState
from bridge.store import locks, rows, sql
from bridge.store.repository import Writing
from bridge.store.transaction import Params, Tx, storable
from bridge.store.work_posts import add_post
from bridge.store.work_sms import (
    NO_CHANGE,
    Birth,
    Fate,
    Moving,
    add_event,
    apply_move,
    apply_moves,
    get_sms,
    insert_sms,
    refresh_status,
    release_if_caller_gone,
    sms_of_key,
)

_QUEUED, _SENDING = SmsState.QUEUED.value, SmsState.SENDING.value


class OutboxVerbs(Writing):
    async def enqueue(self, sms: NewSms, posts: Sequence[NewPost] = ()) -> Sms:
        now = self._clock.now()

        def unit(tx: Tx) -> Sms:
            tx.lock([locks.subscriber(sms.recipient)])
            written = insert_sms(tx, [Birth(sms, now)])[0]
            if written is None:
                return _known(tx, sms.key)
            for post in posts:
                add_post(tx, post, now)
            return written

        return await self._writer.run(unit)

    async def claim_due(self, account: str, *, now: Ms, limit: int) -> Sequence[Sms]:
        return await self._writer.run(lambda tx: _claim(tx, account, now, limit))

    async def next_due(self, account: str) -> Ms | None:
        row = await self._readers.run(lambda tx: tx.one(sql.NEXT_DUE, {"account": account}))
        return None if row is None else row["due_at"]

    async def expire_queued(self, *, now: Ms, limit: int) -> Sequence[Sms]:
        def unit(tx: Tx) -> list[Sms]:
            expired = tx.all(sql.EXPIRED_QUEUED, {"now": now, "limit": limit})
            over = Change(reason="ttl")
            return _move_all(tx, [Moving(row["id"], Move.EXPIRE_WAITING, now, over) for row in expired])

        return await self._writer.run(unit)

    async def move(
        self, sms_id: SmsId, move: Move, now: Ms, change: Change = NO_CHANGE, *, began: Ms | None = None
    ) -> bool:
        if move is Move.START:  # leaves a repair, which is this caller's alone
            return await self._writer.run(lambda tx: apply_move(tx, sms_id, move, now, change))
        return await self._writer.run_batched(apply_moves, Moving(sms_id, move, now, change, began))

    async def note_probe(self, sms_id: SmsId, now: Ms) -> bool:
        def unit(tx: Tx) -> bool:
            if tx.one(sql.NOTE_PROBE, {"id": sms_id, "now": now}) is None:
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
        row = await self._readers.run(lambda tx: tx.one(sql.IDENTICAL_SINCE, same))
        return None if row is None else row["left_at"]

    async def recover_sending(self, now: Ms) -> Sequence[Sms]:
        def unit(tx: Tx) -> list[Sms]:
            interrupted = Change(reason="interrupted")
            found = tx.all(sql.LOST_SENDING, {"now": tx.now()})
            return _move_all(tx, [Moving(row["id"], Move.LOSE_TRACK, now, interrupted, row["began"]) for row in found])

        return await self._writer.run(unit)

    async def get_sms(self, sms_id: SmsId) -> Sms | None:
        return await self._readers.run(lambda tx: get_sms(tx, sms_id))

    # ------------------------------------------------------------ delivery

    async def due_polls(self, account: str, *, now: Ms, limit: int) -> Sequence[Sms]:
        due: Params = {"account": account, "now": now, "limit": limit}
        return [rows.sms(row) for row in await self._readers.run(lambda tx: tx.all(sql.DUE_POLLS, due))]

    async def note_status(self, sms_id: SmsId, word: str, poll_at: Ms, polls: int) -> None:
        now = self._clock.now()

        def unit(tx: Tx) -> None:
            before = get_sms(tx, sms_id)
            row = tx.one(sql.NOTE_STATUS, {"id": sms_id, "word": word, "poll_at": poll_at, "polls": polls})
            if before is not None and row is not None and before.platform_status != storable(word):
                add_event(tx, sms_id, "status", SmsState.SENT, SmsState.SENT, now, detail=word)
                refresh_status(tx, Fate(*row), now)

        await self._writer.run(unit)

    async def postpone_poll(self, sms_id: SmsId, poll_at: Ms) -> None:
        await self._writer.run(lambda tx: tx.run(sql.POSTPONE_POLL, {"id": sms_id, "poll_at": poll_at}))


def _known(tx: Tx, key: str) -> Sms:
    known = sms_of_key(tx, key)
    assert known is not None  # the same transaction has just met this key
    return known


def _claim(tx: Tx, account: str, now: Ms, limit: int) -> list[Sms]:
    if limit <= 0:
        return []
    lanes = _Lanes(tx)
    for row in tx.each(sql.DUE_CANDIDATES, {"account": account, "now": now}):
        lanes.see(row["recipient"], row["id"])
        if lanes.number == limit and lanes.hold() == limit:
            break
    lanes.hold()
    return _start(tx, list(lanes.held.values()), now) if lanes.held else []


class _Lanes:
    """The first SMS of each lane; lanes that another bridge claims at this moment are passed over."""

    def __init__(self, tx: Tx) -> None:
        self.held: dict[str, SmsId] = {}
        self._tx = tx
        self._seen: dict[str, SmsId] = {}
        self._passed: set[str] = set()

    @property
    def number(self) -> int:
        """Of lanes that are held or may be."""
        return len(self.held) + len(self._seen)

    def see(self, recipient: str, sms_id: SmsId) -> None:
        if recipient not in self.held and recipient not in self._passed:
            self._seen.setdefault(recipient, sms_id)

    def hold(self) -> int:
        """Try those that were seen; how many are held now."""
        if self._seen:
            free = self._tx.lock_free(map(locks.subscriber, self._seen))
            for lane, sms_id in self._seen.items():
                if locks.subscriber(lane) in free:
                    self.held[lane] = sms_id
                else:
                    self._passed.add(lane)
            self._seen.clear()
        return len(self.held)


def _start(tx: Tx, ids: Sequence[SmsId], now: Ms) -> list[Sms]:
    """``queued`` → ``sending`` in three statements for all of them: what waits in a long queue is sent this way."""
    started = [rows.sms(row) for row in tx.batch(sql.START_SMS, [(sms_id, now, tx.bridge) for sms_id in ids])]
    tx.batch(sql.ADD_EVENT, [(sms.id, now, Move.START.value, _QUEUED, _SENDING, "", "", "") for sms in started])
    for sms in started:
        release_if_caller_gone(tx, sms.key, sms.attempts, now)
        refresh_status(tx, Fate.of(sms), now)
    return sorted(started, key=lambda sms: (sms.priority, sms.id))


def _move_all(tx: Tx, movings: Sequence[Moving]) -> list[Sms]:
    made = apply_moves(tx, movings)
    moved = [get_sms(tx, moving.sms_id) for moving, done in zip(movings, made, strict=True) if done]
    return [sms for sms in moved if sms is not None]
