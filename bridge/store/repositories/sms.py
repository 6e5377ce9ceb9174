"""Outbound SMS: insertion, moves, history, and the status that operators see.

Functions on a transaction, which routing, sending, delivery and operators' actions use. All changes of a state are made
here, except one: :mod:`bridge.store.repositories.outbox` starts the SMS that it claims.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bridge.errors import StoreError
from bridge.model.base import ConversationId, Ms, SmsId
from bridge.model.sms import MOVES, Change, Move, NewSms, Sms, SmsState
from bridge.model.work import Work
from bridge.store.batch import conflict_free_batches
from bridge.store.repositories.conversations import note_answered
from bridge.store.repositories.posting import DELIVERY_STATUS, DeliveryStatus, Posting, add_posts, refresh_status
from bridge.store.repository import read_one
from bridge.store.schema.mapping import to_json
from bridge.store.schema.tables import SMS, SMS_EVENT
from bridge.store.schema.types import INTEGER, TEXT, ParamRow
from bridge.store.transaction import Tx, storable

NO_CHANGE = Change()
_SINGLE_SOURCE = {move: next(iter(sources)) for move, (sources, _) in MOVES.items() if len(sources) == 1}
"""Move → its source state, for moves with only one. For these the row need not be read first."""
_NEW_SMS = SMS.writer(NewSms, without=["state", "conversation_id"])

# A row is inserted as "queued" instead of "sending" if its lane is sending, or if the lane has queued rows with the
# same or a more urgent priority. A key may appear only once among the rows.
INSERT_SMS = SMS.batch(
    f"{_NEW_SMS}, wanted_state, conversation_id, created_at, lane_taken, node",
    f""", inserted AS MATERIALIZED (
    SELECT rows.*, CASE
        WHEN wanted_state = 'sending' AND lane_taken = 1 THEN 'queued'
        WHEN wanted_state = 'sending' AND (
            SELECT 1 FROM sms AS s
            WHERE s.account = rows.account AND s.recipient = rows.recipient AND s.state = 'sending'
            LIMIT 1) IS NOT NULL THEN 'queued'
        WHEN wanted_state = 'sending' AND (
            SELECT 1 FROM sms AS s
            WHERE s.account = rows.account AND s.recipient = rows.recipient AND s.state = 'queued'
              AND s.priority <= rows.priority LIMIT 1) IS NOT NULL THEN 'queued'
        ELSE wanted_state END AS state
    FROM rows)
INSERT INTO sms ({_NEW_SMS}, state, conversation_id, created_at, attempts, sending_since, left_at, sent_by)
SELECT {_NEW_SMS.of("n")}, n.state, n.conversation_id, n.created_at,
       CASE WHEN n.state = 'sending' THEN 1 ELSE 0 END,
       CASE WHEN n.state = 'sending' THEN n.created_at END,
       CASE WHEN n.state = 'sending' THEN n.created_at END,
       CASE WHEN n.state = 'sending' THEN n.node ELSE '' END
FROM inserted AS n WHERE true
ON CONFLICT (key) DO NOTHING
RETURNING {SMS}
""",
    wanted_state=TEXT,
    lane_taken=INTEGER,
    node=TEXT,
)

GET_SMS = SMS.statement(f"SELECT {SMS} FROM sms WHERE id = :id")
GET_SMS_BY_KEY = SMS.statement(f"SELECT {SMS} FROM sms WHERE key = :key")

# Makes a move. from_state is the state that the caller knows, so a row that has moved meanwhile is not changed. began
# does the same for a row that came back to this state by another attempt. An id may appear only once among the rows.
MOVE_SMS = SMS.batch(
    "id, from_state, to_state, now, reason, detail, due_at, platform_ids, platform_status, poll_at, polls, started,"
    " sent_at, final_at, began, node",
    f"""
UPDATE sms SET
    state = n.to_state,
    reason = COALESCE(n.reason, sms.reason),
    detail = COALESCE(n.detail, sms.detail),
    due_at = COALESCE(n.due_at, sms.due_at),
    platform_ids = COALESCE(n.platform_ids, sms.platform_ids),
    platform_status = COALESCE(n.platform_status, sms.platform_status),
    polls = COALESCE(n.polls, sms.polls),
    poll_at = CASE WHEN n.final_at IS NULL THEN COALESCE(n.poll_at, sms.poll_at) END,
    attempts = sms.attempts + n.started,
    left_at = CASE WHEN n.started = 1 THEN n.now ELSE sms.left_at END,
    probed_at = CASE WHEN n.started = 1 THEN NULL ELSE sms.probed_at END,
    sending_since = CASE WHEN n.started = 1 THEN n.now WHEN n.to_state = 'queued' THEN NULL ELSE sms.sending_since END,
    sent_by = CASE WHEN n.started = 1 THEN n.node ELSE sms.sent_by END,
    sent_at = COALESCE(n.sent_at, sms.sent_at),
    final_at = COALESCE(n.final_at, sms.final_at)
