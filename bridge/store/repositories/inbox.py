"""Intake and routing: stores callbacks, lets a function decide them, and writes what it decided, in one transaction.

:func:`_route` is the same for messages that have just come and for those that were left ``new``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

from bridge.model.base import ConversationId, InboundId, Ms
from bridge.model.contact import Contact, RecentReply, RuleUse
from bridge.model.inbound import AcceptedCall, Inbound, InboundCall
from bridge.model.post import NewPost, PostPriority
from bridge.model.routing import (
    Decide,
    FactsWanted,
    ForwardPost,
    Intake,
    Routed,
    RoutingBatch,
    Settlement,
    TakenIn,
    UnroutedMessage,
)
from bridge.model.sms import Sms, SmsState
from bridge.model.work import Work
from bridge.store import locks
from bridge.store.batch import conflict_free_batches
from bridge.store.repositories.alerts import open_alert
from bridge.store.repositories.contacts import (
    ADD_USE,
    BUMP_CONTACT,
    CHANGE_CONTACT,
    CONTACT_CHANGE,
    COUNT_USES,
    FORGET_USES,
    NEW_RULE_USE,
    USES_OF_SUBSCRIBERS,
    SpendBudget,
    spent_parts,
)
from bridge.store.repositories.conversations import LatestInbound, conversation_for
from bridge.store.repositories.posting import Posting, add_posts
from bridge.store.repositories.recovery import last_in_copy
from bridge.store.repositories.sms import Insertion, insert_sms
from bridge.store.repository import Repository, read_all, read_one
from bridge.store.schema.tables import CONTACT, INBOUND, RULE_USE, SMS
from bridge.store.schema.types import ParamRow
from bridge.store.statement import Statement
from bridge.store.transaction import Row, Tx, storable

_CALL = INBOUND.writer(InboundCall)

# One statement for a first callback, a repeat and a conflict: repeats is 0 only for a row that was just inserted.
# (account, smsid) may appear only once among the rows, since the second would not see the first.
ACCEPT_INBOUND = INBOUND.batch(
    f"{_CALL}, taken_by",
    f"""
INSERT INTO inbound ({_CALL}, taken_by, taken_at, conflict_of)
SELECT {_CALL.of("n")}, n.taken_by, n.received_at,
       (SELECT min(i.id) FROM inbound AS i
        WHERE i.account = n.account AND i.smsid = n.smsid AND i.content_hash <> n.content_hash)
FROM rows AS n WHERE true
ON CONFLICT (account, smsid, content_hash)
DO UPDATE SET repeats = inbound.repeats + 1, repeated_at = excluded.received_at
RETURNING {INBOUND}
""",
)

# The contacts of messages, and 1 where an older message of the same subscriber is new. "(SELECT … LIMIT 1)" and not
# EXISTS: from EXISTS PostgreSQL may make a join that reads all new messages.
CONTACTS_OF_MESSAGES = INBOUND.batch(
    "id, subscriber",
    f"""
SELECT n.id, (SELECT 1 FROM inbound AS e WHERE e.state = 'new' AND e.subscriber = n.subscriber AND e.id < n.id LIMIT 1),
       {CONTACT.of("c")}
FROM rows AS n LEFT JOIN contact AS c ON c.subscriber = n.subscriber
""",
)

# The oldest new message of each subscriber, if this node took it. Reads the index of new messages and stops at the
# limit.
UNROUTED = INBOUND.statement(f"""
SELECT {INBOUND.of("i")}
FROM inbound AS i
WHERE i.state = 'new' AND i.id > 0 AND i.taken_by = :taken_by AND (
    SELECT 1 FROM inbound AS e WHERE e.state = 'new' AND e.subscriber = i.subscriber AND e.id < i.id LIMIT 1) IS NULL
ORDER BY i.id LIMIT :limit
""")

HAS_UNROUTED = Statement("SELECT 1 FROM inbound WHERE state = 'new' AND id > 0 LIMIT 1")

GET_INBOUND = INBOUND.statement(f"SELECT {INBOUND} FROM inbound WHERE id = :id")

# A compare-and-set on all facts of the decision: the message is still new, and its contact has not changed. A
# subscriber may appear only once among the rows, since the second message was decided without the effects of the first.
SETTLE_INBOUND = INBOUND.batch(
    "id, version, state, rule, rules_version, outcome, settled_at",
    """
UPDATE inbound SET state = n.state, rule = n.rule, rules_version = n.rules_version, outcome = n.outcome,
                   settled_at = n.settled_at
FROM rows AS n
WHERE inbound.id = n.id AND inbound.state = 'new'
  AND n.version = COALESCE((SELECT c.version FROM contact AS c WHERE c.subscriber = inbound.subscriber), 0)
RETURNING inbound.id, inbound.account, inbound.subscriber, inbound.receiver, inbound.received_at
""",
    CONTACT,
)

RECENT_REPLIES = SMS.batch(
    "recipient, since",
    """
