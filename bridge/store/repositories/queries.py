"""Queries for people, metrics and probes. Routing and sending do not use them. A command can run them beside a running
bridge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial

from bridge.model.actions import SearchPage, SearchQuery, TrafficCounts
from bridge.model.base import InboundId, Ms, SmsId
from bridge.model.contact import Contact
from bridge.model.inbound import Inbound
from bridge.model.record import HistoryLine, InboundRange, QueueStatus
from bridge.model.sms import Origin, Sms, SmsState
from bridge.store.repositories.contacts import get_contact
from bridge.store.repositories.inbox import get_inbound
from bridge.store.repositories.recovery import NEWEST_SMS
from bridge.store.repositories.search import found_page
from bridge.store.repositories.sms import get_sms
from bridge.store.repository import ReadRepository, read_all, read_number
from bridge.store.schema.tables import ACCOUNT_STATE, AUDIT, INBOUND, SMS, SMS_EVENT
from bridge.store.schema.types import INTEGER
from bridge.store.statement import Statement
from bridge.store.transaction import Params, Row, Tx

INBOUND_NEW = Statement("SELECT count(*) AS number, min(id) AS oldest FROM inbound WHERE state = 'new' AND id > 0")
RECEIVED_AT = INBOUND.statement("SELECT received_at FROM inbound WHERE id = :id")
INBOUND_QUARANTINED = Statement("SELECT count(*) AS number FROM inbound WHERE state = 'quarantined'")
LAST_INBOUND = Statement("SELECT received_at FROM inbound ORDER BY id DESC LIMIT 1")
# Does not count delivered SMS, whose number is the only one that grows without bound in a healthy service.
SMS_BY_STATE = Statement(
    "SELECT state, count(*) AS number FROM sms WHERE state <> 'delivered' AND id > 0 GROUP BY state"
)
OLDEST_QUEUED = Statement("SELECT min(created_at) AS created_at FROM sms WHERE state = 'queued'")
OLDEST_DRAFT = Statement(
    "SELECT min(due_at) AS due_at FROM sms WHERE state = 'draft' AND state <> 'delivered' AND id > 0"
)
POSTS_WAITING = Statement("SELECT count(*) AS number, min(created_at) AS oldest FROM chat_post WHERE state = 'waiting'")
UPDATES_PENDING = Statement("SELECT count(*) AS number FROM tg_update WHERE state = 'new'")
UPDATES_PARKED = Statement("SELECT count(*) AS number FROM tg_update WHERE state = 'parked'")
ALL_ACCOUNTS = Statement(f"SELECT {ACCOUNT_STATE} FROM account_state ORDER BY account")

# Only messages that rules have decided about: not new and not quarantined ones.
ROUTED_RANGE = INBOUND.statement(
    """
SELECT min(id) AS first, max(id) AS last, count(*) AS number FROM (
    SELECT id FROM inbound WHERE state = 'routed' AND received_at >= :since ORDER BY id DESC LIMIT :last) AS r
""",
    last=INTEGER,
)
ROUTED = INBOUND.statement(
    f"""
