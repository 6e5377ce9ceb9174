"""One account at an SMS platform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridge.model.answers import Balance, DeliveryReport, Receipt


class Platform(Protocol):
    """One account at an SMS platform. It never repeats a request by itself. No answer to a send raises an error."""

    async def send(self, recipient: str, sender_name: str, text: str) -> Receipt:
        """Send one SMS. Every outcome is a :class:`Receipt`. ``NOT_SENT`` means that this is certain.

        A cancellation can come when the request has left already, so the caller must treat the outcome as unknown.
        """

    async def send_many(self, recipients: Sequence[str], sender_name: str, text: str) -> Sequence[Receipt]:
        """Send one text to up to 10 recipients in one request. Returns a receipt for each, in their order."""

    async def report(self, platform_id: str) -> DeliveryReport:
        """Ask for the delivery report of an id. :raises PlatformError: no usable answer; the SMS keeps its state."""

    async def balance(self) -> Balance:
        """Ask for the balance of the account.

        :raises PlatformError: no usable answer (the document: the platform answers nothing at all on an error).
        """

    async def close(self) -> None: ...
