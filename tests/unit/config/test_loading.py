"""Which file is used, what becomes of it, and what is only warned of."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bridge.config import AccountSettings, Rate, ServerSettings, Settings, StorageSettings, find, load
from bridge.errors import ConfigError

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[2] / "config.example.yaml"
ACCOUNT = "accounts: {main: {login: demo, password: demo, sender: MyShop, callback: {secret: long-enough}}}\n"
TRIAL = "accounts: {main: {login: l, password: p, sender: TESTSMS}}"
ALLOWED = ACCOUNT.replace("secret: long-enough", "allow: [203.0.113.7]")


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def warnings(path: Path) -> list[str]:
    return [f"{problem.line}:{problem.column}: {problem.path}" for problem in load(path, {}).warnings]


def test_the_whole_documented_shape_is_read() -> None:
    environ = {"IBA_LOGIN": "login", "IBA_PASSWORD": "password", "CALLBACK_SECRET": "secret"}
    settings = load(HERE / "full.yaml", environ)
    account = settings.accounts["main"]
    assert account.login == "login"
    assert account.password.get_secret_value() == "password"
    assert account.senders == {"79001112233": "79001112233"}
    assert account.numbers == ("1234",)
    assert account.rate == Rate(10, 1_000)
    assert account.callback.allow == (ip_network("203.0.113.0/24"),)
    assert account.callback.timezone == ZoneInfo("Europe/Moscow")
    assert account.callback.silent_after is None
    assert account.status.poll == (5_000, 65_000, 300_000, 1_800_000, 7_200_000, 21_600_000)
    assert account.balance.warn_below == 500.0
    assert settings.telegram.chats["support"].id == -1001234567890
    assert settings.telegram.chats["support"].operators == (123456789,)
    assert settings.telegram.undo is None
    assert settings.guards.per_number == Rate(5, 600_000)
    assert settings.hours["office"].week == {"mon-fri": ("09:00-18:00",)}
    assert settings.lists == {"vip": ("+79001112233",)}
    assert settings.replies == {"hello": "Здравствуйте! Чем помочь?"}
    assert settings.warnings == ()


def test_what_the_shape_gives_is_what_a_missing_key_gives(tmp_path: Path) -> None:
    """The values of the documented shape are the defaults, wherever a default makes sense."""
    full = load(HERE / "full.yaml", {"IBA_LOGIN": "l", "IBA_PASSWORD": "p", "CALLBACK_SECRET": "s"})
    bare = load(written(tmp_path, ACCOUNT), {})
    assert (bare.server, bare.web, bare.region, bare.guards, bare.logging) == (
        full.server,
        full.web,
        full.region,
        full.guards,
        full.logging,
    )
    assert bare.accounts["main"].status == full.accounts["main"].status
    assert bare.telegram.model_copy(update={"chats": full.telegram.chats}).confirm_parts == full.telegram.confirm_parts


def test_the_example_is_fine_without_any_variable_and_has_every_key_of_the_shape() -> None:
    settings = load(EXAMPLE, {})
    assert [problem.path for problem in settings.warnings] == ["accounts.main.callback.secret"]
    left_out = {"language"}  # of a chat; shown in a comment
    for section in (settings, settings.server, settings.web, settings.telegram, settings.guards, settings.logging):
        assert set(type(section).model_fields) - section.model_fields_set - {"warnings"} == set()
    for account in settings.accounts.values():
        for part in (account, account.callback, account.status, account.balance):
            assert set(type(part).model_fields) == part.model_fields_set
    for chat in settings.telegram.chats.values():
        assert set(type(chat).model_fields) - chat.model_fields_set == left_out


def test_relative_paths_are_counted_from_the_folder_of_the_file(tmp_path: Path) -> None:
    settings = load(written(tmp_path, ACCOUNT + "rules: answers\nstorage: {url: 'sqlite:///var/x.db'}\n"), {})
    assert settings.file == tmp_path / "config.yaml"
    assert settings.rules == tmp_path / "answers"
    assert settings.storage.sqlite_path == tmp_path / "var/x.db"
    absolute = load(written(tmp_path, ACCOUNT + "storage: {url: 'sqlite:////var/lib/x.db'}\n"), {})
    assert absolute.storage.sqlite_path == Path("/var/lib/x.db")


def test_settings_can_be_built_in_code(tmp_path: Path) -> None:
    account = AccountSettings(login="x", password="y", sender="Shop", max_age=500, reply_ttl="10m", rate=None)
    settings = Settings(
        file=tmp_path / "config.yaml", accounts={"a": account}, server=ServerSettings(port=0), storage=StorageSettings()
    )
    assert settings.accounts["a"].reply_ttl == 600_000
    assert settings.accounts["a"].max_age == 500
    assert settings.storage.sqlite_path == tmp_path / "data/bridge.db"


def test_settings_do_not_change() -> None:
    settings = load(EXAMPLE, {})
    with pytest.raises(ValueError, match="frozen"):
        settings.region = "KZ"


def test_an_empty_section_has_its_defaults(tmp_path: Path) -> None:
    settings = load(written(tmp_path, ACCOUNT + "telegram:\nguards: ~\n"), {})
    assert settings.telegram.language == "ru"
    assert settings.guards.daily_parts == 2000


def test_undo_is_a_duration(tmp_path: Path) -> None:
    assert load(written(tmp_path, ACCOUNT + "telegram: {undo: 5s}\n"), {}).telegram.undo == 5_000


def test_confirming_can_be_switched_off(tmp_path: Path) -> None:
    assert load(written(tmp_path, ACCOUNT + "telegram: {confirm_parts: off}\n"), {}).telegram.confirm_parts >= 255


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TRIAL, ["1:12: accounts.main.callback.secret", "1:50: accounts.main.sender"]),
        (ACCOUNT + "server: {host: 0.0.0.0}", []),
        (ALLOWED, ["1:82: accounts.main.callback.allow"]),
        (ALLOWED + "server: {host: '::'}", ["1:64: accounts.main.callback.secret"]),
        (ACCOUNT.replace("long-enough", "with/slash"), ["1:83: accounts.main.callback.secret"]),
        (ACCOUNT + "telegram: {token: '123:abcdef'}", ["2:1: telegram.chats"]),
        (ACCOUNT + "telegram: {chats: {a: {id: 5}}}", ["2:1: telegram.default_chat"]),
        (ACCOUNT + "telegram: {chats: {a: {id: 5}}, default_chat: a}", []),
    ],
)  # fmt: skip
def test_what_works_and_is_probably_not_meant_is_warned_of(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert warnings(written(tmp_path, text)) == expected


def test_the_file_named_on_the_command_line_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here, there, third = (tmp_path / name for name in ("config.yaml", "there.yaml", "third.yaml"))
    for path in (here, there, third):
        path.touch()
    environ = {"SMS_BRIDGE_CONFIG": str(there)}
    assert find(str(third), environ) == third
    assert find(None, environ) == there
    assert find(None, {}) == Path("config.yaml")
    assert find(None, {"SMS_BRIDGE_CONFIG": ""}) == Path("config.yaml")


def test_a_file_that_was_named_and_is_missing_is_not_replaced_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").touch()
    with pytest.raises(ConfigError, match="no such file \\(named by -c\\)"):
        find("other.yaml", {})
    with pytest.raises(ConfigError, match="is a folder \\(named by SMS_BRIDGE_CONFIG\\)"):
        find(None, {"SMS_BRIDGE_CONFIG": str(tmp_path)})


def test_without_a_file_the_places_looked_at_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as raised:
        find(None, {})
    for place in ("-c", "SMS_BRIDGE_CONFIG", str(tmp_path / "config.yaml"), "/etc/sms-bridge/config.yaml"):
        assert place in str(raised.value)


def test_all_ten_mistakes_are_told_at_once_in_the_order_of_the_lines() -> None:
    with pytest.raises(ConfigError) as raised:
        load(HERE / "bad" / "ten_mistakes.yaml", {})
    assert [(problem.line, problem.column, problem.path) for problem in raised.value.problems] == [
        (1, 16, "server.port"),
        (2, 1, "regoin"),
        (4, 3, "accounts.main"),
        (6, 13, "accounts.main.sender"),
        (7, 11, "accounts.main.rate"),
        (8, 14, "accounts.main.max_age"),
        (9, 17, "accounts.main.on_unknown"),
        (10, 22, "accounts.main.callback.path"),
        (13, 43, "telegram.chats.support.anonymous_admins"),
        (14, 17, "telegram.default_chat"),
    ]