SELECT {INBOUND} FROM inbound
WHERE id > :after AND id BETWEEN :first AND :last AND state = 'routed' AND received_at >= :since
ORDER BY id LIMIT :limit
""",
    first=INTEGER,
    last=INTEGER,
)

HISTORY_IN = INBOUND.statement("""
SELECT id, received_at, text, state, account, outcome, fault FROM inbound
WHERE subscriber = :subscriber AND received_at < :before ORDER BY received_at DESC, id DESC LIMIT :limit
""")
HISTORY_OUT = INBOUND.statement(f"""
SELECT {SMS} FROM sms WHERE recipient = :subscriber AND created_at < :before
ORDER BY created_at DESC, id DESC LIMIT :limit
""")
HISTORY_ACTIONS = AUDIT.statement("""
SELECT at, action, detail, author FROM audit WHERE subscriber = :subscriber AND at < :before
ORDER BY at DESC, id DESC LIMIT :limit
""")
EVENTS_OF_SMS = SMS_EVENT.statement(
    "SELECT at, move, from_state, to_state, reason, detail, author FROM sms_event WHERE sms_id = :sms_id ORDER BY id"
)
ANSWERS_TO = SMS.statement(
    f"SELECT {SMS} FROM sms WHERE recipient = :recipient AND inbound_id = :inbound_id ORDER BY id LIMIT :limit"
)

# Ids grow with time, so a binary search over the ids finds the first row of a day. So no index by time has to be
# updated with each message.
INBOUND_NEAR = INBOUND.statement("SELECT id, received_at AS at FROM inbound WHERE id >= :id ORDER BY id LIMIT 1")
SMS_NEAR = SMS.statement("SELECT id, created_at AS at FROM sms WHERE id >= :id ORDER BY id LIMIT 1")
NEWEST_INBOUND = Statement("SELECT max(id) AS id FROM inbound")
INBOUND_FROM = INBOUND.statement(
    "SELECT count(*) AS number, count(DISTINCT subscriber) AS people FROM inbound WHERE id >= :id"
)
SMS_FROM = SMS.statement("""
SELECT origin, state, count(*) AS number, CAST(sum(parts) AS BIGINT) AS parts FROM sms WHERE id >= :id
GROUP BY origin, state
""")

_UNBOUNDED: int = 2**62
"""Greater than any time, any id and any number of rows."""


@lru_cache
def list_sms(states: frozenset[SmsState]) -> Statement:
    """Make the statement that lists the newest SMS in these states.

    The states are literals in the text, as the partial index needs them. They are values of an enum, so this is safe.
    """
    wanted = ", ".join(f"'{state.value}'" for state in sorted(states))
    guard = "" if SmsState.DELIVERED in states else " AND state <> 'delivered' AND id > 0"
    return Statement(
        f"SELECT {SMS} FROM sms WHERE state IN ({wanted}){guard} AND id < :before ORDER BY id DESC LIMIT :limit"
    )


class QueryRepository(ReadRepository):
    """Implements :class:`~bridge.ports.queries.QueryStore`, except ``nodes``."""

    async def queue_status(self) -> QueueStatus:
        return await self._readers.run(_queue_status)

    async def get_sms(self, sms_id: SmsId) -> Sms | None:
        return await self._readers.run(lambda tx: get_sms(tx, sms_id))

    async def list_sms(self, states: Sequence[SmsState], *, limit: int, before: SmsId | None = None) -> Sequence[Sms]:
        if not states:
            return []
        page: Params = {"limit": limit, "before": _UNBOUNDED if before is None else before}
        return await self._readers.run(lambda tx: read_all(tx, SMS, list_sms(frozenset(states)), page))

    async def sms_history(self, sms_id: SmsId) -> Sequence[HistoryLine]:
        return await self._readers.run(partial(_sms_history, sms_id))

    async def get_inbound(self, inbound_id: InboundId) -> Inbound | None:
        return await self._readers.run(lambda tx: get_inbound(tx, inbound_id))

    async def answers_to(self, inbound: Inbound, *, limit: int) -> Sequence[Sms]:
        answers: Params = {"recipient": inbound.subscriber, "inbound_id": inbound.id, "limit": limit}
        return await self._readers.run(lambda tx: read_all(tx, SMS, ANSWERS_TO, answers))

    async def contact(self, subscriber: str) -> Contact:
        return await self._readers.run(lambda tx: get_contact(tx, subscriber))

    async def history(self, subscriber: str, *, limit: int) -> Sequence[HistoryLine]:
        return await self._readers.run(partial(_history, subscriber, limit))

    async def conversation_lines(
        self, subscriber: str, *, before: Ms, limit: int
    ) -> tuple[Sequence[HistoryLine], bool]:
        return await self._readers.run(partial(_history_page, subscriber, before, limit))

    async def actions_on(self, subscriber: str, *, limit: int) -> Sequence[HistoryLine]:
        lines = await self._readers.run(lambda tx: _action_lines(tx, _page(subscriber, _UNBOUNDED, limit)))
        return list(reversed(lines))

    async def find(self, wanted: SearchQuery) -> SearchPage:
        return await self._readers.run(partial(found_page, wanted))

    async def traffic_since(self, since: Ms) -> TrafficCounts:
        return await self._readers.run(partial(_traffic, since))

    async def routed_range(self, *, last: int | None = None, since: Ms = 0) -> InboundRange | None:
        span: Params = {"last": _UNBOUNDED if last is None else last, "since": since}
        row = await self._readers.run(lambda tx: tx.one(ROUTED_RANGE, span))
        if row is None or row["first"] is None:
            return None
        return InboundRange(first=InboundId(row["first"]), last=InboundId(row["last"]), count=row["number"])

    async def routed(self, span: InboundRange, *, after: InboundId, since: Ms = 0, limit: int) -> Sequence[Inbound]:
        page: Params = {"after": after, "first": span.first, "last": span.last, "since": since, "limit": limit}
        return await self._readers.run(lambda tx: read_all(tx, INBOUND, ROUTED, page))


# ---------------------------------------------------------------- counts


def _queue_status(tx: Tx) -> QueueStatus:
    new = tx.one(INBOUND_NEW)
    oldest = tx.one(RECEIVED_AT, {"id": new["oldest"]}) if new is not None else None
    last = tx.one(LAST_INBOUND)
    queued = tx.one(OLDEST_QUEUED)
    draft = tx.one(OLDEST_DRAFT)
    posts = tx.one(POSTS_WAITING)
    return QueueStatus(
        inbound_new=new["number"] if new is not None else 0,
        inbound_oldest=oldest["received_at"] if oldest is not None else None,
        inbound_quarantined=read_number(tx, INBOUND_QUARANTINED),
        sms_by_state={row["state"]: row["number"] for row in tx.all(SMS_BY_STATE)},
        sms_oldest_queued=queued["created_at"] if queued is not None else None,
        sms_oldest_draft=draft["due_at"] if draft is not None else None,
        posts_waiting=posts["number"] if posts is not None else 0,
        posts_oldest=posts["oldest"] if posts is not None else None,
        updates_pending=read_number(tx, UPDATES_PENDING),
        updates_parked=read_number(tx, UPDATES_PARKED),
        last_inbound_at=last["received_at"] if last is not None else None,
        accounts=tuple(read_all(tx, ACCOUNT_STATE, ALL_ACCOUNTS)),
    )


def _traffic(since: Ms, tx: Tx) -> TrafficCounts:
    received = tx.one(INBOUND_FROM, {"id": _first_id_since(tx, NEWEST_INBOUND, INBOUND_NEAR, since)})
    assert received is not None  # a count always has a row
    sent = tx.all(SMS_FROM, {"id": _first_id_since(tx, NEWEST_SMS, SMS_NEAR, since)})

    def number(counts: Callable[[SmsState], bool]) -> int:
        return sum(row["number"] for row in sent if counts(SmsState(row["state"])))

    by_rules = sum(row["number"] for row in sent if row["origin"] == Origin.RULE.value)
    return TrafficCounts(
        received=received["number"],
        subscribers=received["people"],
        by_operators=sum(row["number"] for row in sent) - by_rules,
        by_rules=by_rules,
        parts=sum(row["parts"] for row in sent),
        delivered=number(lambda state: state is SmsState.DELIVERED),
        failed=number(lambda state: state.is_failed or state.never_left or state is SmsState.ABANDONED),
        open=number(lambda state: state.is_open),
    )


def _first_id_since(tx: Tx, newest: Statement, near: Statement, since: Ms) -> int:
    """The lowest id of a row that was written at ``since`` or later; the newest id plus one if there is no such row."""
    low, high = 1, read_number(tx, newest) + 1
    while low < high:
        middle = (low + high) // 2
        row = tx.one(near, {"id": middle})
        if row is None or row["at"] >= since:
            high = middle
        else:
            low = row["id"] + 1
    return low


# ---------------------------------------------------------------- history


def _page(subscriber: str, before: Ms, limit: int) -> Params:
    return {"subscriber": subscriber, "before": before, "limit": limit}


def _history(subscriber: str, limit: int, tx: Tx) -> list[HistoryLine]:
    """The newest ``limit`` lines of both directions, oldest first, with the platform's explanation of each failure."""
    page = _page(subscriber, _UNBOUNDED, limit)
    sent = [_outbound_line(sms, sms.detail or sms.reason) for sms in _sent(tx, page)]
    lines = _sorted([*_inbound_lines(tx, page), *sent])
    return lines[-limit:] if limit > 0 else []


