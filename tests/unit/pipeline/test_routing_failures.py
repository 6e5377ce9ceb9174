"""One message that cannot be routed stops nobody, loses no place to send, and is put to people."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.errors import StoreUnavailable
from bridge.model.base import ADMIN_CHAT, DEFAULT_CHAT, InboundId, Ms
from bridge.model.decision import Decision, FiredRule, Reply
from bridge.model.inbound import InboundCall, InboundState
from bridge.model.sms import SmsState
from bridge.pipeline.clock import SystemClock
from bridge.pipeline.router import Router
from bridge.pipeline.routing import Routing
from bridge.pipeline.worker import run_steps
from bridge.ports.clock import Waiter
from bridge.rules.context import Counting, RuleMessage
from tests.contract.builders import accept
from tests.inbox import brought, inbox_of
from tests.unit.pipeline.samples import settings
from tests.unit.pipeline.sender import Sender, sender, until

NOT_A_TEXT: str = None  # type: ignore[assignment]
"""What a fault of ours in a rule's action would hand on."""


class Scripted:
    """Stands for a rule set: the router asks it what a message deserves."""

    version = "v1"
    counting = Counting()

    def __init__(self, decide: Callable[[str], tuple[Reply, ...]]) -> None:
        self._decide = decide

    def decide(self, message: RuleMessage, now: Ms) -> Decision:
        fired = FiredRule(rule="r", file="r.yaml", line=1, replies=self._decide(message.text))
        return Decision(fired=(fired,), rules_version=self.version)


def routing(around: Sender, decide: Callable[[str], tuple[Reply, ...]]) -> Routing:
    rules = Scripted(decide)
    return Routing(
        settings=settings(),
        rules=lambda: rules,  # type: ignore[arg-type, return-value]
        launcher=around.outbox,
        services=around.services,
    )


def router(around: Sender, decide: Callable[[str], tuple[Reply, ...]]) -> Router:
    return Router(routing=routing(around, decide), services=around.services)


def message(around: Sender, text: str, subscriber: str) -> InboundCall:
    return InboundCall(
        account="main",
        smsid=f"{subscriber}",
        sender=subscriber,
        subscriber=subscriber,
        receiver="1234",
        prefix="",
        text=text,
        date_raw="",
        date=None,
        raw_query=b"",
        content_hash=text.encode(),
        received_at=around.clock.now(),
    )


async def bring(around: Sender, text: str, subscriber: str) -> InboundId:
    return (await accept(around.store, message(around, text, subscriber))).id


async def state_of(around: Sender, inbound_id: InboundId) -> InboundState:
    inbound = await around.store.get_inbound(inbound_id)
    assert inbound is not None
    return inbound.state


POISON = [Reply(text=NOT_A_TEXT), Reply(text="да", ttl=2**70)]


@pytest.mark.parametrize("poison", POISON, ids=["a fault of ours", "refused by the store"])
async def test_a_message_that_cannot_be_routed_stops_no_other_and_is_shown(tmp_path: Path, poison: Reply) -> None:
    async with sender(tmp_path, connections=3) as around:
        first = await bring(around, "до", "79990000001")
        bad = await bring(around, "яд", "79990000002")
        last = await bring(around, "после", "79990000003")
        each = router(around, lambda text: (poison,) if text == "яд" else (Reply(text="да"),))
        await each.step()

        async def served() -> bool:
            await around.outbox.step()
            return len(around.platform.book) == 2

        await until(served)
        await around.quiet()
        assert await state_of(around, first) is InboundState.ROUTED
        assert await state_of(around, last) is InboundState.ROUTED
        assert await state_of(around, bad) is not InboundState.NEW
        posts = await around.store.claim_posts([ADMIN_CHAT, DEFAULT_CHAT], now=around.clock.now(), limit=9)
        assert [post.inbound.id for post in posts if post.inbound is not None] == [bad]
        assert not await around.store.list_sms([SmsState.SENDING, SmsState.UNCERTAIN], limit=9)


async def test_slots_come_back_where_settling_fails_or_is_cancelled(tmp_path: Path) -> None:
    async with sender(tmp_path, connections=3) as around:
        each = router(around, lambda _: (Reply(text="да"),))
        inbox = inbox_of(around.services, routing(around, lambda _: (Reply(text="да"),)))
        call = message(around, "раз", "79990000001")
        with around.away():
            with pytest.raises(StoreUnavailable):
                await brought(inbox, call)
            assert around.channel.in_flight == 0
            taken = asyncio.create_task(brought(inbox, call))

            async def reserved() -> bool:
                return around.channel.in_flight > 0

            await until(reserved)
            for task in inbox._transactions:
                task.cancel()
            await inbox.idle()
            taken.cancel()
            assert around.channel.in_flight == 0
        assert (await brought(inbox, call)).repeats <= 1

        async def served() -> bool:
            # The cancelled settlement may have been written after all; its row waits in the queue then.
            await each.step()
            await around.outbox.step()
            return len(around.platform.book) == 1

        await until(served)
        await around.quiet()
        assert len(around.platform.book) == 1


class Awake(SystemClock):
    """No look without a reason: what only the slow look of a loop would find is never found."""

    async def wait(self, event: Waiter, timeout: Ms | None) -> bool:
        return await super().wait(event, None)


async def test_what_comes_while_a_batch_is_settled_is_not_left_to_the_slow_look(tmp_path: Path) -> None:
    async with sender(tmp_path, connections=3) as around:
        each = router(around, lambda _: ())
        clock = Awake()
        inbox = inbox_of(replace(around.services, clock=clock))
        loop = asyncio.create_task(run_steps("router", each.step, around.signals.inbound, clock))

        async def routed() -> bool:
            return (await around.store.queue_status()).inbound_new == 0

        try:
            for turn in range(9):
                for text in ("раз", "два", "три")[: 1 + turn // 3]:
                    await brought(inbox, message(around, text, f"7999{turn:07}"))
                    for _ in range(turn):
                        await asyncio.sleep(0)
                await until(routed)
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
