"""Collects a service's output outside its log, file by file: commands, probes, the admin socket."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from bridge.web.admin import socket_beside
from tests.chaos.planted_words import NUMBER, SECRET, TEXT, WORD
from tests.service import Service


class Outputs:
    """The outputs that are not in the log, file by file."""

    def __init__(self, folder: Path, service: Service) -> None:
        self._folder = folder
        self._service = service
        folder.mkdir(exist_ok=True)

    async def command(self, *words: str) -> None:
        """``sms-bridge`` with the service's configuration: what it prints on both streams."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bridge", *words, "-c", str(self._service.config)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(90):
            printed, _ = await process.communicate()
        self._keep("-".join(("command", *words[:2])), printed)

    async def commands(self, *several: Sequence[str]) -> None:
        await asyncio.gather(*(self.command(*words) for words in several))

    async def probes(self) -> None:
        async with aiohttp.ClientSession() as session:
            for name, port in (("callbacks", self._service.port), ("web", self._service.web_port)):
                for path in ("livez", "readyz", f"{WORD}?{WORD}={SECRET}"):
                    async with session.get(f"http://127.0.0.1:{port}/{path}") as answer:
                        self._keep(f"probe-{name}", repr(answer.headers).encode() + await answer.read())

    async def admin(self) -> None:
        """The socket of the commands, asked well and badly."""
        connector = aiohttp.UnixConnector(str(socket_beside(self._service.database)))
        asked: Sequence[tuple[str, str, object]] = (
            ("GET", "status", None),
            ("POST", "send", {"to": "nobody", "text": TEXT}),
            ("POST", "send", {"to": NUMBER.format(1), "text": f"{TEXT} at-order"}),
            ("POST", "send", [TEXT]),
            ("POST", "queue/99999/retry", None),
            ("POST", f"queue/{WORD}/retry", None),
            ("GET", f"{WORD}", None),
        )
        async with aiohttp.ClientSession(connector=connector) as session:
            for number, (method, path, body) in enumerate(asked):
                async with session.request(method, f"http://service/{path}", json=body) as answer:
                    self._keep(f"admin-{number}", repr(answer.headers).encode() + await answer.read())

    def _keep(self, name: str, content: bytes) -> None:
        with (self._folder / f"{name}.log").open("ab") as file:
            file.write(content + b"\n")
