"""Values with everything filled in, so that a test names only what it is about."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol, TypeVar

from bridge.model.base import Json, Ms
from bridge.model.chat import Post
from bridge.model.inbound import AcceptedCall, Inbound, InboundCall, InboundState
from bridge.model.post import AlertPayload, InboundPayload, NewPost, NoticePayload, Payload, PostKind, PostPriority
from bridge.model.routing import FactsWanted, ForwardPost, Intake, Routed, RoutingBatch, Settlement, UnroutedMessage
from bridge.model.routing_outcome import RoutingOutcome
from bridge.model.sms import Change, Move, NewSms, Origin, Priority, Sms, SmsState
from bridge.ports.clock import Clock, Waiter
from bridge.ports.store import Store

NOW: Ms = 1_800_000_000_000
SUBSCRIBER = "79990001122"
DAY = "2027-01-15"
NO_FACTS = FactsWanted(recent_since=0, day=DAY)


class Closable(Protocol):
    async def close(self) -> None: ...


C = TypeVar("C", bound=Closable)


@asynccontextmanager
async def opened(opening: Awaitable[C]) -> AsyncIterator[C]:
    """Closed at the end also of a test that fails: an open store's threads would keep the process alive."""
    store = await opening
    try:
        yield store
    finally:
        await store.close()


class SetClock(Clock):
    """A clock that stands where the test puts it; waits by the real loop."""

    def __init__(self, now: Ms = NOW) -> None:
        self.time = now

    def now(self) -> Ms:
        return self.time

    async def wait(self, event: Waiter, timeout: Ms | None) -> bool:
        try:
            async with asyncio.timeout(None if timeout is None else timeout / 1000):
                await event.wait()
        except TimeoutError:
            return False
        return True


def call(
    smsid: str = "1", *, text: str = "часы", subscriber: str = SUBSCRIBER, at: Ms = NOW, account: str = "main"
) -> InboundCall:
    return InboundCall(
        account=account,
        smsid=smsid,
        sender=f"+{subscriber}",
        subscriber=subscriber,
        receiver="7722",
        prefix="",
        text=text,
        date_raw="2027-01-15 11:00:00",
        date=at - 500,
        raw_query=f"smsid={smsid}".encode(),
        content_hash=hashlib.sha256(f"{subscriber}\n{text}".encode("utf-8", "surrogatepass")).digest(),
        received_at=at,
    )


def reply(
    key: str,
    *,
    recipient: str = SUBSCRIBER,
    state: SmsState = SmsState.QUEUED,
    priority: Priority = Priority.AUTOMATIC,
    parts: int = 1,
    due_at: Ms = NOW,
    expires_at: Ms | None = None,
    text: str = "Работаем с 9 до 18",
    account: str = "main",
) -> NewSms:
    return NewSms(
        key=key,
        account=account,
        recipient=recipient,
        sender_name="Shop",
        text=text,
        parts=parts,
        origin=Origin.RULE if priority is Priority.AUTOMATIC else Origin.COMMAND,
        priority=priority,
        state=state,
        due_at=due_at,
        expires_at=expires_at,
        author="hours",
    )


def person(key: str, *, chat_id: int = -100, message_id: int = 5, recipient: str = SUBSCRIBER) -> NewSms:
    """An operator's answer, written in a chat."""
    return replace(
        reply(key, recipient=recipient, priority=Priority.PERSON),
        origin=Origin.OPERATOR,
        chat_id=chat_id,
        message_id=message_id,
        author="Anna (7)",
    )


_PAYLOADS: Mapping[PostKind, Payload] = {
    PostKind.NOTICE: NoticePayload(text="t"),
    PostKind.ALERT: AlertPayload(text="t"),
    PostKind.INBOUND: InboundPayload(),
}


def post(
    chat: str = "support", *, key: str | None = None, kind: PostKind = PostKind.NOTICE, due_at: Ms = NOW
) -> NewPost:
    return NewPost(chat=chat, priority=PostPriority.STATUS, key=key, payload=_PAYLOADS[kind], due_at=due_at)


