"""How a command finds the services of its machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from bridge.cli.service import ProcessStatus
from bridge.cli.status import joined
from bridge.config import Settings, load
from bridge.web.admin import remove_stale_socket, service_sockets, socket_path
from bridge.web.health import NOT_HERE, STANDBY


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def settings(folder: Path, url: str) -> Settings:
    file = folder / f"{len(list(folder.iterdir()))}.yaml"
    file.write_text(f"accounts: {{main: {{login: a, password: b, sender: MyShop}}}}\nstorage: {{url: '{url}'}}\n")
    return load(file, {})


def test_each_process_of_a_shared_store_has_its_own_and_all_are_found(tmp_path: Path) -> None:
    ours = settings(tmp_path, "postgresql://bridge:one@db.example/sms?search_path=a")
    path = socket_path(ours)
    assert str(os.getpid()) in path.name
    path.touch()
    init = path.with_name(path.name.replace(str(os.getpid()), "1"))
    init.touch()
    assert sorted(service_sockets(ours)) == sorted([path, init])
    # Another configuration file, another user of the database, a port that is spelled out: the same store.
    assert len(service_sockets(settings(tmp_path, "postgresql://other:two@db.example:5432/sms?search_path=a"))) == 2
    for other in ("db.example/sms?search_path=b", "db.example/other?search_path=a", "host.example/sms?search_path=a"):
        assert service_sockets(settings(tmp_path, f"postgresql://bridge:one@{other}")) == []


def test_those_of_the_same_configuration_are_asked_first(tmp_path: Path) -> None:
    url = "postgresql://bridge@db.example/sms"
    ours, others = settings(tmp_path, url), settings(tmp_path, url)
    for each in (ours, others):
        for process in ("1", "2"):
            path = socket_path(each)
            path.with_name(path.name.replace(f"-{os.getpid()}.", f"-{process}.")).touch()
    own, theirs = service_sockets(ours, own=True), service_sockets(others, own=True)
    assert len(own) == len(theirs) == 2
    assert (service_sockets(ours), service_sockets(others)) == ([*own, *theirs], [*theirs, *own])


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_orders_do_not_go_to_what_another_user_put_there(tmp_path: Path) -> None:
    ours = settings(tmp_path, "postgresql://bridge@db.example/sms")
    path = socket_path(ours)
    path.touch()
    os.chown(path, 12_345, -1)
    assert service_sockets(ours) == []


def test_only_what_a_dead_process_left_is_taken_away(tmp_path: Path) -> None:
    ours = settings(tmp_path, "postgresql://bridge@db.example/sms")
    path = socket_path(ours)
    gone = path.with_name(path.name.replace(f"-{os.getpid()}.", f"-{2**31 - 1}."))
    odd = [path.with_name(path.name.replace(f"-{os.getpid()}.", f"-{end}.")) for end in ("x", "٤٢", "", 10**20)]
    for each in (path, gone, *odd):
        each.touch()
        remove_stale_socket(ours, each)
    assert [each.exists() for each in (path, gone, *odd)] == [True, False, True, True, True, False]


@pytest.mark.parametrize(
    "name",
    ["bridge.db", "sms-2024", f"sms-{2**31 - 1}", "sms-1234567890123456", f"sms-bridge-0-{'a' * 16}-{2**31 - 1}"],
)
def test_the_socket_of_a_file_is_nobodys_to_take_away(tmp_path: Path, name: str) -> None:
    ours = settings(tmp_path, f"sqlite:///{tmp_path}/{name}")
    path = socket_path(ours)
    path.touch()
    remove_stale_socket(ours, path)
    assert service_sockets(ours) == [path]


def test_what_several_say_is_told_once_where_it_is_the_same() -> None:
    said = [
        ProcessStatus(process="process 1", parts={"store": "ok", "account main": "ok", "telegram": STANDBY}),
        ProcessStatus(
            process="process 2",
            parts={"store": "ok", "account main": "unreachable", "telegram": "ok, last heard 1s ago"},
        ),
        ProcessStatus(process="process 3", parts={"store": "ok", "telegram": NOT_HERE}),
    ]
    assert joined(said) == {
        "store": "ok",
        "account main": "process 1: ok; process 2: unreachable",
        "telegram": "ok, last heard 1s ago",
    }
    alone = ProcessStatus(process="process 1", parts={"telegram": STANDBY})
    assert joined([alone]) == {"telegram": STANDBY}
