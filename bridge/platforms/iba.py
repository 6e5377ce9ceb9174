"""IBA Telecom and the operators that run the same white-label platform: one script with three uses, all GET.

Hosts of the family differ only in address and path, which are settings. The requests to the script are here. Its
answers are in ``iba_table`` (facts), ``iba_answers`` and ``iba_questions``, its callbacks in ``iba_callback``. No other
module knows a fact of the platform. This module does not retry, limit rates, log or keep state.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence

from pydantic import SecretStr

from bridge.config import AccountSettings
from bridge.model.answers import Balance, DeliveryReport, Receipt, SendOutcome, SmsReason
from bridge.platforms.http import HttpLimits
from bridge.platforms.http_client import HttpClient
from bridge.platforms.http_query import Quoter
from bridge.platforms.iba_answers import classify
from bridge.platforms.iba_callback import CallFault, CallRefused, acknowledgement, parse_callback
from bridge.platforms.iba_questions import parse_balance, parse_report

__all__ = ["CallFault", "CallRefused", "IbaPlatform", "SmsReason", "acknowledgement", "parse_callback"]

MAX_RECIPIENTS = 10
"""Most recipients of one request (platform's document)."""

# International format without "+" (platform's document). The check refuses a comma, which would add a recipient.
_NUMBER = re.compile(r"[0-9]{1,15}")

# The platform would refuse a recipient that is no number, so no request is sent.
_NO_NUMBER = Receipt(outcome=SendOutcome.REFUSED, reason=SmsReason.BAD_NUMBER)


class IbaPlatform:
    """One account at one host of the family. Implements :class:`bridge.ports.platform.Platform`."""

    def __init__(
        self,
        settings: AccountSettings,
        *,
        limits: HttpLimits | None = None,
        tls: ssl.SSLContext | None = None,
        client: type[HttpClient] = HttpClient,
    ) -> None:
        """``tls`` trusts a private authority. Tests set ``limits`` and ``client``."""
        self._login = settings.login
        self._password = settings.password
        self._quote = Quoter(settings.encoding)
        # The beginning of each request.
        self._account = SecretStr(
            f"user={self._quote(settings.login)}&pwd={self._quote(settings.password.get_secret_value())}"
        )
        self._http = client(
            f"{settings.url.rstrip('/')}/{settings.script.lstrip('/')}",
            connections=settings.connections,
            limits=limits,
            tls=tls,
            headers={"User-Agent": "sms-bridge"},
        )

    async def send(self, recipient: str, sender_name: str, text: str) -> Receipt:
        number = _number(recipient)
        if number is None:
            return _NO_NUMBER
        (receipt,) = await self._send((number,), sender_name, text)
        return receipt

    async def send_many(self, recipients: Sequence[str], sender_name: str, text: str) -> Sequence[Receipt]:
        if len(recipients) > MAX_RECIPIENTS:
            raise ValueError(f"at most {MAX_RECIPIENTS} recipients fit in one request")
        numbers = [_number(recipient) for recipient in recipients]
        # A number that is given twice gets one SMS: the ids would not tell whether one or two were sent.
        asked = tuple(dict.fromkeys(number for number in numbers if number is not None))
        receipts: dict[str | None, Receipt] = {}
        if asked:
            receipts = dict(zip(asked, await self._send(asked, sender_name, text), strict=True))
        return tuple(receipts.get(number, _NO_NUMBER) for number in numbers)

    async def _send(self, numbers: tuple[str, ...], sender_name: str, text: str) -> tuple[Receipt, ...]:
        account, quote = self._account.get_secret_value(), self._quote
        query = f"{account}&sadr={quote(sender_name)}&dadr={','.join(numbers)}&text={quote(text)}"
        return classify(await self._http.get(query), numbers, secrets=(*self._secrets(), text))

    async def report(self, platform_id: str) -> DeliveryReport:
        query = f"{self._account.get_secret_value()}&smsid={self._quote(platform_id)}"
        return parse_report(await self._http.get(query), secrets=self._secrets())

    async def balance(self) -> Balance:
        query = f"{self._account.get_secret_value()}&balance=1"
        return parse_balance(await self._http.get(query), secrets=self._secrets())

    async def close(self) -> None:
        await self._http.close()

    def _secrets(self) -> tuple[str, ...]:
        return (self._password.get_secret_value(), self._login)


def _number(recipient: str) -> str | None:
    number = recipient.strip().removeprefix("+")
    return number if _NUMBER.fullmatch(number) else None