SELECT s.recipient, s.created_at, s.text FROM rows AS n
JOIN sms AS s ON s.recipient = n.recipient AND s.created_at >= n.since
WHERE s.origin = 'rule'
ORDER BY s.created_at, s.id
""",
)


class InboxRepository(Repository):
    """Implements :class:`~bridge.ports.inbox.InboxStore`."""

    def _take_unrouted(self, tx: Tx, limit: int, *, idle: bool) -> bool:
        """Take messages that no node routes; False if there are none. ``idle``: this node has no messages of its own.

        On SQLite there are none: its one node took every message when it was accepted.
        """
        return False

    async def take_in(self, begin: Callable[[], Intake]) -> TakenIn:
        return await self._writer.run_begun(lambda: partial(_take_in, begin()))

    async def route(self, limit: int, wanted: FactsWanted, decide: Decide) -> Sequence[Routed]:
        # Nearly always there is nothing to route, and a look costs less than a transaction that writes.
        if await self._readers.run(lambda tx: tx.one(HAS_UNROUTED)) is None:
            return ()
        return await self._writer.run(lambda tx: _route(tx, self._claimed(tx, limit), wanted, decide))

    async def forget_uses(self, before: Ms, *, limit: int) -> int:
        return await self._writer.run(lambda tx: tx.run(FORGET_USES, {"before": before, "limit": limit}))

    def _claimed(self, tx: Tx, limit: int) -> list[Inbound]:
        found = _unrouted(tx, limit)
        if len(found) < limit and self._take_unrouted(tx, limit - len(found), idle=not found):
            found = _unrouted(tx, limit)
        tx.lock(locks.subscriber(inbound.subscriber) for inbound in found)
        return found


def get_inbound(tx: Tx, inbound_id: InboundId | None) -> Inbound | None:
    """The inbound message with this id, or None."""
    return read_one(tx, INBOUND, GET_INBOUND, {"id": inbound_id})


# ---------------------------------------------------------------- intake


def _take_in(intake: Intake, tx: Tx) -> TakenIn:
    calls = intake.calls
    # The subscribers are locked first, too: of two messages that come to two nodes, the second sees the first.
    tx.lock(name for each in calls for name in (locks.call(*_message_key(each)), locks.subscriber(each.subscriber)))
    stored = _store(tx, calls)
    new = [inbound for inbound in stored if inbound.repeats == 0]
    routed = _route(tx, new, intake.wanted, intake.decide) if intake.decide is not None and new else ()
    if len(routed) < len(new):
        tx.wake(Work.INBOUND)
    accepted = (AcceptedCall(id=each.id, new=each.repeats == 0, repeats=each.repeats) for each in stored)
    return TakenIn(calls=tuple(accepted), routed=tuple(routed))


def _store(tx: Tx, calls: Sequence[InboundCall]) -> list[Inbound]:
    """Store the callbacks. Returns their messages, in the order of the callbacks."""
    stored: dict[int, Inbound] = {}
    for batch in conflict_free_batches(calls, _message_key):
        lines = [(*_CALL.line(calls[index]), tx.router) for index in batch]
        found = {(row.account, row.smsid): row for row in map(INBOUND.read, tx.batch(ACCEPT_INBOUND, lines))}
        stored |= {index: found[_message_key(calls[index])] for index in batch}
    return [stored[index] for index in range(len(calls))]


def _message_key(call: InboundCall) -> tuple[str, str]:
    """The account and the platform's id of the message, as the row has them."""
    return storable(call.account), storable(call.smsid)


# ---------------------------------------------------------------- routing


def _unrouted(tx: Tx, limit: int) -> list[Inbound]:
    return read_all(tx, INBOUND, UNROUTED, {"limit": limit, "taken_by": tx.node})


def _route(tx: Tx, found: Sequence[Inbound], wanted: FactsWanted, decide: Decide) -> list[Routed]:
    """Decide the messages and write the settlements. Returns what was written."""
    batch = _with_facts(tx, found, wanted)
    if not batch.messages:
        return []
    spend = SpendBudget(tx)
    decided = [
        (message.inbound, settlement)
        for message, settlement in zip(batch.messages, decide(batch), strict=True)
        if settlement is not None and spend.allows(settlement)
    ]
    routed = _settle(decided, spend, tx)
    spend.write()
    return routed


