"""The driver of the callback: brings each message until it is acknowledged, whatever the other side does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.chaos.callers import Callers, Delivery, delivery, one_by_one

LIMIT_S = 10
LOOK_AGAIN = 0.005
Answer = Callable[[int], bytes | None]
"""The number of the request, from 1 → what is answered; None cuts the connection."""


@asynccontextmanager
async def bridge(answer: Answer) -> AsyncIterator[tuple[str, list[bytes]]]:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                await reader.readuntil(b"\r\n\r\n")
                seen.append(line)
                said = answer(len(seen))
                if said is None:
                    return
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/sms.php", seen


def wanted(url: str, count: int) -> list[Delivery]:
    return [delivery(url, smsid=str(number), sender="79000000001", text="эхо") for number in range(100, 100 + count)]


async def test_each_message_is_brought_once_where_all_goes_well() -> None:
    async with bridge(lambda number: b"smsid=100") as (url, seen):
        told: list[str] = []
        callers = Callers(url, 1, one_by_one(wanted(url, 1)), lambda done: told.append(done.smsid))
        callers.start()
        await callers.until(1, LIMIT_S)
        await callers.stop(LIMIT_S)
    assert told == ["100"]
    assert len(seen) == 1


@pytest.mark.parametrize("first", [None, b"busy", b"smsid=999"])
async def test_what_was_not_acknowledged_is_brought_again_byte_by_byte(first: bytes | None) -> None:
    async with bridge(lambda number: first if number < 3 else b"smsid=100") as (url, seen):
        told: list[str] = []
        callers = Callers(url, 1, one_by_one(wanted(url, 1)), lambda done: told.append(done.smsid))
        callers.start()
        await callers.until(1, LIMIT_S)
        await callers.stop(LIMIT_S)
    assert told == ["100"]
    assert len(seen) == 3
    assert len(set(seen)) == 1


async def test_a_stop_waits_for_what_is_under_way_and_says_what_was_never_acknowledged() -> None:
    async with bridge(lambda number: b"no") as (url, seen):
        callers = Callers(url, 2, one_by_one(wanted(url, 5)), lambda done: None)
        callers.start()
        async with asyncio.timeout(LIMIT_S):
            while len(set(seen)) < 2:
                await asyncio.sleep(LOOK_AGAIN)
        with pytest.raises(TimeoutError, match="0 of 1 callbacks acknowledged"):
            await callers.until(1, 0.05)
        with pytest.raises(TimeoutError, match="2 callbacks were not acknowledged"):
            await callers.stop(0.05)
    assert {line.split(b"smsid=")[1][:3] for line in seen} == {b"100", b"101"}