def _history_page(subscriber: str, before: Ms, limit: int, tx: Tx) -> tuple[list[HistoryLine], bool]:
    """The newest ``limit`` lines before ``before``: both directions and actions, oldest first; and whether there are
    older lines."""
    page = _page(subscriber, before, limit + 1)
    sent = [_outbound_line(sms, sms.reason) for sms in _sent(tx, page)]
    lines = _sorted([*_inbound_lines(tx, page), *sent, *_action_lines(tx, page)])
    shown = lines[-limit:]
    older = len(lines) > len(shown)
    if older and (whole := [line for line in shown if line.at > lines[-limit - 1].at]):
        # A page never ends between two lines with the same time, since the next page is requested by time.
        shown = whole
    return shown, older


def _sorted(lines: Iterable[HistoryLine]) -> list[HistoryLine]:
    return sorted(lines, key=lambda line: (line.at, line.what, line.inbound_id or 0, line.sms_id or 0))


def _inbound_lines(tx: Tx, page: Params) -> list[HistoryLine]:
    return [
        HistoryLine(
            at=row["received_at"],
            what="in",
            text=row["text"],
            state=row["state"],
            account=row["account"],
            detail=row["outcome"] or row["fault"] or "",
            inbound_id=row["id"],
        )
        for row in tx.all(HISTORY_IN, page)
    ]


