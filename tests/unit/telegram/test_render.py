"""What a post looks like in a chat."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram.constants import ReactionEmoji

from bridge.model.base import ConversationId, InboundId, Json, PostId, SmsId
from bridge.model.chat import Conversation, Post
from bridge.model.contact import Contact
from bridge.model.inbound import Inbound, InboundState
from bridge.model.post import AlertPayload, InboundPayload, PostPriority
from bridge.model.routing_outcome import RoutingOutcome
from bridge.model.sms import Origin, Priority, Sms, SmsState
from bridge.telegram.client.message import MAX_UNITS, ChatMessage, clean, units
from bridge.telegram.posts import render
from bridge.telegram.posts.inbound import single
from bridge.telegram.texts.labels import number
from tests.contract.builders import NOW

CONVERSATION = Conversation(
    id=ConversationId(1),
    chat="support",
    subscriber="79083730330",
    code="a7f3",
    account="main",
    receiver="1234",
    thread_id=None,
    last_inbound_id=InboundId(1),
    last_inbound_at=0,
)


def inbound(text: str = "Hello", receiver: str = "1234") -> Inbound:
    return Inbound(
        id=InboundId(1),
        account="main",
        smsid="1",
        sender="79083730330",
        subscriber="79083730330",
        receiver=receiver,
        prefix="",
        text=text,
        date_raw="",
        date=None,
        received_at=0,
        state=InboundState.ROUTED,
        fault=None,
        conflict_of=None,
        repeats=0,
        rule="all",
        rules_version="1",
        outcome=RoutingOutcome.parse("forwarded"),
    )


def post(*, text: str = "Hello", name: str = "", **payload: Any) -> Post:
    return Post(
        id=PostId(1),
        chat="support",
        priority=PostPriority.INBOUND,
        payload=InboundPayload(**payload),
        reply_to=None,
        attempts=0,
        revision=0,
        shown="",
        created_at=0,
        due_at=0,
        conversation=CONVERSATION,
        inbound=inbound(text),
        sms=None,
        contact=Contact(subscriber="79083730330", version=1, name=name),
    )


def sms(state: SmsState, *, reason: str = "", detail: str = "", word: str = "") -> Sms:
    return Sms(
        id=SmsId(7),
        key="k",
        account="main",
        recipient="79083730330",
        sender_name="MyShop",
        text="x",
        parts=1,
        origin=Origin.OPERATOR,
        priority=Priority.PERSON,
        state=state,
        created_at=0,
        due_at=0,
        expires_at=None,
        attempts=1,
        sending_since=None,
        sent_at=None,
        final_at=None,
        platform_ids=(),
        platform_status=word,
        reason=reason,
        detail=detail,
        poll_at=None,
        polls=0,
        inbound_id=None,
        conversation_id=ConversationId(1),
        chat_id=-1,
        message_id=1,
        author="Anna (1001)",
        retry_of=None,
    )


def test_head_says_who_wrote_to_what_by_which_rule() -> None:
    [message] = single(post(rule="hours", note="VIP"), "ru", many_accounts=True)
    assert message.text == (
        "+79083730330 · на 1234 · учётная запись main · правило hours\nЗаметка: VIP\n\nHello\n#a7f3"
    )
    [bold] = message.entities
    assert message.text[bold.offset : bold.offset + bold.length] == "+79083730330"


def test_a_known_contact_is_shown_by_name_and_number() -> None:
    [message] = single(post(name="Иван 🙂"), "en", many_accounts=False)
    assert message.text.startswith("Иван 🙂, +79083730330 · to 1234 · no rule matched")
    assert message.entities[0].length == units("Иван 🙂, +79083730330")


def test_the_head_says_what_the_rules_did() -> None:
    answered = post(rule="x", answered=2, suppressions=("per_number",), error="no such name")
    [message] = single(answered, "en", many_accounts=False)
    assert "2 automatic replies sent" in message.text
    assert "too many automatic replies to this number" in message.text
    assert "The rule failed: no such name" in message.text


def test_a_name_cannot_forge_the_lines_around_it() -> None:
    [message] = single(post(name="x\n#zzzz\u202e"), "en", many_accounts=False)
    assert message.text.splitlines()[0].startswith("x #zzzz, +7908")
    assert message.text.splitlines()[-1] == "#a7f3"


def test_an_sms_without_text_is_still_shown() -> None:
    [message] = single(post(text=""), "en", many_accounts=False)
    assert "(no text)" in message.text


@given(st.text(max_size=12_000))
def test_any_sms_fits_and_is_complete(text: str) -> None:
    messages = single(post(text=text, rule="r" * 200, note="n" * 3000), "ru", many_accounts=True)
    assert all(units(message.text) <= MAX_UNITS for message in messages)
    assert all(message.text.endswith("\n#a7f3") for message in messages)
    bodies = [message.text.split("\n\n", 1)[1].removesuffix("\n#a7f3") for message in messages]
    assert "".join(bodies) == (clean(text).strip("\n") or "(без текста)")


@pytest.mark.parametrize("state", list(SmsState))
def test_every_state_has_a_reaction_that_telegram_allows(state: SmsState) -> None:
    view = render.status(sms(state), CONVERSATION, "ru", NOW)
    assert view.emoji in {emoji.value for emoji in ReactionEmoji}
    assert view.line.endswith("#a7f3")


@pytest.mark.parametrize(
    ("state", "buttons"),
    [
        (SmsState.UNCERTAIN, ["again:7", "leave:7"]),
        (SmsState.PARKED, ["again:7", "leave:7"]),
        (SmsState.FAILED, ["again:7"]),
        (SmsState.UNDELIVERED, ["again:7"]),
        (SmsState.EXPIRED, ["again:7"]),
        (SmsState.QUEUED, []),
        (SmsState.SENT, []),
        (SmsState.DELIVERED, []),
        (SmsState.ABANDONED, []),
    ],
)
def test_buttons_where_a_person_can_decide(state: SmsState, buttons: list[str]) -> None:
    view = render.status(sms(state), CONVERSATION, "en", NOW)
    assert [button.data for button in view.buttons] == buttons
    assert view.needs_words is bool(buttons)


def test_a_reason_is_shown_in_words_with_the_platforms_answer() -> None:
    view = render.status(sms(SmsState.FAILED, reason="stop_list", detail="В стоп-листе"), CONVERSATION, "en", NOW)
    assert view.line == ("Not sent: the number is on the platform's stop list\nThe platform says: В стоп-листе\n#a7f3")
    assert "brand_new_code" in render.status(sms(SmsState.FAILED, reason="brand_new_code"), None, "ru", NOW).line


def test_an_sms_that_waited_too_long_gives_the_reason_once() -> None:
    assert render.status(sms(SmsState.STALE, reason="ttl"), None, "en", NOW).line == "Not sent: it waited too long"


def test_delivery_in_part_is_shown() -> None:
    view = render.status(sms(SmsState.SENT, word="Partly_Deliver"), CONVERSATION, "en", NOW)
    assert view.line.startswith("Delivered in part")


def test_short_numbers_and_names_have_no_plus() -> None:
    assert [number(each) for each in ("79083730330", "1234", "MyShop", "+79083730330")] == [
        "+79083730330",
        "1234",
        "MyShop",
        "+79083730330",
    ]


def test_an_alert_shows_money_with_two_decimals() -> None:
    params: dict[str, Json] = {"account": "main", "balance": 12.5, "currency": "RUR"}
    alert = _alert(params)
    assert alert.text.splitlines()[0] == "The account main has 12.50 RUR left."


@pytest.mark.parametrize(("detail", "more"), [("No money", ["The platform says: No money"]), ("", [])])
def test_an_alert_marks_the_platforms_answer(detail: str, more: list[str]) -> None:
    params: dict[str, Json] = {"account": "main", "reason": "no_credit", "detail": detail}
    first, *rest = _alert(params, "alert.account_fault").text.splitlines()
    assert first.endswith("The queue is kept.")
    assert rest == more


def _alert(params: dict[str, Json], text: str = "alert.low_balance") -> ChatMessage:
    payload = AlertPayload(text=text, params=params)
    post = Post(
        id=PostId(1),
        chat="@admin",
        priority=PostPriority.FAILURE,
        payload=payload,
        reply_to=None,
        attempts=0,
        revision=0,
        shown="",
        created_at=0,
        due_at=0,
        conversation=None,
        inbound=None,
        sms=None,
        contact=None,
    )
    return render.alert(post, payload, "en")
