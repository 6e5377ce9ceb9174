"""IBA Telecom and the operators that run the same white-label platform: one script, three uses, all GET.

Hosts of the family differ in address and path only, and those are settings. What the script is asked is here; what it
answers is in ``iba_table`` (facts), ``iba_answers`` and ``iba_questions``; how it calls us is in ``iba_callback``. No
other module knows a fact of the platform. This one does not retry, pace, log or remember anything.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from urllib.parse import quote_from_bytes

from bridge.config import AccountSettings
from bridge.model import Balance, Reason, Receipt, Report, SendClass
from bridge.platforms.http import Answer, HttpLimits, NoAnswer, OnceClient
from bridge.platforms.iba_answers import classify
from bridge.platforms.iba_callback import CallFault, CallRefused, acknowledgement, parse_callback
from bridge.platforms.iba_questions import parse_balance, parse_report
from bridge.text import charsets

__all__ = ["CallFault", "CallRefused", "IbaPlatform", "Reason", "acknowledgement", "parse_callback"]

MOST_RECIPIENTS = 10
"""In one request (document)."""

# International format without "+" (document). The check keeps a comma out, which would add a recipient.
_NUMBER = re.compile(r"[0-9]{1,15}")


class IbaPlatform:
    """One account at one host of the family. Implements :class:`bridge.ports.Platform`."""

    def __init__(
        self,
        settings: AccountSettings,
        *,
        limits: HttpLimits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``limits`` and ``tls`` default to what production needs; tests and private authorities set them."""
        self._settings = settings
        self._address = f"{settings.url.rstrip('/')}/{settings.script.lstrip('/')}"
        self._http = OnceClient(
            connections=settings.connections, limits=limits, tls=tls, headers={"User-Agent": "sms-bridge"}
        )

    async def send(self, recipient: str, sender_name: str, text: str) -> Receipt:
        (receipt,) = await self.send_many((recipient,), sender_name, text)
        return receipt

    async def send_many(self, recipients: Sequence[str], sender_name: str, text: str) -> Sequence[Receipt]:
        if len(recipients) > MOST_RECIPIENTS:
            raise ValueError(f"at most {MOST_RECIPIENTS} recipients fit in one request")
        numbers = [recipient.strip().removeprefix("+") for recipient in recipients]
        # The same number twice: one SMS or two, nobody could tell by the ids. It is asked for once.
        asked = tuple(dict.fromkeys(number for number in numbers if _NUMBER.fullmatch(number)))
        receipts: dict[str, Receipt] = {}
        if asked:
            answer = await self._ask({"sadr": sender_name, "dadr": ",".join(asked), "text": text})
            receipts = dict(zip(asked, classify(answer, asked, secrets=(*self._secrets(), text)), strict=True))
        # Not a number: the platform would refuse it, so it is not asked.
        no_number = Receipt(outcome=SendClass.REFUSED, reason=Reason.BAD_NUMBER)
        return tuple(receipts.get(number, no_number) for number in numbers)

    async def report(self, platform_id: str) -> Report:
        return parse_report(await self._ask({"smsid": platform_id}), secrets=self._secrets())

    async def balance(self) -> Balance:
        return parse_balance(await self._ask({"balance": "1"}), secrets=self._secrets())

    async def close(self) -> None:
        await self._http.close()

    async def _ask(self, parameters: Mapping[str, str]) -> Answer | NoAnswer:
        account = {"user": self._settings.login, "pwd": self._settings.password.get_secret_value()}
        query = "&".join(f"{name}={self._quote(value)}" for name, value in {**account, **parameters}.items())
        return await self._http.get(self._address, query)

    def _quote(self, value: str) -> str:
        # By hand, because a URL class encodes in UTF-8 only. A comma may stand in a query as it is.
        raw, _ = charsets.encode_query(value, self._settings.encoding)
        return quote_from_bytes(raw, safe=",")

    def _secrets(self) -> tuple[str, ...]:
        return (self._settings.password.get_secret_value(), self._settings.login)