def _with_facts(tx: Tx, found: Sequence[Inbound], wanted: FactsWanted) -> RoutingBatch:
    """The messages that may be decided, with all that a decision may depend on."""
    rows = {row[0]: row for row in tx.batch(CONTACTS_OF_MESSAGES, [(each.id, each.subscriber) for each in found])}
    contacts = {each.id: _contact(each, rows[each.id]) for each in found if rows[each.id][1] is None}
    found = [each for each in found if each.id in contacts]
    # A reply and its contact are written in one transaction. So a subscriber without a contact has had no reply.
    known = [each.subscriber for each in found if contacts[each.id].version]
    recent: defaultdict[str, list[RecentReply]] = defaultdict(list)
    for subscriber, at, text in tx.batch(RECENT_REPLIES, [(subscriber, wanted.recent_since) for subscriber in known]):
        recent[subscriber].append(RecentReply(at=at, text=text))
    since = wanted.uses_since
    used: defaultdict[str, list[RuleUse]] = defaultdict(list)
    if since is not None:
        for row in tx.batch(USES_OF_SUBSCRIBERS, [(subscriber, since) for subscriber in known]):
            used[row["subscriber"]].append(RULE_USE.read(row[: RULE_USE.width]))
    copied = last_in_copy(tx) if found else 0
    messages = tuple(
        UnroutedMessage(
            inbound=inbound,
            contact=contacts[inbound.id],
            recent=tuple(recent.get(inbound.subscriber, ())),
            restored=inbound.id <= copied,
            uses=tuple(used.get(inbound.subscriber, ())),
        )
        for inbound in found
    )
    totals = {row[0]: row[1] for row in tx.batch(COUNT_USES, list(wanted.totals.items()))}
    return RoutingBatch(messages=messages, day=wanted.day, spent=spent_parts(tx, wanted.day), totals=totals)


def _contact(inbound: Inbound, row: Row) -> Contact:
    return Contact(subscriber=inbound.subscriber, version=0) if row[2] is None else CONTACT.read(row[2:])


# ---------------------------------------------------------------- settlement


def _settle(decided: Sequence[tuple[Inbound, Settlement]], spend: SpendBudget, tx: Tx) -> list[Routed]:
    """Write the settlements; returns those that were written.

    The first write checks all conditions that are left, so a refused settlement writes nothing.
    """
    moved = {
        row[0]: LatestInbound(*row) for row in tx.batch(SETTLE_INBOUND, [_settlement_line(each) for _, each in decided])
    }
    decided = [each for each in decided if each[0].id in moved]
    tx.batch(BUMP_CONTACT, [(inbound.subscriber, inbound.received_at) for inbound in moved.values()])
    _write_memory(tx, [(moved[each.inbound_id].subscriber, each) for _, each in decided])
    insertions: list[Insertion] = []
    posts: list[Posting] = []
    for _, each in decided:
        inbound = moved[each.inbound_id]
        conversations = [conversation_for(tx, forward.chat, inbound, each.now).id for forward in each.forwards]
        answered_in = conversations[0] if len(conversations) == 1 else None
        insertions += [Insertion(reply, each.now, answered_in) for reply in each.replies]
        forwards = [_forward(*pair, each) for pair in zip(each.forwards, conversations, strict=True)]
        posts += [Posting(post, each.now) for post in (*forwards, *each.posts)]
    if moved:
        # The next messages of the same subscribers may belong to other nodes, and they waited for these.
        tx.wake_others(Work.INBOUND)
    written = iter(insert_sms(tx, insertions))
    add_posts(tx, posts)
    return [_routed(inbound, each, [next(written) for _ in each.replies], spend, tx) for inbound, each in decided]


def _write_memory(tx: Tx, settled: Sequence[tuple[str, Settlement]]) -> None:
    """Write what the rules change in the contacts, and the uses that count against the limits of the rules."""
    changes = [
        (subscriber, *CONTACT_CHANGE.line(each.contact)) for subscriber, each in settled if each.contact is not None
    ]
    tx.batch(CHANGE_CONTACT, changes)
    tx.batch(ADD_USE, [(subscriber, *NEW_RULE_USE.line(use)) for subscriber, each in settled for use in each.uses])


def _settlement_line(settlement: Settlement) -> ParamRow:
    return (
        settlement.inbound_id,
        settlement.contact_version,
        settlement.state.value,
        settlement.rule,
        settlement.rules_version,
        str(settlement.outcome),
        settlement.now,
    )


def _routed(
    inbound: Inbound, settlement: Settlement, written: Sequence[Sms | None], spend: SpendBudget, tx: Tx
) -> Routed:
    new = [sms for sms in written if sms is not None]
    if settlement.spend_day:
        spend.add(settlement.spend_day, sum(sms.parts for sms in new))
    for alert in settlement.alerts:
        open_alert(tx, alert, settlement.now)
    sending = tuple(sms for sms in new if sms.state is SmsState.SENDING)
    return Routed(inbound=inbound, settlement=settlement, sending=sending)


def _forward(forward: ForwardPost, conversation_id: ConversationId, settlement: Settlement) -> NewPost:
    return NewPost(
        chat=forward.chat,
        priority=PostPriority.INBOUND,
        key=f"in:{settlement.inbound_id}:{forward.chat}",
        payload=forward.payload,
        conversation_id=conversation_id,
        inbound_id=settlement.inbound_id,
        due_at=settlement.now,
    )
