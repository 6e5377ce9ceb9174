"""Outbound SMS within one transaction: birth, moves, history, fate. The only module that changes a state.

Functions on a :class:`Tx`, shared by the verbs of routing, sending, delivery and the operators' desk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bridge.errors import StoreError
from bridge.model.base import ConversationId, InboundId, Ms, SmsId
from bridge.model.post import PostPriority, opening_key
from bridge.model.sms import MOVES, Change, ConfirmationReason, Move, NewSms, Sms, SmsState
from bridge.store import rows, sql
from bridge.store.batch import conflict_free_batches
from bridge.store.transaction import Line, Tx, storable
from bridge.store.work_posts import Posting, add_posts

NO_CHANGE = Change()
_ONLY_SOURCE = {move: next(iter(sources)) for move, (sources, _) in MOVES.items() if len(sources) == 1}
"""Most moves start in one state: the row need not be read to name it."""


def get_sms(tx: Tx, sms_id: SmsId) -> Sms | None:
    row = tx.one(sql.GET_SMS, {"id": sms_id})
    return None if row is None else rows.sms(row)


def sms_of_key(tx: Tx, key: str) -> Sms | None:
    row = tx.one(sql.GET_SMS_BY_KEY, {"key": key})
    return None if row is None else rows.sms(row)


class Birth(NamedTuple):
    """An SMS to be written."""

    new: NewSms
    now: Ms
    conversation_id: ConversationId | None = None
    """For a row that does not name one itself."""


def insert_sms(tx: Tx, births: Sequence[Birth]) -> list[Sms | None]:
    """Write the rows, each ``sending`` only where its lane is free; None where a key exists already."""
    lanes: set[tuple[str, str]] = set()
    lines: list[Line] = []
    for birth in births:
        lane = (storable(birth.new.account), storable(birth.new.recipient))
        lines.append((*_birth(birth, lane_taken=lane in lanes), tx.bridge))
        lanes.add(lane)
    written = {key: (SmsId(id_), SmsState(state)) for key, id_, state in tx.batch(sql.INSERT_SMS, lines)}
    # A key that came twice was written once: the first has it.
    found = [written.pop(storable(birth.new.key), None) for birth in births]
    rows_born = [None if row is None else _born(birth, *row) for birth, row in zip(births, found, strict=True)]
    for sms in rows_born:
        if sms is not None:
            if sms.state is SmsState.SENDING:
                release_if_caller_gone(tx, sms.key, sms.attempts, sms.created_at)
            refresh_status(tx, Fate.of(sms), sms.created_at)
    return rows_born


def _birth(birth: Birth, *, lane_taken: bool) -> Line:
    """``lane_taken``: another one stands before it in the same crowd, which the statement does not see."""
    new = birth.new
    if not new.state.is_initial:
        raise StoreError(f"an SMS cannot be born {new.state.value}")
    wish = SmsState.QUEUED if lane_taken and new.state is SmsState.SENDING else new.state
    return (
        new.key,
        new.account,
        new.recipient,
        new.sender_name,
        new.text,
        new.parts,
        new.origin.value,
        new.priority.value,
        wish.value,
        birth.now,
        new.due_at,
        new.expires_at,
        new.inbound_id,
        _conversation_of(birth),
        new.chat_id,
        new.message_id,
        new.author,
        new.retry_of,
        rows.confirmation_reasons(new.confirmation_reasons),
    )


def _conversation_of(birth: Birth) -> ConversationId | None:
    return birth.conversation_id if birth.new.conversation_id is None else birth.new.conversation_id


def _born(birth: Birth, id_: SmsId, state: SmsState) -> Sms:
    """As a row reads right after its birth: a test compares the two."""
    new, now = birth.new, birth.now
    starts = state is SmsState.SENDING
    return Sms(
        id=id_,
        key=storable(new.key),
        account=new.account,
        recipient=new.recipient,
        sender_name=new.sender_name,
        text=storable(new.text),
        parts=new.parts,
        origin=new.origin,
        priority=new.priority,
        state=state,
        created_at=now,
        due_at=new.due_at,
        expires_at=new.expires_at,
        attempts=1 if starts else 0,
        sending_since=now if starts else None,
        sent_at=None,
        final_at=None,
        platform_ids=(),
        platform_status="",
        reason="",
        detail="",
        poll_at=None,
        polls=0,
        inbound_id=new.inbound_id,
        conversation_id=_conversation_of(birth),
        chat_id=new.chat_id,
        message_id=new.message_id,
        author=new.author,
        retry_of=new.retry_of,
        confirmation_reasons=new.confirmation_reasons,
    )


class Moving(NamedTuple):
    """A row, the move it is to make, and what is written with it."""

    sms_id: SmsId
    move: Move
    now: Ms
    change: Change = NO_CHANGE
    began: Ms | None = None
    """``sending_since`` of the only attempt that it is about."""


def apply_move(tx: Tx, sms_id: SmsId, move: Move, now: Ms, change: Change = NO_CHANGE) -> bool:
    """The move with all that belongs to it; False where the row is not in one of the move's source states."""
    return apply_moves(tx, [Moving(sms_id, move, now, change)])[0]


