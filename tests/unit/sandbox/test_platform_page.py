"""The send page answers as the platform's document says, and its book is right."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from urllib.parse import quote

import pytest

from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import (
    BalanceForm,
    Fault,
    PlatformVariant,
    RequestKind,
    SimulatedPlatform,
    StatusForm,
)
from tests.unit.sandbox.raw import SetClock, ask, connected, send_target, target


async def test_a_send_answers_a_bare_decimal_id_and_stands_in_the_book(
    platform: SimulatedPlatform, clock: SetClock
) -> None:
    heard = await ask(platform, send_target())
    assert heard.status == 200
    assert heard.text.isdigit()
    (sms,) = platform.book
    assert (sms.id, sms.recipient, sms.sender_name) == (heard.text, "79083730330", "TESTSMS")
    assert (sms.text, sms.encoding, sms.at) == ("ибателеком", "utf-8", clock.now())


async def test_text_may_come_in_windows_1251_escaped_or_bare(platform: SimulatedPlatform) -> None:
    base = send_target(text="").encode()
    await ask(platform, base + quote("Счёт № 5", encoding="cp1251").encode())
    await ask(platform, base + "привет".encode("cp1251"))
    await ask(platform, base + b"a+b%20c%2B")
    assert [(sms.text, sms.encoding) for sms in platform.book] == [
        ("Счёт № 5", "windows-1251"),
        ("привет", "windows-1251"),
        ("a b c+", "utf-8"),
    ]


@pytest.mark.parametrize("separator", [",", ";", "\n", "<br>", " "])
async def test_each_of_up_to_ten_recipients_gets_an_id_of_its_own(platform: SimulatedPlatform, separator: str) -> None:
    platform.variant = replace(platform.variant, separator=separator)
    numbers = [f"7908373030{last}" for last in range(10)]
    heard = await ask(platform, send_target(dadr=",".join(numbers)))
    assert heard.text.split(separator) == [sms.id for sms in platform.book]
    assert [sms.recipient for sms in platform.book] == numbers
    assert len({sms.id for sms in platform.book}) == 10
    assert (await ask(platform, send_target(dadr=",".join([*numbers, "79083730310"])))).text == "0"


async def test_the_id_may_come_after_a_byte_order_mark(platform: SimulatedPlatform) -> None:
    platform.variant = replace(platform.variant, bom=True)
    assert (await ask(platform, send_target())).body == b"\xef\xbb\xbf" + platform.book[0].id.encode()


REFUSALS = [
    ({"user": "nobody"}, Fault.BAD_LOGIN, "Неправильный логин или пароль"),
    ({"pwd": "wrong"}, Fault.BAD_LOGIN, "Неправильный логин или пароль"),
    ({"sadr": ""}, Fault.NO_SENDER, "Нет отправителя"),
    ({"sadr": "Unknown"}, Fault.BAD_SENDER, "Такого отправителя нет"),
    ({"sadr": "testsms"}, Fault.BAD_SENDER, "Такого отправителя нет"),
    ({"sadr": "TwelveLetter"}, Fault.SENDER_TOO_LONG, "Отправитель не должен превышать 11 символов"),
    ({"sadr": "Магазин"}, Fault.SENDER_TOO_LONG, "Отправитель не должен превышать 11 символов"),
    ({"sadr": "1234567890123456"}, Fault.SENDER_TOO_LONG, "Отправитель не должен превышать 11 символов"),
    ({"dadr": ""}, Fault.NO_RECIPIENT, "Укажите номер телефона"),
    ({"dadr": "+79083730330"}, Fault.RECIPIENT_TOO_LONG, "Номер телефона должен быть меньше 15 символов"),
    ({"dadr": "79083730330,"}, Fault.RECIPIENT_TOO_LONG, "Номер телефона должен быть меньше 15 символов"),
    ({"text": ""}, Fault.NO_TEXT, "Нет текста сообщения"),
]


@pytest.mark.parametrize(("fields", "fault", "words"), REFUSALS, ids=lambda value: str(value)[:30])
async def test_every_mistake_is_0_or_prose_and_charges_nothing(
    platform: SimulatedPlatform, fields: dict[str, str], fault: Fault, words: str
) -> None:
    assert (await ask(platform, send_target(**fields))).text == "0"
    platform.variant = PlatformVariant(refuses_in_words=True)
    assert (await ask(platform, send_target(**fields))).text == words
    platform.variant = PlatformVariant(refuses_in_words=True, prose_encoding="windows-1251")
    assert (await ask(platform, send_target(**fields))).body == words.encode("cp1251")
    assert platform.book == []
    assert platform.balance == 1000.0


async def test_names_of_the_documents_length_pass_and_dynamic_names_need_no_registration(
    clock: SetClock,
) -> None:
    platform = SimulatedPlatform(clock=clock, account=SimulatedAccount(sender_names=None))
    await platform.start()
    for name in ("ElevenChars", "123456789012345", "My-Shop.ru", "A"):
        assert (await ask(platform, send_target(sadr=name))).text != "0"
    await platform.stop()
    assert [sms.sender_name for sms in platform.book] == ["ElevenChars", "123456789012345", "My-Shop.ru", "A"]


async def test_the_price_leaves_the_balance_and_an_empty_account_sends_nothing(clock: SetClock) -> None:
    platform = SimulatedPlatform(clock=clock, account=SimulatedAccount(balance=6.9, price=2.3))
    await platform.start()
    answers = [(await ask(platform, send_target())).text for _ in range(4)]
    balance = (await ask(platform, target(balance="1"))).text
    await platform.stop()
    assert answers[-1] == "0"
    assert "0" not in answers[:3]
    assert len(platform.book) == 3
    assert balance.splitlines()[0] == "0.00"


async def test_parked_messages_go_out_with_the_money_that_comes(clock: SetClock) -> None:
    platform = SimulatedPlatform(
        clock=clock,
        variant=PlatformVariant(without_credit=Fault.PARKED),
        account=SimulatedAccount(balance=0, price=2.5),
    )
    await platform.start()
    for text in ("раз", "два", "три"):
        assert "будет отправлена как только вы пополните" in (await ask(platform, send_target(text=text))).text
    assert (platform.book, platform.parked) == ([], 3)
    waiting = asyncio.create_task(platform.wait_for(lambda platform: platform.taken == 2))
    platform.top_up(6)
    await waiting
    assert [sms.text for sms in platform.book] == ["раз", "два"]
    assert (platform.parked, platform.balance) == (1, 1.0)
    await platform.stop()


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        (BalanceForm.DOCUMENT, "997.50\nRUR\nРоссия: 997.50\n"),
        (BalanceForm.ONE_LINE, "997.50 RUR"),
        (BalanceForm.ONE_LINE_COMMA, "997,50 RUR"),
    ],
)
async def test_the_balance_after_one_sms(platform: SimulatedPlatform, form: BalanceForm, answer: str) -> None:
    platform.variant = replace(platform.variant, balance_form=form)
    await ask(platform, send_target())
    assert (await ask(platform, target(balance="1"))).text == answer


async def test_a_balance_question_with_an_error_gets_nothing_at_all(platform: SimulatedPlatform) -> None:
    platform.variant = PlatformVariant(refuses_in_words=True)
    for wanted in (target(balance="1", pwd="wrong"), target(balance="2")):
        heard = await ask(platform, wanted)
        assert (heard.status, heard.body) == (200, b"")


async def test_a_status_is_first_send_and_then_deliver_with_the_time_it_changed(
    platform: SimulatedPlatform, clock: SetClock
) -> None:
    wanted = target(smsid=(await ask(platform, send_target())).text)
    assert (await ask(platform, wanted)).text == "Send\n2026-11-21 12:00:00"
    clock.at += 60_000
    assert (await ask(platform, wanted)).text == "deliver\n2026-11-21 12:01:00"
    clock.at += 60_000
    assert (await ask(platform, wanted)).text == "deliver\n2026-11-21 12:01:00"


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        (StatusForm.SPACE, "Send 2026-11-21 12:00:00"),
        (StatusForm.SEMICOLON, "Send;2026-11-21 12:00:00"),
        (StatusForm.BR, "Send<br>2026-11-21 12:00:00"),
        (StatusForm.WORD_ONLY, "Send"),
    ],
)
async def test_the_status_in_other_platforms_forms(platform: SimulatedPlatform, form: StatusForm, answer: str) -> None:
    platform.variant = replace(platform.variant, status_form=form)
    wanted = target(smsid=(await ask(platform, send_target())).text)
    assert (await ask(platform, wanted)).text == answer


async def test_statuses_can_be_set_late_or_odd(platform: SimulatedPlatform) -> None:
    platform.variant = replace(platform.variant, status_form=StatusForm.WORD_ONLY)
    platform.plan_statuses("Send", "Send", "Send", "partly_deliver", "deliver", recipient="79000000001")
    platform.plan_statuses("moderation")
    late = target(smsid=(await ask(platform, send_target(dadr="79000000001"))).text)
    odd_id = (await ask(platform, send_target(dadr="79000000002"))).text
    words = [(await ask(platform, late)).text for _ in range(6)]
    assert words == ["Send", "Send", "Send", "partly_deliver", "deliver", "deliver"]
    assert (await ask(platform, target(smsid=odd_id))).text == "moderation"
    platform.set_status(odd_id, "not_deliver")
    assert (await ask(platform, target(smsid=odd_id))).text == "not_deliver"


async def test_the_status_of_an_id_never_given_or_with_a_wrong_login_is_0(
    platform: SimulatedPlatform,
) -> None:
    given = (await ask(platform, send_target())).text
    for wanted in (
        target(smsid=str(int(given) + 1)),
        target(smsid=str(int(given) - 1)),
        target(smsid="abc"),
        target(smsid=given, pwd="wrong"),
    ):
        assert (await ask(platform, wanted)).text == "0"


async def test_the_same_request_within_the_window_is_refused_and_one_recipient_or_letter_makes_another(
    clock: SetClock,
) -> None:
    platform = SimulatedPlatform(clock=clock, account=SimulatedAccount(same_request_window=60_000))
    await platform.start()
    assert (await ask(platform, send_target())).text.isdigit()
    clock.at += 59_999
    assert (await ask(platform, send_target())).text.startswith("error: Попытка отправки более одного")
    assert (await ask(platform, send_target(text="другой"))).text.isdigit()
    assert (await ask(platform, send_target(dadr="79083730331"))).text.isdigit()
    clock.at += 1
    assert (await ask(platform, send_target())).text.isdigit()
    await platform.stop()
    assert len(platform.book) == 4


async def test_ids_are_never_given_twice_not_by_a_restart_of_the_listener_nor_by_a_later_process(
    clock: SetClock,
) -> None:
    platform = SimulatedPlatform(clock=clock)
    await platform.start()
    url = platform.url
    await ask(platform, send_target())
    await platform.stop()
    await platform.start()
    assert platform.url == url
    await ask(platform, send_target())
    platform.misbehave(Fault.TWO_IDS)
    await ask(platform, send_target())
    await ask(platform, send_target())
    await platform.stop()
    clock.at += 1000
    later = SimulatedPlatform(clock=clock)
    await later.start()
    await ask(later, send_target())
    await later.stop()
    ids = [sms.id for sms in platform.book + later.book]
    assert len(set(ids)) == len(ids) == 5


async def test_other_paths_and_methods_are_not_the_page(platform: SimulatedPlatform) -> None:
    async with connected(platform) as client:
        assert (await client.get("/other.php?user=demo")).status == 404
        assert (await client.get(send_target(), method=b"POST", headers=b"Content-Length: 0\r\n")).status == 405
    assert platform.book == []
    assert platform.counts[RequestKind.OTHER] == 2


async def test_what_was_asked_is_kept_without_the_password(platform: SimulatedPlatform) -> None:
    await ask(platform, send_target(name_delivery="autumn"))
    (seen,) = platform.requests
    assert seen.kind is RequestKind.SEND
    assert "pwd" not in seen.fields
    assert seen.fields["text"] == "ибателеком"
    assert (seen.answer, seen.fault) == (platform.book[0].id, None)


async def test_without_a_book_it_still_counts_and_still_answers(clock: SetClock) -> None:
    platform = SimulatedPlatform(clock=clock, keep_book=False)
    await platform.start()
    given = (await ask(platform, send_target())).text
    assert (await ask(platform, target(smsid=given))).text.startswith("deliver")
    await platform.stop()
    assert (platform.taken, platform.book, platform.requests) == (1, [], [])


async def test_wait_for_wakes_on_the_event_and_says_what_it_saw_when_it_gives_up(
    platform: SimulatedPlatform,
) -> None:
    waiting = asyncio.create_task(platform.wait_for(lambda platform: platform.taken == 2))
    await ask(platform, send_target())
    assert not waiting.done()
    await ask(platform, send_target())
    await waiting
    with pytest.raises(TimeoutError, match="2 SMS taken"):
        await platform.wait_for(lambda platform: False, timeout_s=0.01)
