"""All requests go through the configured proxy, or to the configured Bot API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from bridge.model.base import SECOND
from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import ApiError, FailureKind
from tests.certificate import self_signed, server_side
from tests.flow.telegram.team import GROUP, Team, team
from tests.needs import lacking
from tests.proxies import HttpProxy, Proxy, SocksProxy, copied, proxy

KINDS = [HttpProxy, SocksProxy]


@asynccontextmanager
async def behind(folder: Path, url: str, api_url: str = "") -> AsyncIterator[Team]:
    async with team(folder, forum=False, running=False) as group:
        changed = {"proxy": url} | ({"api_url": api_url} if api_url else {})
        telegram = group.settings.telegram.model_copy(update=changed)
        group.settings = group.settings.model_copy(update={"telegram": telegram})
        yield group


async def conversation(group: Team) -> None:
    """A question is shown and answered."""
    group.start()
    post = await group.received("Where is my order?")
    group.api.says(GROUP, "On its way", reply_to=post.id)
    await group.until(group.has_sms)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("user", ["", "bridge"])
async def test_a_conversation_goes_through_the_proxy(tmp_path: Path, kind: type[Proxy], user: str) -> None:
    async with proxy(kind, user, "secret" if user else "") as way, behind(tmp_path, way.url) as group:
        await conversation(group)
        there = urlsplit(group.api.url).netloc
        assert {asked.split(" ")[1] for asked in way.asked} == {there}
        assert len(way.asked) >= 2, "questions for updates and calls"
        assert way.refused == 0


async def test_https_goes_through_a_tunnel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path)
    if certificate is None:
        lacking("openssl")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with proxy(HttpProxy, "bridge", "secret") as way, behind(tmp_path, way.url) as plain:
        there = urlsplit(plain.api.url)

        async def unwrap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            inner_reader, inner_writer = await asyncio.open_connection(there.hostname, there.port)
            try:
                await asyncio.gather(copied(reader, inner_writer), copied(inner_reader, writer))
            finally:
                inner_writer.close()
                writer.close()

        front = await asyncio.start_server(unwrap, "127.0.0.1", 0, ssl=server_side(certificate))
        async with front:
            port = front.sockets[0].getsockname()[1]
            api = Api(SecretStr(plain.api.token), f"https://127.0.0.1:{port}", way.url)
            await api.start()
            try:
                assert await api.updates(None, 0) == []
            finally:
                await api.close()
        assert set(way.asked) == {f"CONNECT 127.0.0.1:{port}"}


async def test_a_proxy_that_refuses_is_an_outage_that_ends(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # HTTP only: the library leaves the socket of a refused SOCKS handshake to the garbage collector, which warns.
    async with proxy(HttpProxy, "bridge", "right") as way:
        wrong = way.url.replace(":right@", ":wrong@")
        async with behind(tmp_path, wrong) as group:
            group.start()
            began = group.clock.now()
            await group.until(lambda: group.clock.now() > began + 20 * SECOND)
            assert not group.side.health().connected
            assert way.refused >= 2
            assert group.api.calls == []
            await group.stop()
            telegram = group.settings.telegram.model_copy(update={"proxy": way.url})
            group.settings = group.settings.model_copy(update={"telegram": telegram})
            await conversation(group)
    assert "wrong" not in caplog.text


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_is_not_there_is_known_not_to_have_sent_anything(scheme: str) -> None:
    async with proxy() as way:
        port = urlsplit(way.url).port
    api = Api(SecretStr("123:" + "a" * 35), "http://127.0.0.1:9", f"{scheme}://127.0.0.1:{port}")
    await api.start()
    try:
        with pytest.raises(ApiError) as raised:
            await api.updates(None, 0)
    finally:
        await api.close()
    assert raised.value.kind is FailureKind.UNREACHABLE


async def test_an_own_server_below_a_path_is_called_there(tmp_path: Path) -> None:
    """A Bot API server of one's own behind a reverse proxy may live at ``https://host/telegram``."""
    heard: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.readuntil(b"\r\n\r\n")).decode().split(" ")[1])
        body = b'{"ok": true, "result": []}'
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    token = "123:" + "a" * 35
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        api = Api(SecretStr(token), f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/telegram/")
        await api.start()
        try:
            assert await api.updates(None, 0) == []
        finally:
            await api.close()
    assert heard == [f"/telegram/bot{token}/getUpdates"]
