"""One account at an SMS platform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridge.model.answers import Balance, DeliveryReport, Receipt


class Platform(Protocol):
    """One account at an SMS platform. Never repeats a request by itself, never raises for an answer it dislikes."""

    async def send(self, recipient: str, sender_name: str, text: str) -> Receipt:
        """Send one SMS. Every outcome is a :class:`Receipt`; ``NOT_SENT`` only where that is certain.

        Cancellation propagates after the request may have left: the caller treats it as unknown.
        """

    async def send_many(self, recipients: Sequence[str], sender_name: str, text: str) -> Sequence[Receipt]:
        """Send one text to up to 10 recipients in one request; a receipt for each, in their order."""

    async def report(self, platform_id: str) -> DeliveryReport:
        """The delivery status of an id. :raises PlatformError: no usable answer; the message keeps its state."""

    async def balance(self) -> Balance:
        """:raises PlatformError: no usable answer (the document: nothing at all on an error)."""

    async def close(self) -> None: ...