def _sent(tx: Tx, page: Params) -> list[Sms]:
    return read_all(tx, SMS, HISTORY_OUT, page)


def _outbound_line(sms: Sms, detail: str, state: str = "") -> HistoryLine:
    return HistoryLine(
        at=sms.created_at,
        what="out",
        text=sms.text,
        state=state or sms.state.value,
        account=sms.account,
        detail=detail,
        sms_id=sms.id,
        inbound_id=sms.inbound_id,
        author=sms.author,
    )


def _action_lines(tx: Tx, page: Params) -> list[HistoryLine]:
    """The lines of operators' actions, newest first."""
    return [
        HistoryLine(
            at=row["at"],
            what="act",
            text=row["detail"],
            state=row["action"],
            account="",
            detail="",
            author=row["author"],
        )
        for row in tx.all(HISTORY_ACTIONS, page)
    ]


def _sms_history(sms_id: SmsId, tx: Tx) -> list[HistoryLine]:
    """The insertion of an SMS and all its changes. The table has no event of the insertion: the first event tells the
    state in which the row was inserted."""
    sms = get_sms(tx, sms_id)
    if sms is None:
        return []
    events = tx.all(EVENTS_OF_SMS, {"sms_id": sms_id})
    inserted = _outbound_line(sms, "", events[0]["from_state"] if events else "")
    return [inserted, *(_move_line(sms, event) for event in events)]


def _move_line(sms: Sms, event: Row) -> HistoryLine:
    return HistoryLine(
        at=event["at"],
        what="move",
        text=event["move"],
        state=event["to_state"],
        account=sms.account,
        detail=" ".join(filter(None, (event["reason"], event["detail"]))),
        sms_id=sms.id,
        author=event["author"],
    )
