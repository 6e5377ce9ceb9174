"""The faults of the simulated platform, as tables.

Why it exists: a test names a fault and gets the same one every time. This module must know neither sockets (``wire``
does) nor money (``ledger`` does). The words of the refusals were seen at platforms of the family; the platform's
document knows only ``0``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bridge.model.base import Ms


class RequestKind(StrEnum):
    """The use of the page that a request asks for."""

    SEND = "send"
    STATUS = "status"
    BALANCE = "balance"
    OTHER = "other"
    """Not the page: another path or another method."""


class Fault(StrEnum):
    """The ways in which the simulated platform treats a request badly."""

    # -- refusals in words (HTTP 200), one name for each wording
    ZERO = "zero"
    BAD_LOGIN = "bad_login"
    BAD_LOGIN_CODE = "bad_login_code"
    BLOCKED = "blocked"
    BLOCKED_YOURS = "blocked_yours"
    BLOCKED_CODE = "blocked_code"
    NO_CREDIT = "no_credit"
    NO_CREDIT_OURS = "no_credit_ours"
    NO_CREDIT_CODE = "no_credit_code"
    PARKED = "parked"
    """Accepted, and held until :meth:`SimulatedPlatform.top_up`."""
    STOP_LIST = "stop_list"
    DIRECTION_CLOSED = "direction_closed"
    DIRECTION_CLOSED_YOURS = "direction_closed_yours"
    DIRECTION_CLOSED_CODE = "direction_closed_code"
    DECLINED = "declined"
    DECLINED_CODE = "declined_code"
    BAD_SENDER = "bad_sender"
    NO_SENDER = "no_sender"
    SENDER_UNMODERATED = "sender_unmoderated"
    SENDER_TOO_LONG = "sender_too_long"
    BAD_SENDER_CODE = "bad_sender_code"
    NO_TEXT = "no_text"
    NO_TEXT_CODE = "no_text_code"
    NO_RECIPIENT = "no_recipient"
    RECIPIENT_TOO_LONG = "recipient_too_long"
    SAME_REQUEST = "same_request"
    FLOOD = "flood"
    WRONG_ENCODING = "wrong_encoding"
    """The stop-list refusal in Windows-1251 under a header that says UTF-8."""

    # -- answers of a broken platform
    EMPTY = "empty"
    HTML = "html"
    GARBAGE = "garbage"
    """Bytes that are no HTTP, then the end of the connection."""
    GARBAGE_BODY = "garbage_body"
    REDIRECT = "redirect"
    """302 to the same request. A client that follows it sends the SMS again."""
    HTTP_429 = "http_429"
    HTTP_500 = "http_500"
    HTTP_502 = "http_502"
    HTTP_503 = "http_503"
    TWO_IDS = "two_ids"
    """One more id than recipients; the first one belongs to the message."""
    HUGE_BODY = "huge_body"
    """4 MiB that look like a list of ids, wherever the reader stops."""

    # -- faults of the connection
    SLOW = "slow"
    TRICKLE = "trickle"
    """The right answer byte by byte, with ``delay`` milliseconds between two bytes."""
    HANG = "hang"
    HANG_AFTER_TAKING = "hang_after_taking"
    CUT_BEFORE_READING = "cut_before_reading"
    """Without ``recipient``, a new connection is closed when it is accepted, and an open one when bytes arrive."""
    CUT_AFTER_READING = "cut_after_reading"
    CUT_AFTER_TAKING = "cut_after_taking"
    RESET = "reset"
    RESET_AFTER_TAKING = "reset_after_taking"
    HALF_HEADERS = "half_headers"
    HALF_BODY = "half_body"
    """Half of the digits of the id, then the end of the connection. The half looks like an id and is none."""


REFUSAL_WORDS: Mapping[Fault, str] = {
    Fault.ZERO: "0",
    Fault.BAD_LOGIN: "Неправильный логин или пароль",
    Fault.BAD_LOGIN_CODE: "Error_Invalid_Login",
    Fault.BLOCKED: "Аккаунт заблокирован",
    Fault.BLOCKED_YOURS: "Ваш аккаунт заблокирован",
    Fault.BLOCKED_CODE: "Error_SMS_User_Disabled",
    Fault.NO_CREDIT: "Закончились SMS",
    Fault.NO_CREDIT_OURS: "У нас закончились SMS",
    Fault.NO_CREDIT_CODE: "Error_Not_Enough_Credits",
    Fault.PARKED: "Недостаточно средств на счете. SMS будет отправлена как только вы пополните счет",
    Fault.STOP_LIST: "Номер телефона присутствует в стоп-листе",
    Fault.DIRECTION_CLOSED: "Данное направление закрыто",
    Fault.DIRECTION_CLOSED_YOURS: "Данное направление закрыто для вас",
    Fault.DIRECTION_CLOSED_CODE: "Error_User_Destination_Blocked",
    Fault.DECLINED: "Текст SMS отклонен модератором",
    Fault.DECLINED_CODE: "Error_SMS_Declined",
    Fault.BAD_SENDER: "Такого отправителя нет",
    Fault.NO_SENDER: "Нет отправителя",
    Fault.SENDER_UNMODERATED: "Отправитель не прошел модерацию",
    Fault.SENDER_TOO_LONG: "Отправитель не должен превышать 11 символов",
    Fault.BAD_SENDER_CODE: "Error_Invalid_Source_Address",
    Fault.NO_TEXT: "Нет текста сообщения",
    Fault.NO_TEXT_CODE: "Error_No_Text",
    Fault.NO_RECIPIENT: "Укажите номер телефона",
    Fault.RECIPIENT_TOO_LONG: "Номер телефона должен быть меньше 15 символов",
    Fault.SAME_REQUEST: "error: Попытка отправки более одного одинакового запроса в течение минуты",
    Fault.FLOOD: "Flood SMS",
}
"""Refusals and their words. None of them charges anything, and only ``PARKED`` keeps the message."""

FAULT_BODIES: Mapping[Fault, bytes] = {
    Fault.WRONG_ENCODING: REFUSAL_WORDS[Fault.STOP_LIST].encode("cp1251"),
    Fault.EMPTY: b"",
    Fault.HTML: b"<!DOCTYPE html><html><head><title>Error</title></head><body>1179038981</body></html>",
    Fault.GARBAGE_BODY: bytes(range(128, 256)) + b"\x00\x01\x02",
    Fault.HUGE_BODY: b"1179038981\n" * (4 * 1024 * 1024 // 11),
}
"""Bodies that replace the body of the page (HTTP 200)."""

HTTP_STATUS: Mapping[Fault, int] = {
    Fault.REDIRECT: 302,
    Fault.HTTP_429: 429,
    Fault.HTTP_500: 500,
    Fault.HTTP_502: 502,
    Fault.HTTP_503: 503,
}

TAKING_FAULTS = frozenset(
    {
        Fault.TWO_IDS,
        Fault.SLOW,
        Fault.TRICKLE,
        Fault.HANG_AFTER_TAKING,
        Fault.CUT_AFTER_TAKING,
        Fault.RESET_AFTER_TAKING,
        Fault.HALF_HEADERS,
        Fault.HALF_BODY,
    }
)
"""Faults under which the page takes and charges the SMS. They spoil only the answer."""

USUAL_DELAY: Mapping[Fault, Ms] = {Fault.SLOW: 500, Fault.TRICKLE: 10}
"""Default delays of faults that need one."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ArmedFault:
    """A fault that waits for a matching request."""

    fault: Fault
    times_left: int | None
    """Requests that it still spoils; None: all."""
    recipient: str | None
    delay: Ms
    kind: RequestKind | None
    taken: bool | None

    def matches(self, kind: RequestKind, numbers: Sequence[str]) -> bool:
        if self.kind is not None and self.kind is not kind:
            return False
        return self.recipient is None or self.recipient in numbers

    @property
    def takes(self) -> bool:
        """True if the page takes the SMS under this fault."""
        return self.fault in TAKING_FAULTS if self.taken is None else self.taken


class ArmedFaults:
    """The faults that wait. If several match a request, the one armed first applies."""

    def __init__(self) -> None:
        self._armed: list[ArmedFault] = []

    def arm(self, armed: ArmedFault) -> None:
        self._armed.append(armed)

    def clear(self) -> None:
        self._armed.clear()

    def for_connection(self) -> bool:
        """True if a fault closes the connection before anything is read from it. Uses the fault up."""
        if not self._armed:
            return False
        for at, armed in enumerate(self._armed):
            if armed.fault is Fault.CUT_BEFORE_READING and armed.recipient is None:
                self._use_up(at)
                return True
        return False

    def for_request(self, kind: RequestKind, numbers: Sequence[str]) -> ArmedFault | None:
        for at, armed in enumerate(self._armed):
            if armed.matches(kind, numbers):
                self._use_up(at)
                return armed
        return None

    def __bool__(self) -> bool:
        return bool(self._armed)

    def _use_up(self, at: int) -> None:
        armed = self._armed[at]
        if armed.times_left is None:
            return
        if armed.times_left <= 1:
            del self._armed[at]
        else:
            self._armed[at] = replace(armed, times_left=armed.times_left - 1)