def apply_moves(tx: Tx, movings: Sequence[Moving]) -> list[bool]:
    """The same for many, each by itself: one that cannot be made leaves the others alone."""
    made: dict[int, bool] = {}
    for wave in conflict_free_batches(movings, lambda moving: moving.sms_id):
        made |= zip(wave, _apply(tx, [movings[at] for at in wave]), strict=True)
    return [made[at] for at in range(len(movings))]


def _apply(tx: Tx, movings: Sequence[Moving]) -> list[bool]:
    sources = {moving.sms_id: source for moving in movings if (source := _source(tx, moving)) is not None}
    lines = [(*_moving(moving, sources[moving.sms_id]), tx.bridge) for moving in movings if moving.sms_id in sources]
    moved = {row[0]: row for row in tx.batch(sql.MOVE_SMS, lines)}
    done = [moving for moving in movings if moving.sms_id in moved]
    tx.batch(sql.ADD_EVENT, [_event_of(moving, sources[moving.sms_id]) for moving in done])
    for moving in done:
        *columns, key, attempts = moved[moving.sms_id]
        fate = Fate(*columns)
        if MOVES[moving.move][1] is SmsState.SENDING:
            release_if_caller_gone(tx, key, attempts, moving.now)
        if moving.move is Move.RELEASE and fate.conversation_id is not None:
            # A draft answered nobody yet.
            tx.run(sql.NOTE_ANSWERED, {"id": fate.conversation_id})
        refresh_status(tx, fate, moving.now)
    add_posts(tx, [Posting(post, moving.now) for moving in done for post in moving.change.posts])
    return [moving.sms_id in moved for moving in movings]


def _source(tx: Tx, moving: Moving) -> SmsState | None:
    """The state it starts from; None where it may not."""
    source = _ONLY_SOURCE.get(moving.move)
    if source is None:
        before = get_sms(tx, moving.sms_id)
        return before.state if before is not None and before.state in MOVES[moving.move][0] else None
    return source


def _moving(moving: Moving, source: SmsState) -> Line:
    target, change, now = MOVES[moving.move][1], moving.change, moving.now
    return (
        moving.sms_id,
        source.value,
        target.value,
        now,
        change.reason,
        change.detail,
        change.due_at,
        None if change.platform_ids is None else rows.to_json(change.platform_ids),
        change.platform_status,
        change.poll_at,
        change.polls,
        1 if target is SmsState.SENDING else 0,
        now if target is SmsState.SENT else None,
        now if target.is_final else None,
        moving.began,
    )


def _event_of(moving: Moving, source: SmsState) -> Line:
    change = moving.change
    words = (change.reason or "", change.detail or "", change.author)
    return (moving.sms_id, moving.now, moving.move.value, source.value, MOVES[moving.move][1].value, *words)


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
    """A line of the row's history that no move wrote."""
    tx.batch(sql.ADD_EVENT, [(sms_id, now, move, source.value, target.value, reason, detail, author)])


class Fate(NamedTuple):
    """The columns ``sql.FATE``."""

    id: SmsId
    state: str
    chat_id: int | None
    message_id: int | None
    conversation_id: ConversationId | None
    inbound_id: InboundId | None
    confirmation_reasons: str

    @classmethod
    def of(cls, sms: Sms) -> Fate:
        place = (sms.chat_id, sms.message_id, sms.conversation_id, sms.inbound_id)
        return cls(sms.id, sms.state.value, *place, rows.confirmation_reasons(sms.confirmation_reasons))

    @property
    def priority(self) -> PostPriority:
        if self.state == SmsState.QUEUED and self.confirmation_reasons == ConfirmationReason.UNDO:
            # The button that stops it lives for a moment.
            return PostPriority.AHEAD
        state = SmsState(self.state)
        person_acts = state is SmsState.DRAFT or state.is_failed or state.needs_person
        return PostPriority.FAILURE if person_acts else PostPriority.REACTION


def refresh_status(tx: Tx, fate: Fate, now: Ms) -> None:
    """Have the row's state shown on the operator's message it came from, if it came from one."""
    if fate.chat_id is None or fate.message_id is None:
        return
    tx.run(
        sql.RENEW_FATE,
        {
            "key": f"fate:{fate.id}",
            "chat": f"id:{fate.chat_id}",
            "priority": fate.priority.value,
            "conversation_id": fate.conversation_id,
            "inbound_id": fate.inbound_id,
            "sms_id": fate.id,
            "reply_to": fate.message_id,
            "now": now,
        },
    )
    tx.run(sql.RENEW_OPENING, {"key": opening_key(fate.chat_id, fate.message_id), "now": now})


def release_if_caller_gone(tx: Tx, key: str, attempts: int, now: Ms) -> None:
    """A row that is ``sending`` while nobody was told to send it would block its lane until the next start.

    ``now``: when it was started.
    """

    def give_back(later: Tx) -> None:
        row = later.one(sql.GIVE_BACK, {"key": key, "attempts": attempts, "began": now, "bridge": later.bridge})
        if row is not None:
            fate = Fate(*row)
            add_event(
                later,
                fate.id,
                Move.RETRY.value,
                SmsState.SENDING,
                SmsState.QUEUED,
                now,
                reason="interrupted",
                detail="not sent",
            )
            refresh_status(later, fate, now)

    tx.if_caller_gone(give_back)