def text_of(post: Post) -> str:
    """The text id of a notice or an alert."""
    assert isinstance(post.payload, NoticePayload | AlertPayload)
    return post.payload.text


def params_of(post: Post) -> Mapping[str, Json]:
    """The parameters of a notice or an alert."""
    assert isinstance(post.payload, NoticePayload | AlertPayload)
    return post.payload.params


def settlement(
    inbound: Inbound,
    version: int = 0,
    *replies: NewSms,
    forwards: tuple[str, ...] = (),
    spend_limit: int | None = None,
    now: Ms = NOW,
) -> Settlement:
    return Settlement(
        inbound_id=inbound.id,
        subscriber=inbound.subscriber,
        contact_version=version,
        now=now,
        state=InboundState.ROUTED,
        rule="hours",
        rules_version="v1",
        outcome=RoutingOutcome.parse("replied"),
        replies=tuple(replace(one, inbound_id=inbound.id) for one in replies),
        spend_limit=spend_limit,
        spend_day=DAY,
        forwards=tuple(ForwardPost(chat=chat, payload=InboundPayload(rule="hours")) for chat in forwards),
    )


async def accept(store: Store, call: InboundCall) -> AcceptedCall:
    """Store a callback. Nothing is decided."""
    return (await accept_together(store, [call]))[0]


async def accept_together(store: Store, calls: Sequence[InboundCall]) -> Sequence[AcceptedCall]:
    """Store callbacks in one transaction."""
    return (await store.take_in(lambda: Intake(calls=calls, wanted=NO_FACTS))).calls


async def received(store: Store, smsid: str = "1", **named: str) -> Inbound:
    """A stored message, as routing reads it."""
    inbound = await store.get_inbound((await accept(store, call(smsid, **named))).id)  # type: ignore[arg-type]
    assert inbound is not None
    return inbound


async def settle(store: Store, settlements: Sequence[Settlement]) -> list[Routed | None]:
    """Settle these messages and leave the others; None for each that the store left, too."""
    wanted = {each.inbound_id: each for each in settlements}
    routed = await store.route(1_000, NO_FACTS, lambda batch: [wanted.get(each.inbound.id) for each in batch.messages])
    done = {each.inbound.id: each for each in routed}
    return [done.get(each.inbound_id) for each in settlements]


async def settled(store: Store, item: Settlement) -> Routed:
    (result,) = await settle(store, [item])
    assert result is not None
    return result


async def claimed(store: Store, *, now: Ms = NOW, limit: int = 100, account: str = "main") -> list[str]:
    return [sms.key for sms in await store.claim_due(account, now=now, limit=limit)]


async def sent(store: Store, key: str, **named: str) -> Sms:
    """A row that is ``sending``, the only one due."""
    await store.enqueue(reply(key, **named))  # type: ignore[arg-type]
    (sms,) = await store.claim_due("main", now=NOW, limit=1)
    assert sms.key == key
    return sms


async def moved(store: Store, sms: Sms, move: Move, now: Ms, change: Change | None = None) -> Sms:
    """The row after a move that must be possible."""
    assert await store.move(sms.id, move, now, change or Change())
    after = await store.get_sms(sms.id)
    assert after is not None
    return after


async def routing_batch(store: Store, limit: int = 9, wanted: FactsWanted = NO_FACTS) -> RoutingBatch:
    """What a decision would be told of. Nothing is decided."""
    seen = [RoutingBatch(messages=(), day=wanted.day, spent=0)]

    def look(batch: RoutingBatch) -> list[None]:
        seen.append(batch)
        return [None] * len(batch.messages)

    await store.route(limit, wanted, look)
    return seen[-1]


async def unrouted(store: Store, limit: int = 9, since: Ms = 0) -> tuple[UnroutedMessage, ...]:
    """The messages that a decision would be told of."""
    return (await routing_batch(store, limit, FactsWanted(recent_since=since, day=DAY))).messages


async def spent(store: Store, day: str = DAY) -> int:
    """The parts that automatic replies cost on the day."""
    with_message = replace(call("spent"), account="spent", subscriber="0")
    await accept(store, with_message)
    return (await routing_batch(store, 1_000, FactsWanted(recent_since=0, day=day))).spent
