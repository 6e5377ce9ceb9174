"""The callbacks of the simulated platform, kept so that they can be repeated.

Why it exists: a platform repeats a call byte by byte until it is acknowledged. So a repetition must send the same bytes
again, not write the message a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from bridge.model.base import Ms
from bridge.ports.clock import Clock
from bridge.sandbox.caller import CallEncoding, call, encode_query, is_acknowledged
from bridge.sandbox.records import CallbackResult
from bridge.sandbox.sendpage import PLATFORM_TIME
from bridge.value import value_object


@value_object
class Message:
    """One inbound SMS, written as the query of a call."""

    smsid: str
    url: str
    query: bytes


class Callbacks:
    """Writes inbound SMS as calls of the bridge's callback, sends them and repeats them."""

    def __init__(self, clock: Clock, *, first_smsid: int, on_result: Callable[[CallbackResult], None]) -> None:
        self._clock = clock
        self._next_smsid = first_smsid
        self._on_result = on_result
        self._messages: dict[str, Message] = {}

    def write(
        self,
        url: str,
        *,
        text: str,
        sender: str,
        receiver: str,
        prefix: str,
        smsid: str | None,
        encoding: CallEncoding,
        date: str | None,
    ) -> Message:
        """Write the message with its fields in the order of the document. Without ``smsid`` it gets a new id."""
        if smsid is None:
            smsid, self._next_smsid = str(self._next_smsid), self._next_smsid + 1
        now = datetime.fromtimestamp(self._clock.now() / 1000, UTC).astimezone(PLATFORM_TIME)
        fields = {
            "date": f"{now:%Y-%m-%d %H:%M:%S}" if date is None else date,
            "text": text,
            "smsid": smsid,
            "sender": sender,
            "receiver": receiver,
            "prefix": prefix,
        }
        message = Message(smsid=smsid, url=url, query=encode_query(fields, encoding))
        self._messages[smsid] = message
        return message

    async def send(self, message: Message, *, attempts: int, gap: Ms) -> CallbackResult:
        result = await self._call(message)
        for attempt in range(2, attempts + 1):
            if result.acknowledged:
                break
            if gap:
                await self._clock.sleep(gap)
            result = replace(await self._call(message), calls=attempt)
        return result

    async def redeliver(self, smsid: str, times: int) -> list[CallbackResult]:
        """Repeat the callback of a message. :raises KeyError: no message with this id was sent."""
        return [await self._call(self._messages[smsid]) for _ in range(times)]

    async def send_raw(self, url: str, raw_query: bytes, method: str) -> CallbackResult:
        found = next((part[6:] for part in raw_query.split(b"&") if part.startswith(b"smsid=")), b"")
        return await self._call(Message(smsid=found.decode("latin-1"), url=url, query=raw_query), method)

    async def _call(self, message: Message, method: str = "GET") -> CallbackResult:
        answer = await call(message.url, message.query, method=method)
        result = CallbackResult(
            smsid=message.smsid,
            status=answer.status,
            body=answer.body.decode("utf-8", "replace"),
            acknowledged=bool(message.smsid) and is_acknowledged(message.smsid, answer.body),
            headers=answer.headers,
            error=answer.error,
        )
        self._on_result(result)
        return result
