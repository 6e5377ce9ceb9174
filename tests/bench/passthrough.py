"""The least that turns a callback into an SMS: aiohttp's server, aiohttp's client, nothing kept, nothing decided."""

from __future__ import annotations

import asyncio
from multiprocessing.connection import Connection
from typing import Self

import aiohttp
from aiohttp import web

from tests.bench.load import LOGIN, PASSWORD, SCRIPT, SENDER_NAME
from tests.bench.processes import Child, Subject, run_loop


async def _serve(pipe: Connection, platform_url: str) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:

        async def callback(request: web.Request) -> web.Response:
            query = request.query
            sending = {
                "user": LOGIN,
                "pwd": PASSWORD,
                "sadr": SENDER_NAME,
                "dadr": query["sender"],
                "text": f"Ответ на «{query['text'].split()[0]}»",
            }
            async with session.get(f"{platform_url}{SCRIPT}", params=sending) as answer:
                await answer.read()
            return web.Response(text=f"smsid={query['smsid']}")

        application = web.Application()
        application.router.add_get("/sms.php", callback)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        pipe.send(f"http://{host}:{port}/sms.php")
        await asyncio.Event().wait()


def _process(pipe: Connection, platform_url: str) -> None:
    run_loop(_serve(pipe, platform_url))


class PassThrough:
    """Context manager: the pass-through in a process of its own."""

    def __init__(self, platform_url: str) -> None:
        self._platform_url = platform_url

    def __enter__(self) -> Self:
        self._child = Child(_process, self._platform_url)
        self.subject = Subject(callback_urls=(self._child.address,), pids=(self._child.pid,))
        return self

    def __exit__(self, *_: object) -> None:
        self._child.stop()
