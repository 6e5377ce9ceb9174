"""A PostgreSQL server of a test's own: for passwords, standbys, restarts and copies below the tables.

Needs the server's programs (Debian: ``postgresql``), which are looked for in the usual places. Where they are missing
the tests that need them are skipped and say so; in CI (``CI`` is set) they fail instead.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.service import free_port

_PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def program(name: str) -> str | None:
    """The newest, or the one on the path."""
    return next((str(place / name) for place in _PLACES if (place / name).exists()), shutil.which(name))


def needs(*names: str) -> pytest.MarkDecorator:
    missing = [name for name in names if program(name) is None]
    return pytest.mark.skipif(
        "CI" not in os.environ and bool(missing), reason=f"PostgreSQL's programs are missing: {', '.join(missing)}"
    )


needs_cluster = needs("initdb", "pg_ctl")


class Cluster:
    """Trusts the user postgres, asks everybody else for a password."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()

    def url(self, user: str = "postgres", database: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def make(self) -> None:
        self.call("initdb", "--no-sync", "-D", self.data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-locale")
        rules = [
            "local all all trust",
            "host all postgres 127.0.0.1/32 trust",
            "host all all 127.0.0.1/32 scram-sha-256",
        ]
        (self.data / "pg_hba.conf").write_text("\n".join(rules) + "\n")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off -c shared_buffers=16MB"
        log = self.folder / "log"
        self.call("pg_ctl", "start", "-w", "-s", "-D", self.data, "-l", log, "-o", options)

    def stop(self) -> None:
        self.call("pg_ctl", "stop", "-w", "-s", "-m", "fast", "-D", self.data)

    def crash(self) -> None:
        """Sessions are cut off, nothing is written any more: the next start goes through the log."""
        self.call("pg_ctl", "stop", "-w", "-s", "-m", "immediate", "-D", self.data)

    def stand_by(self) -> None:
        """From the next start on, as a standby whose primary is away: it can be read."""
        (self.data / "standby.signal").touch()

    @property
    def runs(self) -> bool:
        return (self.data / "postmaster.pid").exists()

    def call(self, name: str, *words: str | Path) -> None:
        """As a user that the server's programs accept: they refuse root."""
        found = program(name)
        assert found is not None, f"{name} is missing"
        done = subprocess.run([found, *map(str, words)], capture_output=True, timeout=60, text=True, **_as_user())
        assert done.returncode == 0, f"{name}: {done.stderr}"


def _as_user() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": (), "cwd": "/"}


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Started; stopped and gone at the end."""
    with tempfile.TemporaryDirectory(prefix="pg") as name:  # not pytest's: another user must be able to get there
        folder = Path(name)
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
        made = Cluster(folder)
        made.make()
        made.start()
        try:
            yield made
        finally:
            if made.runs:
                made.stop()


def run_tool(name: str, *words: str | Path, stdin: Sequence[bytes] = ()) -> bytes:
    """``pg_dump`` and its like, as an operator calls them."""
    found = program(name)
    assert found is not None, f"{name} is missing"
    done = subprocess.run([found, *map(str, words)], input=b"".join(stdin), capture_output=True, timeout=120)
    assert done.returncode == 0, f"{name}: {done.stderr.decode()}"
    return done.stdout
