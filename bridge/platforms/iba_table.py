"""The words of the platform family and their meanings, as tables. Facts only; other modules read the answers."""

from __future__ import annotations

from bridge.model.answers import ReportOutcome, SendOutcome, SmsReason
from bridge.value import value_object


@value_object
class AnswerRow:
    """A row of the answers table: the beginnings of an answer, and their meaning."""

    beginnings: tuple[str, ...]
    outcome: SendOutcome
    reason: SmsReason
    about_one_recipient: bool = False
    """The answer is about one recipient. For a request with several it does not tell the outcome of the others."""


# All of them were seen with HTTP 200. They are compared without case, markup, "ё" and a leading "error:".
ROWS: tuple[AnswerRow, ...] = (
    AnswerRow(
        beginnings=("Неправильный логин или пароль", "Error_Invalid_Login"),
        outcome=SendOutcome.ACCOUNT_FAULT,
        reason=SmsReason.BAD_LOGIN,
    ),
    AnswerRow(
        beginnings=("Аккаунт заблокирован", "Ваш аккаунт заблокирован", "Error_SMS_User_Disabled"),
        outcome=SendOutcome.ACCOUNT_FAULT,
        reason=SmsReason.BLOCKED,
    ),
    AnswerRow(
        beginnings=("Закончились SMS", "У нас закончились SMS", "Error_Not_Enough_Credits"),
        outcome=SendOutcome.ACCOUNT_FAULT,
        reason=SmsReason.NO_CREDIT,
    ),
    # The sentence goes on "… SMS будет отправлена как только вы пополните счет". The row has only its beginning, so
    # that a changed or cut sentence matches, too. If that counted as a plain lack of credit, the message would be sent
    # a second time after the top-up.
    AnswerRow(beginnings=("Недостаточно средств",), outcome=SendOutcome.PARKED, reason=SmsReason.PARKED),
    AnswerRow(
        beginnings=("Номер телефона присутствует в стоп-листе",),
        outcome=SendOutcome.REFUSED,
        reason=SmsReason.STOP_LIST,
        about_one_recipient=True,
    ),
    AnswerRow(
        beginnings=("Данное направление закрыто", "Error_User_Destination_Blocked"),
        outcome=SendOutcome.REFUSED,
        reason=SmsReason.DIRECTION_CLOSED,
        about_one_recipient=True,
    ),
    AnswerRow(
        beginnings=("Текст SMS отклонен модератором", "Error_SMS_Declined"),
        outcome=SendOutcome.REFUSED,
        reason=SmsReason.MODERATED,
    ),
    AnswerRow(
        beginnings=(
            "Такого отправителя нет",
            "Нет отправителя",
            "Отправитель не прошел модерацию",
            "Отправитель не должен превышать",
            "Error_Invalid_Source_Address",
        ),
        outcome=SendOutcome.REFUSED,
        reason=SmsReason.BAD_SENDER,
    ),
    AnswerRow(
        beginnings=("Нет текста сообщения", "Error_No_Text"),
        outcome=SendOutcome.REFUSED,
        reason=SmsReason.NO_TEXT,
    ),
    AnswerRow(
        beginnings=("Укажите номер телефона", "Номер телефона должен быть меньше 15 символов"),
        outcome=SendOutcome.REFUSED,
        reason=SmsReason.BAD_NUMBER,
        about_one_recipient=True,
    ),
    AnswerRow(
        beginnings=("Попытка отправки более одного одинакового запроса в течение минуты", "Flood SMS"),
        outcome=SendOutcome.SAME_REQUEST,
        reason=SmsReason.SAME_REQUEST,
    ),
)

# HTTP statuses other than success, for answers whose words are not in the table above. With a 4xx the server itself
# refuses the request, so the script did not run. All other statuses are unknown outcomes: 3xx, 5xx, and odd ones.
STATUSES: dict[int, tuple[SendOutcome, SmsReason]] = {
    429: (SendOutcome.TEMPORARY, SmsReason.BUSY),
    **dict.fromkeys((401, 403, 404, 405, 410), (SendOutcome.ACCOUNT_FAULT, SmsReason.NOT_ADMITTED)),
    **dict.fromkeys((400, 414, 431), (SendOutcome.REFUSED, SmsReason.BAD_REQUEST)),
}

# The first two are in the platform's document, the others were seen. Compared without case; other words are kept.
STATUS_WORDS = {
    "send": ReportOutcome.SENT,
    "deliver": ReportOutcome.DELIVERED,
    "not_deliver": ReportOutcome.UNDELIVERED,
    "expired": ReportOutcome.EXPIRED,
    "partly_deliver": ReportOutcome.PARTLY,
}
