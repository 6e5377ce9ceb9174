"""What people order in the chats, each once with its author, and what they ask about it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from bridge.model.actions import Action, ActionKind, MessageSubject, SearchPage, SearchQuery, TrafficCounts
from bridge.model.base import Ms
from bridge.model.chat import Conversation
from bridge.model.inbound import Inbound
from bridge.model.post import NewPost
from bridge.model.record import HistoryLine
from bridge.model.sms import Origin, Sms, SmsState
from bridge.store import locks, rows, sql
from bridge.store.repository import Writing
from bridge.store.transaction import Params, Row, Tx
from bridge.store.work_find import found_page
from bridge.store.work_posts import add_post, begun_conversation, renew_topic

_EVER: Ms = 2**62


class OrderVerbs(Writing):
    async def carry_out(self, order: Action, *, done: NewPost | None, already: NewPost | None, now: Ms) -> bool:
        return await self._writer.run(partial(_carry_out, order, done, already, now))

    async def conversation_with(self, chat: str, subscriber: str) -> Conversation | None:
        both: Params = {"chat": chat, "subscriber": subscriber}
        row = await self._readers.run(lambda tx: tx.one(sql.FIND_CONVERSATION, both))
        return None if row is None else rows.conversation(row)

    async def begin_conversation(self, chat: str, subscriber: str, *, account: str, now: Ms) -> Conversation:
        def unit(tx: Tx) -> Conversation:
            tx.lock([locks.subscriber(subscriber)])
            conversation = begun_conversation(tx, chat, subscriber, account, now)
            if tx.run(sql.OPEN_CONVERSATION, {"id": conversation.id}):
                renew_topic(tx, conversation, f"begun:{now}", now)
            return conversation

        return await self._writer.run(unit)

    async def about(self, chat_id: int, message_id: int) -> MessageSubject:
        place: Params = {"chat_id": chat_id, "message_id": message_id}
        row = await self._readers.run(lambda tx: tx.one(sql.ABOUT_MESSAGE, place))
        if row is None:
            return MessageSubject()
        return MessageSubject(
            conversation_id=row["conversation_id"], inbound_id=row["inbound_id"], sms_id=row["sms_id"]
        )

    async def answers_to(self, inbound: Inbound, *, limit: int) -> Sequence[Sms]:
        wanted: Params = {"subscriber": inbound.subscriber, "inbound_id": inbound.id, "limit": limit}
        return [rows.sms(row) for row in await self._readers.run(lambda tx: tx.all(sql.ANSWERS_TO, wanted))]

    async def talk(self, subscriber: str, *, before: Ms, limit: int) -> tuple[Sequence[HistoryLine], bool]:
        return await self._readers.run(partial(_talk, subscriber, before, limit))

    async def deeds(self, subscriber: str, *, limit: int) -> Sequence[HistoryLine]:
        wanted: Params = {"subscriber": subscriber, "before": _EVER, "limit": limit}
        found = await self._readers.run(lambda tx: tx.all(sql.TALK_DEEDS, wanted))
        return [_done(row) for row in reversed(found)]

    async def find(self, wanted: SearchQuery) -> SearchPage:
        return await self._readers.run(partial(found_page, wanted))

    async def tally(self, since: Ms) -> TrafficCounts:
        return await self._readers.run(partial(_tally, since))


# ---------------------------------------------------------------- changes


def _carry_out(order: Action, done: NewPost | None, already: NewPost | None, now: Ms, tx: Tx) -> bool:
    tx.lock([locks.subscriber(order.subscriber)])
    if tx.one(sql.DEED_KNOWN, {"key": order.key}) is not None:
        return False  # the update came twice: it was carried out and answered
    if _overtaken(tx, order):
        for row in _topics_shown(tx, order):
            renew_topic(tx, rows.conversation(row), order.key, now)
        return False
    changed = _changed(tx, order, now)
    if changed:
        tx.run(
            sql.ADD_DEED,
            {
                "key": order.key,
                "now": now,
                "deed": order.deed.value,
                "detail": order.detail,
                "author": order.author,
                "subscriber": order.subscriber,
                "conversation_id": order.conversation_id,
            },
        )
    if (post := done if changed else already) is not None:
        add_post(tx, post, now)
    # Behind the words about it: nothing can be said in a closed topic. Also where nothing changed, since somebody may
    # have closed or renamed the topic by hand.
    if order.by_hand is None:
        for row in _topics_shown(tx, order):
            renew_topic(tx, rows.conversation(row), order.key, now, renamed=order.deed is ActionKind.RENAME)
    return changed


def _overtaken(tx: Tx, order: Action) -> bool:
    """A topic was closed by hand, and an SMS opened it again before anybody here learned of that."""
    if order.deed is not ActionKind.CLOSE or order.by_hand is None:
        return False
    chat_id, message_id = order.by_hand
    line: Params = {"id": order.conversation_id, "chat_id": chat_id, "message_id": message_id}
    return tx.one(sql.SHOWN_SINCE, line) is not None


def _topics_shown(tx: Tx, order: Action) -> Sequence[Row]:
    if order.deed is ActionKind.RENAME:
        return tx.all(sql.CONVERSATIONS_WITH, {"subscriber": order.subscriber})
    if order.deed in (ActionKind.CLOSE, ActionKind.OPEN):
        return tx.all(sql.GET_CONVERSATION, {"id": order.conversation_id})
    return ()


def _changed(tx: Tx, order: Action, now: Ms) -> bool:
    who: Params = {"subscriber": order.subscriber}
    what: Params = {"id": order.conversation_id}
    match order.deed:
        case ActionKind.CLOSE:
            tx.run(sql.NOTE_ANSWERED, what)  # nobody is to be reminded of it
            return tx.run(sql.CLOSE_CONVERSATION, {**what, "now": now}) > 0
        case ActionKind.OPEN:
            return tx.run(sql.OPEN_CONVERSATION, what) > 0
        case ActionKind.CLAIM:
            claim: Params = {"user_id": order.user_id, "name": order.detail, "until": order.until}
            return tx.run(sql.CLAIM_CONVERSATION, {**what, **claim}) > 0
        case ActionKind.RELEASE:
            return tx.run(sql.RELEASE_CONVERSATION, {**what, "now": now}) > 0
        case ActionKind.OPT_OUT | ActionKind.OPT_IN:
            return tx.run(sql.SET_OPTED_OUT, {**who, "opted_out": int(order.deed is ActionKind.OPT_OUT)}) > 0
    tx.run(sql.MEET_CONTACT, who)
    match order.deed:
        case ActionKind.BLOCK | ActionKind.UNBLOCK:
            if order.deed is ActionKind.BLOCK:
                for row in tx.all(sql.CONVERSATIONS_WITH, who):
                    tx.run(sql.NOTE_ANSWERED, {"id": row["id"]})
            return tx.run(sql.SET_BLOCKED, {**who, "value": int(order.deed is ActionKind.BLOCK)}) > 0
        case ActionKind.RENAME:
            return tx.run(sql.SET_NAME, {**who, "name": order.detail}) > 0
        case ActionKind.ROBOT_OFF:
            return tx.run(sql.ROBOT_OFF, who) > 0
        case ActionKind.ROBOT_ON:
            return tx.run(sql.ROBOT_ON, {**who, "now": now}) > 0
        case ActionKind.TAG | ActionKind.UNTAG:
            return tx.run(sql.SET_TAGS, {**who, "tags": rows.to_json(_tags(tx, order))}) > 0
    raise AssertionError(order.deed)


def _tags(tx: Tx, order: Action) -> tuple[str, ...]:
    known = rows.contact(tx.one(sql.GET_CONTACT, {"subscriber": order.subscriber}), order.subscriber).tags
    rest = tuple(tag for tag in known if tag != order.detail)
    if order.deed is ActionKind.UNTAG:
        return rest
    return known if order.detail in known else (*known, order.detail)


# ---------------------------------------------------------------- questions


def _talk(subscriber: str, before: Ms, limit: int, tx: Tx) -> tuple[list[HistoryLine], bool]:
    wanted: Params = {"subscriber": subscriber, "before": before, "limit": limit + 1}
    told = [
        *(rows.heard(row) for row in tx.all(sql.TALK_IN, wanted)),
        *(_said(rows.sms(row)) for row in tx.all(sql.TALK_OUT, wanted)),
        *(_done(row) for row in tx.all(sql.TALK_DEEDS, wanted)),
    ]
    told.sort(key=lambda story: (story.at, story.what, story.inbound_id or 0, story.sms_id or 0))
    shown = told[-limit:]
    older = len(told) > len(shown)
    if older and (whole := [story for story in shown if story.at > told[-limit - 1].at]):
        # A page ends between two moments, never within one: the next page is asked for by its time.
        shown = whole
    return shown, older


def _said(sms: Sms) -> HistoryLine:
    return HistoryLine(
        at=sms.created_at,
        what="out",
        text=sms.text,
        state=sms.state.value,
        account=sms.account,
        detail=sms.reason,
        sms_id=sms.id,
        inbound_id=sms.inbound_id,
        author=sms.author,
    )


def _done(row: Row) -> HistoryLine:
    return HistoryLine(
        at=row["at"], what="act", text=row["detail"], state=row["deed"], account="", detail="", author=row["author"]
    )


def _tally(since: Ms, tx: Tx) -> TrafficCounts:
    first = _first(tx, sql.NEWEST_INBOUND, sql.INBOUND_NEAR, since)
    came = tx.one(sql.INBOUND_FROM, {"id": first})
    assert came is not None  # a count always has a row
    went = tx.all(sql.SMS_FROM, {"id": _first(tx, sql.NEWEST_SMS, sql.SMS_NEAR, since)})

    def number(counts: Callable[[SmsState], bool]) -> int:
        return sum(row["number"] for row in went if counts(SmsState(row["state"])))

    by_rules = sum(row["number"] for row in went if row["origin"] == Origin.RULE.value)
    return TrafficCounts(
        received=came["number"],
        people=came["people"],
        by_people=sum(row["number"] for row in went) - by_rules,
        by_rules=by_rules,
        parts=sum(row["parts"] for row in went),
        delivered=number(lambda state: state is SmsState.DELIVERED),
        failed=number(lambda state: state.is_failed or state.never_left or state is SmsState.ABANDONED),
        open=number(lambda state: state.is_open),
    )


def _first(tx: Tx, newest: str, near: str, since: Ms) -> int:
    """The lowest id of a row written since then, one above the newest if there is none."""
    last = tx.one(newest)
    low, high = 1, (last["id"] if last is not None and last["id"] is not None else 0) + 1
    while low < high:
        middle = (low + high) // 2
        row = tx.one(near, {"id": middle})
        if row is None or row["at"] >= since:
            high = middle
        else:
            low = row["id"] + 1
    return low
