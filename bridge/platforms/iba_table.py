"""The words of the platform family and what they mean, as tables.

Facts only, no code that reads an answer: that is in the modules beside this one.
"""

from __future__ import annotations

from bridge.model.answers import Reason, ReportClass, SendClass
from bridge.value import value_object


@value_object
class Row:
    """A line of the answers table: how an answer begins, and what that means."""

    beginnings: tuple[str, ...]
    outcome: SendClass
    reason: Reason
    of_one: bool = False
    """It speaks of one recipient. In a request with several it does not tell what became of the others."""


# All of them were seen in the field, with HTTP 200. Compared without case, markup, "ё" and a leading "error:".
ROWS: tuple[Row, ...] = (
    Row(
        beginnings=("Неправильный логин или пароль", "Error_Invalid_Login"),
        outcome=SendClass.ACCOUNT_FAULT,
        reason=Reason.BAD_LOGIN,
    ),
    Row(
        beginnings=("Аккаунт заблокирован", "Ваш аккаунт заблокирован", "Error_SMS_User_Disabled"),
        outcome=SendClass.ACCOUNT_FAULT,
        reason=Reason.BLOCKED,
    ),
    Row(
        beginnings=("Закончились SMS", "У нас закончились SMS", "Error_Not_Enough_Credits"),
        outcome=SendClass.ACCOUNT_FAULT,
        reason=Reason.NO_CREDIT,
    ),
    # The sentence goes on "… SMS будет отправлена как только вы пополните счет". Its beginning is enough: to take a
    # reworded or cut one for a plain lack of credit would send the message a second time after the top-up.
    Row(beginnings=("Недостаточно средств",), outcome=SendClass.PARKED, reason=Reason.PARKED),
    Row(
        beginnings=("Номер телефона присутствует в стоп-листе",),
        outcome=SendClass.REFUSED,
        reason=Reason.STOP_LIST,
        of_one=True,
    ),
    Row(
        beginnings=("Данное направление закрыто", "Error_User_Destination_Blocked"),
        outcome=SendClass.REFUSED,
        reason=Reason.DIRECTION_CLOSED,
        of_one=True,
    ),
    Row(
        beginnings=("Текст SMS отклонен модератором", "Error_SMS_Declined"),
        outcome=SendClass.REFUSED,
        reason=Reason.MODERATED,
    ),
    Row(
        beginnings=(
            "Такого отправителя нет",
            "Нет отправителя",
            "Отправитель не прошел модерацию",
            "Отправитель не должен превышать",
            "Error_Invalid_Source_Address",
        ),
        outcome=SendClass.REFUSED,
        reason=Reason.BAD_SENDER,
    ),
    Row(
        beginnings=("Нет текста сообщения", "Error_No_Text"),
        outcome=SendClass.REFUSED,
        reason=Reason.NO_TEXT,
    ),
    Row(
        beginnings=("Укажите номер телефона", "Номер телефона должен быть меньше 15 символов"),
        outcome=SendClass.REFUSED,
        reason=Reason.BAD_NUMBER,
        of_one=True,
    ),
    Row(
        beginnings=("Попытка отправки более одного одинакового запроса в течение минуты", "Flood SMS"),
        outcome=SendClass.SAME_REQUEST,
        reason=Reason.SAME_REQUEST,
    ),
)

# A status that is not a success, where the words are not in the table above. A 4xx is the server's own word that it
# refuses the request, so the script behind it did not work. What is missing here is unknown: 3xx, 5xx, and what is odd.
STATUSES: dict[int, tuple[SendClass, Reason]] = {
    429: (SendClass.TEMPORARY, Reason.BUSY),
    **dict.fromkeys((401, 403, 404, 405, 410), (SendClass.ACCOUNT_FAULT, Reason.NOT_ADMITTED)),
    **dict.fromkeys((400, 414, 431), (SendClass.REFUSED, Reason.BAD_REQUEST)),
}

# The first two are the document's, the others the field's. Compared without case; every other word is kept as it came.
STATUS_WORDS = {
    "send": ReportClass.SENT,
    "deliver": ReportClass.DELIVERED,
    "not_deliver": ReportClass.UNDELIVERED,
    "expired": ReportClass.EXPIRED,
    "partly_deliver": ReportClass.PARTLY,
}
