"""Starting the listeners, their proofs and probes, and a machine without free files."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
import sqlite3
from collections.abc import Awaitable, Callable

import pytest
import structlog
from aiohttp import web

from bridge.errors import BridgeError
from bridge.web import proof
from bridge.web.health import Probes, Readiness
from bridge.web.proof import prove_long_lines
from tests.unit.web.conftest import Site, SiteMaker, counting_requests
from tests.unit.web.wire import BOUND, callback, exchange, get, request


async def test_the_probes_answer_on_both_listeners(site: Site) -> None:
    for port in (site.port, site.listeners.web_port):
        assert (await get(port, "/livez")).status == 200
        ready = await get(port, "/readyz")
        assert ready.status == 200
        assert json.loads(ready.body)["ok"] is True


async def test_only_the_operators_listener_shows_the_parts(site: Site) -> None:
    public = json.loads((await get(site.port, "/readyz")).body)
    private = json.loads((await get(site.listeners.web_port, "/readyz")).body)
    assert public == {"ok": True}
    assert private == {"ok": True, "intake": "accepting", "store": "ok"}


async def test_a_store_that_cannot_commit_is_not_ready_but_alive(site: Site) -> None:
    locker = sqlite3.connect(site.path, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    try:
        ready = await get(site.listeners.web_port, "/readyz")
        assert ready.status == 503
        assert json.loads(ready.body)["ok"] is False
        assert (await get(site.listeners.web_port, "/livez")).status == 200
    finally:
        locker.execute("ROLLBACK")
        locker.close()


class CountingHealth:
    def __init__(self, answer: Callable[[], Awaitable[Readiness]]) -> None:
        self.asked = 0
        self._answer = answer

    async def readiness(self) -> Readiness:
        self.asked += 1
        return await self._answer()


async def test_many_who_ask_at_once_cost_one_commit() -> None:
    async def answer() -> Readiness:
        return Readiness(ok=True)

    health = CountingHealth(answer)
    probes = Probes(health, accepting=lambda: True)
    answers = await asyncio.gather(*(probes.ready(parts=False) for _ in range(50)))
    assert {answer.status for answer in answers} == {200}
    assert health.asked == 1


async def test_a_probe_that_fails_says_not_ready_without_the_reasons_text() -> None:
    async def answer() -> Readiness:
        raise ValueError("password=hunter2")

    with structlog.testing.capture_logs() as logs:
        ready = await Probes(CountingHealth(answer), accepting=lambda: True).ready(parts=True)
    assert ready.status == 503
    assert isinstance(ready.body, bytes)
    assert b"hunter2" not in ready.body
    assert "hunter2" not in str(logs)


async def test_the_other_listener_does_not_show_the_request_in_its_errors(site: Site) -> None:
    for data in (b"GET /x?smsid=5094&x=\xcf HTTP/1.1\r\nHost: a\r\n\r\n", request("/x?smsid=5094")):
        [reply] = await exchange(site.listeners.web_port, data)
        assert reply.status in (400, 404)
        assert b"5094" not in reply.raw


async def test_callbacks_are_not_taken_on_the_other_listener(site: Site) -> None:
    assert (await get(site.listeners.web_port, callback())).status == 404
    assert await site.stored() == []


async def test_an_address_that_is_taken_is_a_message_for_people(site: Site, make_site: SiteMaker) -> None:
    with pytest.raises(BridgeError, match=rf"{site.port} \(server.port\): Address already in use.* Each needs its own"):
        await make_site(port=site.port)
    assert (await site.get(callback())).status == 200


async def test_the_proof_passes_on_our_own_listener(site: Site) -> None:
    await prove_long_lines("127.0.0.1", site.port)


async def test_the_proof_fails_where_a_limit_was_dropped() -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response()

    runner = web.ServerRunner(web.Server(answer))  # aiohttp's own limit of 8,190 bytes
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        with pytest.raises(BridgeError, match="long"):
            await prove_long_lines("127.0.0.1", site.port)
    finally:
        await runner.cleanup()


async def test_the_proof_fails_where_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(BridgeError):
            await prove_long_lines("127.0.0.1", unused.getsockname()[1])


async def test_running_out_of_files_is_one_line_in_the_log_and_passes(site: Site) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    clients = [socket.socket() for _ in range(20)]
    loop = asyncio.get_running_loop()
    with structlog.testing.capture_logs() as logs:
        try:
            # A file opened now would get the lowest free number; from there on nothing can be opened.
            lowest = os.dup(0)
            os.close(lowest)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
            for client in clients:
                client.setblocking(False)
                await loop.sock_connect(client, ("127.0.0.1", site.port))
            async with asyncio.timeout(BOUND):
                while not any(entry["event"] == "accept_failed" for entry in logs):
                    await asyncio.sleep(0)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for client in clients:
                client.close()
        assert (await site.get(callback())).body == b"smsid=5094"
    assert [entry["event"] for entry in logs].count("accept_failed") == 1


@pytest.fixture
def no_change_of_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event loop whose transports stay with their first protocol, which the ordinary answers rely on."""
    transport = asyncio.selector_events._SelectorTransport  # type: ignore[attr-defined]
    change = transport.set_protocol

    def only_the_first(self: asyncio.Transport, protocol: asyncio.BaseProtocol) -> None:
        if not hasattr(self, "_protocol"):
            change(self, protocol)

    monkeypatch.setattr(transport, "set_protocol", only_the_first)


@pytest.mark.usefixtures("no_change_of_protocol")
async def test_where_ordinary_answers_do_not_work_they_are_switched_off_and_calls_are_answered(
    make_site: SiteMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "TIMEOUT", 0.2)
    with structlog.testing.capture_logs() as logs:
        site = await make_site()
    assert [entry["event"] for entry in logs] == ["ordinary_answers_switched_off"]
    by_aiohttp = counting_requests(monkeypatch)
    calls = b"".join(request(callback(smsid=str(number), raw=b"\xcf")) for number in range(50))
    replies = await exchange(site.port, calls, replies=50)
    assert [reply.body for reply in replies] == [b"smsid=%d" % number for number in range(50)]
    assert len(by_aiohttp) == 50


async def test_where_ordinary_answers_work_nothing_is_logged(make_site: SiteMaker) -> None:
    with structlog.testing.capture_logs() as logs:
        await make_site()
    assert logs == []