FROM rows AS n
WHERE sms.id = n.id AND sms.state = n.from_state AND (n.began IS NULL OR sms.sending_since = n.began)
RETURNING {DELIVERY_STATUS}, sms.key, sms.attempts
""",
    SMS_EVENT,
    started=INTEGER,
    began=INTEGER,
    node=TEXT,
)

# Queues a row again if its caller never learned that it may send. The conditions identify the start: the repair may run
# twice, and another node may have started the row again with the same number of attempts.
RELEASE_SMS = SMS.statement(
    f"""
UPDATE sms SET state = 'queued', sending_since = NULL, attempts = attempts - 1
WHERE key = :key AND state = 'sending' AND attempts = :attempts AND sending_since = :began AND sent_by = :node
RETURNING {DELIVERY_STATUS}
""",
    began=INTEGER,
    node=TEXT,
)

ADD_EVENT = SMS_EVENT.batch(
    "sms_id, at, move, from_state, to_state, reason, detail, author",
    """
INSERT INTO sms_event (sms_id, at, move, from_state, to_state, reason, detail, author)
SELECT n.sms_id, n.at, n.move, n.from_state, n.to_state, n.reason, n.detail, n.author FROM rows AS n
""",
)


def get_sms(tx: Tx, sms_id: SmsId) -> Sms | None:
    """The SMS with this id, or None."""
    return read_one(tx, SMS, GET_SMS, {"id": sms_id})


def sms_of_key(tx: Tx, key: str) -> Sms | None:
    """The SMS with this key, or None."""
    return read_one(tx, SMS, GET_SMS_BY_KEY, {"key": key})


class Insertion(NamedTuple):
    """An SMS to insert."""

    new: NewSms
    now: Ms
    conversation_id: ConversationId | None = None
    """The conversation, if ``new`` names none."""


def insert_sms(tx: Tx, insertions: Sequence[Insertion]) -> list[Sms | None]:
    """Insert the rows; a row that should be ``sending`` becomes ``queued`` if its lane is not free.

    Returns the new rows in the order of ``insertions``; None for a key that exists already.
    :raises StoreError: no SMS may begin in the state of one of the rows.
    """
    lanes: set[tuple[str, str]] = set()
    lines: list[ParamRow] = []
    for new, now, conversation_id in insertions:
        if not new.state.is_initial:
            raise StoreError(f"an SMS cannot be written as {new.state.value}")
        conversation_id = conversation_id if new.conversation_id is None else new.conversation_id
        # The statement does not see the rows that it inserts itself, so lane_taken marks all but the first of a lane.
        lane = (storable(new.account), storable(new.recipient))
        lines.append((*_NEW_SMS.line(new), new.state.value, conversation_id, now, int(lane in lanes), tx.node))
        lanes.add(lane)
    written = {sms.key: sms for sms in map(SMS.read, tx.batch(INSERT_SMS, lines))}
    # Of two rows with the same key only the first was inserted.
    found = [written.pop(storable(insertion.new.key), None) for insertion in insertions]
    for sms in found:
        if sms is not None:
            if sms.state is SmsState.SENDING:
                release_if_caller_gone(tx, sms.key, sms.attempts, sms.created_at)
            elif sms.state is SmsState.QUEUED:
                tx.wake(Work.SMS)
            refresh_status(tx, DeliveryStatus.of(sms), sms.created_at)
    return found


class MoveRequest(NamedTuple):
    """A move for one SMS, and the changes that are written with it."""

    sms_id: SmsId
    move: Move
    now: Ms
    change: Change = NO_CHANGE
    began: Ms | None = None
    """If given, the move applies only to the attempt with this ``sending_since``."""


def apply_move(tx: Tx, sms_id: SmsId, move: Move, now: Ms, change: Change = NO_CHANGE) -> bool:
    """Make the move, with its event, posts and status. Returns False if the row is in no source state of the move."""
    return apply_moves(tx, [MoveRequest(sms_id, move, now, change)])[0]


def apply_moves(tx: Tx, requests: Sequence[MoveRequest]) -> list[bool]:
    """Make several independent moves; returns for each whether it was made. One that cannot be made stops no other."""
    made: dict[int, bool] = {}
    for batch in conflict_free_batches(requests, lambda request: request.sms_id):
        made |= zip(batch, _apply(tx, [requests[index] for index in batch]), strict=True)
    return [made[index] for index in range(len(requests))]


def _apply(tx: Tx, requests: Sequence[MoveRequest]) -> list[bool]:
    sources = {request.sms_id: source for request in requests if (source := _source(tx, request)) is not None}
    lines = [
        (*_move_line(request, sources[request.sms_id]), tx.node) for request in requests if request.sms_id in sources
    ]
    moved = {row[0]: row for row in tx.batch(MOVE_SMS, lines)}
    done = [request for request in requests if request.sms_id in moved]
    tx.batch(ADD_EVENT, [_event_of(request, sources[request.sms_id]) for request in done])
    for request in done:
        *columns, key, attempts = moved[request.sms_id]
        status = DeliveryStatus(*columns)
        target = MOVES[request.move][1]
        if target is SmsState.SENDING:
            release_if_caller_gone(tx, key, attempts, request.now)
        elif SmsState.QUEUED in (target, sources[request.sms_id]):
            # This SMS may be sent now, or another one of its lane.
            tx.wake(Work.SMS)
        elif sources[request.sms_id] is SmsState.SENDING:
            # The lane is free now. The outbox of this node knows that already.
            tx.wake_others(Work.SMS)
        if request.move is Move.RELEASE and status.conversation_id is not None:
            # A draft is no answer to the subscriber. A released draft is one.
            note_answered(tx, status.conversation_id)
        refresh_status(tx, status, request.now)
    add_posts(tx, [Posting(post, request.now) for request in done for post in request.change.posts])
    return [request.sms_id in moved for request in requests]


def _source(tx: Tx, request: MoveRequest) -> SmsState | None:
    """The state that the row moves from; None if the row is known to be in no source state of the move."""
    source = _SINGLE_SOURCE.get(request.move)
    if source is None:
        before = get_sms(tx, request.sms_id)
        return before.state if before is not None and before.state in MOVES[request.move][0] else None
    return source


def _move_line(request: MoveRequest, source: SmsState) -> ParamRow:
    target, change, now = MOVES[request.move][1], request.change, request.now
    return (
        request.sms_id,
        source.value,
        target.value,
        now,
        change.reason,
        change.detail,
        change.due_at,
        None if change.platform_ids is None else to_json(change.platform_ids),
        change.platform_status,
        change.poll_at,
        change.polls,
        1 if target is SmsState.SENDING else 0,
        now if target is SmsState.SENT else None,
        now if target.is_final else None,
        request.began,
    )


def _event_of(request: MoveRequest, source: SmsState) -> ParamRow:
    change = request.change
    words = (change.reason or "", change.detail or "", change.author)
    return (request.sms_id, request.now, request.move.value, source.value, MOVES[request.move][1].value, *words)


def add_event(
    tx: Tx,
    sms_id: SmsId,
    move: str,
    source: SmsState,
    target: SmsState,
    now: Ms,
    *,
    reason: str = "",
    detail: str = "",
    author: str = "",
) -> None:
    """Add an event to the history of the SMS that does not come from a move."""
    tx.batch(ADD_EVENT, [(sms_id, now, move, source.value, target.value, reason, detail, author)])


def release_if_caller_gone(tx: Tx, key: str, attempts: int, began: Ms) -> None:
    """Register a repair that queues the row again if the caller does not learn that it was moved to ``sending``.

    Otherwise such a row would block its lane until the next start. ``began``: the time at which it was started.
    """

    def release(later: Tx) -> None:
        row = later.one(RELEASE_SMS, {"key": key, "attempts": attempts, "began": began, "node": later.node})
        if row is not None:
            status = DeliveryStatus(*row)
            change = {"reason": "interrupted", "detail": "not sent"}
            later.wake(Work.SMS)
            add_event(later, status.id, Move.RETRY.value, SmsState.SENDING, SmsState.QUEUED, began, **change)
            refresh_status(later, status, began)

    tx.if_caller_gone(release)
