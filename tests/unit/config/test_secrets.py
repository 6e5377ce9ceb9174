"""A secret of the configuration is shown nowhere: not in problems, not in a repr, not in an exception's chain."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.config import AccountSettings, TelegramSettings, load
from bridge.config.settings import StorageSettings
from bridge.errors import ConfigError

SECRET = "hunter2hunter2"

GOOD = """
accounts:
  main:
    login: demo
    password: ${PASSWORD}
    sender: MyShop
    callback: {secret: "${PASSWORD}"}
telegram:
  token: ${TOKEN}
  webhook_secret: ${PASSWORD}
  proxy: http://user:${PASSWORD}@proxy:3128
"""
TOKEN = "123456789:AAF-hunter2hunter2-hunter2hunter2"


def test_settings_hide_their_secrets_and_name_them_for_the_log(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(GOOD)
    settings = load(path, {"PASSWORD": SECRET, "TOKEN": TOKEN})
    for shown in (repr(settings), str(settings), repr(settings.telegram), repr(settings.accounts), f"{settings!r:s}"):
        assert SECRET not in shown
    assert settings.secrets() == {SECRET, TOKEN}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://bridge:one%2Ftwo@db.example/bridge",
        "postgresql://db.example/bridge?user=bridge&password=one%2Ftwo",
        "postgresql://db.example/bridge?sslkey=key.pem&sslpassword=one%2Ftwo",
    ],
)
def test_a_password_of_the_database_is_a_secret_wherever_the_url_has_it(url: str) -> None:
    assert StorageSettings(url=url).passwords >= {"one/two"}


def test_a_file_has_no_password() -> None:
    assert not StorageSettings(url="sqlite:///data/bridge.db").passwords


FIELDS = [
    "accounts.main.url",
    "accounts.main.script",
    "accounts.main.sender",
    "accounts.main.encoding",
    "accounts.main.rate",
    "accounts.main.connections",
    "accounts.main.on_unknown",
    "accounts.main.max_age",
    "accounts.main.callback",
    "accounts.main.callback.path",
    "accounts.main.callback.allow",
    "accounts.main.callback.answer",
    "accounts.main.callback.timezone",
    "accounts.main.callback.silent_after",
    "accounts.main.status.poll",
    "accounts.main.balance.warn_below",
    "telegram.token",
    "telegram.proxy",
    "telegram.api_url",
    "telegram.updates",
    "telegram.undo",
    "telegram.confirm_parts",
    "telegram.default_chat",
    "telegram.chats",
    "storage.url",
    "region",
    "hours",
    "guards.per_number",
    "guards.takeover",
    "logging.level",
    "server.port",
]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [f"{SECRET} {SECRET}", "123456789012"])
def test_a_secret_in_the_wrong_field_is_not_repeated(tmp_path: Path, field: str, value: str) -> None:
    document: dict[str, object] = {}
    for path in ("accounts.main.login", "accounts.main.password", "accounts.main.sender", field):
        *parents, key = path.split(".")
        part = document
        for parent in parents:
            below = part.setdefault(parent, {})
            part = below if isinstance(below, dict) else part
        part[key] = "${SECRET}"
    path_of_file = tmp_path / "config.yaml"
    path_of_file.write_text(dump(document))
    try:
        shown = repr(load(path_of_file, {"SECRET": value}).warnings)
    except ConfigError as error:
        shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.problems)
    assert value not in shown


def dump(value: object, indent: str = "") -> str:
    if isinstance(value, dict):
        return "".join(f"\n{indent}{key}: {dump(inner, indent + '  ')}" for key, inner in value.items())
    return str(value)


def test_a_model_built_in_code_does_not_show_what_was_wrong() -> None:
    for build in (
        lambda: AccountSettings(login="x", password=f"{SECRET}\n", sender="Shop"),
        lambda: TelegramSettings(token=SECRET),
    ):
        with pytest.raises(ValidationError) as raised:
            build()
        assert SECRET not in str(raised.value)


def test_broken_yaml_around_a_secret_does_not_show_it(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    for line in (
        f"password: *{SECRET}",
        f"password: !{SECRET} x",
        f"password: !{SECRET}!x y",
        f"password: '{SECRET}",
        f"password: {SECRET}: x",
        f"password: @{SECRET}",
        f"password: %{SECRET}",
        f'password: "\\{SECRET}"',
        f"password: [{SECRET}",
        f"password: {{{SECRET}}}",
        f"password: |{SECRET}",
        f"password: ${{{SECRET}-1}}",
    ):
        path.write_text(f"accounts:\n  main:\n    login: l\n    sender: s\n    {line}\n")
        with pytest.raises(ConfigError) as raised:
            load(path, {})
        assert SECRET not in str(raised.value), line
