"""Values that the pipeline's pure tests share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bridge.config import AccountSettings, GuardSettings, Settings
from bridge.model.base import InboundId, Ms
from bridge.model.contact import Contact, RecentReply
from bridge.model.decision import Decision, FiredRule, Forward, Reply
from bridge.model.inbound import Inbound, InboundState
from bridge.model.routing import UnroutedMessage

NOON: Ms = 1_767_700_800_000


def settings(**guards: object) -> Settings:
    return Settings(
        accounts={"main": AccountSettings(login="u", password="p", sender="MyShop", numbers=("1234",))},
        guards=GuardSettings(**guards),
        file=Path("config.yaml"),
    )


def inbound(**changes: object) -> Inbound:
    base = Inbound(
        id=InboundId(7),
        account="main",
        smsid="5094",
        sender="79083730330",
        subscriber="79083730330",
        receiver="1234",
        prefix="",
        text="часы",
        date_raw="",
        date=None,
        received_at=NOON,
        state=InboundState.NEW,
        fault=None,
        conflict_of=None,
        repeats=0,
        rule=None,
        rules_version=None,
        outcome=None,
    )
    return replace(base, **changes)


def item(*, recent: tuple[RecentReply, ...] = (), contact: Contact | None = None, **changes: object) -> UnroutedMessage:
    message = inbound(**changes)
    known = contact or Contact(subscriber=message.subscriber, version=0)
    return UnroutedMessage(inbound=message, contact=known, recent=recent)


def replied(*texts: str, forward: str | None = None, **changes: object) -> Decision:
    forwards = (Forward(chat=forward),) if forward is not None else ()
    replies = tuple(Reply(text=text) for text in texts)
    base = FiredRule(rule="hours", file="rules/a.yaml", line=3, replies=replies, forwards=forwards)
    return Decision(fired=(replace(base, **changes),), rules_version="v1")


NOTHING = Decision(fired=(), rules_version="v1")
