"""A PostgreSQL server of a test's own, which it may stop, crash and start again."""

from __future__ import annotations

import asyncio
import glob
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.service import free_port

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "logging_collector": "off",
    "max_connections": "100",
}


def programs() -> Path | None:
    """Where ``initdb`` and ``pg_ctl`` are; Debian keeps them out of the path."""
    found = shutil.which("pg_ctl") or next(
        iter(sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_ctl"), reverse=True)), None
    )
    return Path(found).parent if found is not None else None


needs_server = pytest.mark.skipif(
    "CI" not in os.environ and programs() is None, reason="PostgreSQL's server programs are not installed"
)


class PrivateServer:
    """:meth:`make` once, then :meth:`start`, :meth:`stop` and :meth:`crash` in any order, :meth:`remove` last."""

    def __init__(self) -> None:
        bin_ = programs()
        assert bin_ is not None, "PostgreSQL's server programs are not installed"
        self._bin = bin_
        self._folder = Path(tempfile.mkdtemp(prefix="sms-postgres-"))
        self._data = self._folder / "data"
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    async def make(self) -> None:
        if os.getuid() == 0:
            shutil.chown(self._folder, "postgres")  # the server refuses to run as root
        await self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")
        lines = [f"{name} = '{value}'" for name, value in {**_SETTINGS, "port": str(self.port)}.items()]
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")

    async def start(self) -> None:
        """Returns when it takes connections."""
        await self._control("start", "-l", str(self._folder / "log"))

    async def stop(self) -> None:
        """As an administrator does: sessions are ended, what was committed is written."""
        await self._control("stop", "-m", "fast")

    async def crash(self) -> None:
        """Without any of that: the next start goes through its log."""
        await self._control("stop", "-m", "immediate")

    async def remove(self) -> None:
        if (self._data / "postmaster.pid").exists():
            await self.crash()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _control(self, *words: str) -> None:
        await self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "60", *words)

    async def _run(self, program: str, *words: str) -> None:
        command = [str(self._bin / program), *words]
        if os.getuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        # Not a pipe: the server would inherit it, and its end would never come.
        with (self._folder.with_suffix(".said")).open("w+b") as said:
            process = await asyncio.create_subprocess_exec(*command, stdout=said, stderr=said, cwd="/")
            code = await process.wait()
            said.seek(0)
            words_said = said.read()
        self._folder.with_suffix(".said").unlink()
        assert code == 0, f"{program}: {words_said.decode(errors='replace')[-500:]}"
