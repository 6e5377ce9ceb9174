"""A client that sends raw bytes: no proper HTTP client can make the bad input of these tests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote_from_bytes

BOUND = 15
"""Seconds after which a wait of a test has failed."""

_TURNS = 5
"""Turns of the loop in which the server reads a segment before the next one is written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes


BY_AIOHTTP = "Connection: keep-alive\r\n"
"""A header line that makes aiohttp answer: a call with a line about its connection is no ordinary one."""
more_headers = ""
"""Header lines of each request; set by a fixture."""


def request(target: str | bytes, *, method: str = "GET", version: str = "1.1", headers: str = "") -> bytes:
    target = target.encode() if isinstance(target, str) else target
    lines = f"Host: bridge\r\n{more_headers}{headers}"
    return method.encode() + b" " + target + f" HTTP/{version}\r\n{lines}\r\n".encode()


def callback(*, path: str = "/sms.php", text: str | None = "hello", raw: bytes | None = None, **values: str) -> bytes:
    """A request target of the platform. ``raw`` stands for the text, without any encoding."""
    fields = {"date": "2026-01-06 12:00:00", "smsid": "5094", "sender": "79001112233", "receiver": "1234", "prefix": ""}
    fields |= values
    pairs = [f"{name}={quote_from_bytes(value.encode())}".encode() for name, value in fields.items()]
    if raw is not None:
        pairs.append(b"text=" + raw)
    elif text is not None:
        pairs.append(b"text=" + quote_from_bytes(text.encode()).encode())
    return path.encode() + b"?" + b"&".join(pairs)


async def read_reply(reader: asyncio.StreamReader, *, head_only: bool = False) -> Reply:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = b"" if head_only else await reader.readexactly(int(headers["content-length"]))
    return Reply(status=int(first.split(" ")[1]), headers=headers, body=body, raw=head + body)


async def exchange(
    port: int, segments: bytes | Sequence[bytes], *, replies: int = 1, head_only: bool = False
) -> list[Reply]:
    """Send each segment in a TCP segment of its own, and read ``replies`` answers."""
    async with asyncio.timeout(BOUND):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for segment in [segments] if isinstance(segments, bytes) else segments:
                writer.write(segment)
                await writer.drain()
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
            return [await read_reply(reader, head_only=head_only) for _ in range(replies)]
        finally:
            writer.close()


async def get(port: int, target: str | bytes, *, headers: str = "") -> Reply:
    [reply] = await exchange(port, request(target, headers=headers))
    return reply


async def everything(port: int, data: bytes) -> bytes:
    """All bytes that come back until the server closes."""
    async with asyncio.timeout(BOUND):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(data)
            writer.write_eof()
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()
