"""A yaml-language-server as editors run it: JSON-RPC over its standard input and output."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

SECONDS = 30
SETTINGS = {"validate": True, "completion": True, "hover": True, "schemaStore": {"enable": False}}


class LanguageServer:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = iter(range(1, 10_000))
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._diagnostics: dict[str, asyncio.Future[list[dict[str, Any]]]] = {}

    async def open(self, file: Path, text: str) -> list[str]:
        """Open a file with this text. Returns the mistakes that the editor underlines, as ``line:column message``."""
        loop = asyncio.get_running_loop()
        waiting = self._diagnostics[file.as_uri()] = loop.create_future()
        document = {"uri": file.as_uri(), "languageId": "yaml", "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})
        async with asyncio.timeout(SECONDS):
            found = await waiting
        return [
            f"{each['range']['start']['line'] + 1}:{each['range']['start']['character'] + 1} {each['message']}"
            for each in found
        ]

    async def complete(self, file: Path, line: int, column: int) -> list[str]:
        """The completions at a position; lines and columns from 1."""
        answer = await self.request("textDocument/completion", self._at(file, line, column))
        return [item["label"] for item in answer["items"]]

    async def hover(self, file: Path, line: int, column: int) -> str:
        answer = await self.request("textDocument/hover", self._at(file, line, column))
        return cast(str, answer["contents"]["value"])

    @staticmethod
    def _at(file: Path, line: int, column: int) -> dict[str, Any]:
        return {
            "textDocument": {"uri": file.as_uri()},
            "position": {"line": line - 1, "character": column - 1},
        }

    async def request(self, method: str, params: object) -> Any:
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        self._write({"id": number, "method": method, "params": params})
        async with asyncio.timeout(SECONDS):
            return await self._answers[number]

    def notify(self, method: str, params: object) -> None:
        self._write({"method": method, "params": params})

    def _write(self, message: dict[str, object]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    async def listen(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while header := await stream.readuntil(b"\r\n\r\n"):
            length = next(int(line[15:]) for line in header.split(b"\r\n") if line.startswith(b"Content-Length:"))
            self._take(json.loads(await stream.readexactly(length)))

    def _take(self, message: dict[str, Any]) -> None:
        if "method" not in message:
            self._answers.pop(message["id"]).set_result(message.get("result"))
        elif message["method"] == "workspace/configuration":
            wanted = [item.get("section") for item in message["params"]["items"]]
            self._write({"id": message["id"], "result": [SETTINGS if name == "yaml" else {} for name in wanted]})
        elif "id" in message:
            self._write({"id": message["id"], "result": None})
        elif message["method"] == "textDocument/publishDiagnostics":
            waiting = self._diagnostics.get(message["params"]["uri"])
            if waiting is not None and not waiting.done():
                waiting.set_result(message["params"]["diagnostics"])


@asynccontextmanager
async def language_server(node: str, script: Path, folder: Path) -> AsyncIterator[LanguageServer]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        node, str(script), "--stdio", stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, limit=1 << 24
    )
    server = LanguageServer(process)
    listening = asyncio.create_task(server.listen())
    try:
        capabilities = {"workspace": {"configuration": True}, "textDocument": {"publishDiagnostics": {}}}
        await server.request(
            "initialize", {"processId": None, "rootUri": folder.as_uri(), "capabilities": capabilities}
        )
        server.notify("initialized", {})
        server.notify("workspace/didChangeConfiguration", {"settings": {"yaml": SETTINGS}})
        yield server
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        process.kill()
        await process.wait()
