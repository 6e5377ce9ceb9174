"""The keys of ``config.yaml`` as classes: names, types, defaults, and checks that need one value.

The names of keys are a contract with other tools. Durations are in milliseconds, and ``off`` becomes None. Code can
also build the classes from Python values. Checks that need two values or a location in the file are in ``checks``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bridge.config import values
from bridge.errors import Problem
from bridge.model.base import HOUR, MINUTE, SECOND, Language
from bridge.schema.values import (
    Between,
    Duration,
    Flag,
    Network,
    OptionalDuration,
    OptionalRate,
    Rate,
    Shortest,
    TimeZone,
    Whole,
    check_sender_name,
)

Name = Annotated[str, AfterValidator(values.check_name)]
Secret = Annotated[SecretStr, AfterValidator(values.check_secret)]
Password = Annotated[Secret, AfterValidator(values.check_secret_not_empty)]
SenderName = Annotated[str, AfterValidator(check_sender_name)]
OwnNumber = Annotated[str, AfterValidator(values.normalise_own_number)]
BaseUrl = Annotated[str, AfterValidator(values.check_base_url)]
UrlPath = Annotated[str, AfterValidator(values.check_path)]


class Section(BaseModel):
    """A part of the file. An unknown key is a mistake; an empty section has its defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, data: object) -> object:
        return {} if data is None else data


class ServerSettings(Section):
    """The listener that the platform calls."""

    host: Annotated[str, AfterValidator(values.check_host)] = "127.0.0.1"
    port: Annotated[int, Between(1, 65535, zero_in_code=True)] = 8080
    shutdown: Annotated[Duration, Shortest("1s")] = 20 * SECOND


class WebSettings(Section):
    """The listener for people and monitoring."""

    host: Annotated[str, AfterValidator(values.check_host)] = "127.0.0.1"
    port: Annotated[int, Between(1, 65535, zero_in_code=True)] = 8081
    public_url: Annotated[str, AfterValidator(values.check_public_url)] = ""


class CallbackSettings(Section):
    path: UrlPath = "/sms.php"
    secret: Secret = SecretStr("")
    allow: tuple[Network, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
    encoding: Literal["auto", "utf-8", "windows-1251"] = "auto"
    timezone: TimeZone = ZoneInfo("Europe/Moscow")
    answer: Annotated[str, AfterValidator(values.check_answer)] = "smsid={smsid}"
    silent_after: Annotated[OptionalDuration, Shortest("1m")] = None
    """Counted in the working hours named `office`."""


class StatusSettings(Section):
    poll: Annotated[tuple[Annotated[Duration, Shortest("1s")], ...], Field(min_length=1)] = (
        5 * SECOND,
        65 * SECOND,
        5 * MINUTE,
        30 * MINUTE,
        2 * HOUR,
        6 * HOUR,
    )
    """Intervals between status requests; the last one repeats."""
    give_up: Annotated[Duration, Shortest("1m")] = 72 * HOUR
    rate: OptionalRate = Rate(5, SECOND)


class BalanceSettings(Section):
    every: Annotated[OptionalDuration, Shortest("1m")] = 10 * MINUTE
    warn_below: Annotated[
        float | None, BeforeValidator(values.parse_amount_or_off, json_schema_input_type=float | Literal["off"])
    ] = None


class AccountSettings(Section):
    """One account at the platform: its login, its sender names, its limits."""

    url: BaseUrl = "http://smpp.ibatele.com"
    script: UrlPath = "/sendsms.php"
    login: Annotated[str, AfterValidator(values.check_not_empty)] = Field(examples=["login: ${IBA_LOGIN}"])
    password: Password = Field(examples=["password: ${IBA_PASSWORD}"])
    sender: SenderName = Field(examples=["sender: MyShop"])
    senders: dict[OwnNumber, SenderName] = {}
    numbers: tuple[OwnNumber, ...] = ()
    encoding: Literal["utf-8", "windows-1251"] = "utf-8"
    rate: OptionalRate = Rate(10, SECOND)
    connections: Annotated[int, Between(1, 1000)] = 16
    on_unknown: Literal["ask", "leave", "probe"] = "ask"
    max_age: Annotated[OptionalDuration, Shortest("1m")] = 12 * HOUR
    reply_ttl: Annotated[OptionalDuration, Shortest("1s")] = HOUR
    callback: CallbackSettings = CallbackSettings()
    status: StatusSettings = StatusSettings()
    balance: BalanceSettings = BalanceSettings()


class ChatSettings(Section):
    id: Annotated[Whole, AfterValidator(values.check_chat_id)] = Field(examples=["id: -1001234567890"])
    mode: Literal["topics", "replies"] = "replies"
    send: Literal["all", "replies"] = "all"
    operators: Annotated[Literal["members"] | tuple[int, ...], BeforeValidator(values.parse_operators)] = "members"
    anonymous_admins: Flag = False
    replace: Flag = False
    """Replace quotes and dashes that alone make a reply more costly with plain ones, without asking."""
    language: Language | None = None
    """Language of the bot in this chat; None: ``telegram.language``."""


class TelegramSettings(Section):
    token: Annotated[Secret, AfterValidator(values.check_token)] = SecretStr("")
    """Empty: the bridge runs without Telegram, and forwards wait in the store."""
    api_url: BaseUrl = "https://api.telegram.org"
    proxy: Annotated[str, AfterValidator(values.check_proxy)] = Field(default="", repr=False)
    """May hold a user and a password, so it is not shown."""
    updates: Literal["polling", "webhook"] = "polling"
    webhook_secret: Secret = SecretStr("")
    language: Language = "ru"
    note_mark: Annotated[str, AfterValidator(values.check_note_mark)] = "//"
    confirm_parts: Annotated[
        int,
        Between(1, values.NO_CONFIRM_PARTS),
        BeforeValidator(values.parse_confirm_parts, json_schema_input_type=int | Literal["off"]),
    ] = 3
    undo: Annotated[OptionalDuration, Shortest("1s"), AfterValidator(values.check_undo)] = None
    """The time that an operator's reply waits, so that the operator can still stop it."""
    remind_after: Annotated[OptionalDuration, Shortest("1m")] = None
    """Counted in the working hours named `office`."""
    chats: dict[Name, ChatSettings] = {}
    default_chat: str = ""
    admin_chat: str = ""
    """Empty: the default chat."""
    admins: tuple[Whole, ...] = ()


class StorageSettings(Section):
    url: Annotated[str, AfterValidator(values.check_storage)] = "sqlite:///data/bridge.db"

    @property
    def is_postgresql(self) -> bool:
        """True for a PostgreSQL database, which several nodes can share. False for the SQLite file of one node."""
        return self.url.startswith(values.POSTGRES)

    @property
    def sqlite_path(self) -> Path:
        """The file of an SQLite store."""
        return Path(self.url.removeprefix(values.SQLITE))

    @property
    def passwords(self) -> frozenset[str]:
        """The passwords in the URL. The driver takes them from the part before the host and from the query."""
        if not self.is_postgresql:
            return frozenset()
        parts = urlsplit(self.url)
        in_query = [value for name, value in parse_qsl(parts.query) if name in ("password", "sslpassword")]
        return frozenset({unquote(parts.password or ""), *in_query})

    def resolved_in(self, folder: Path) -> StorageSettings:
        """The settings with a relative path resolved against ``folder``."""
        if self.is_postgresql:
            return self
        return self.model_copy(update={"url": f"{values.SQLITE}{folder / self.sqlite_path}"})


class HoursSettings(Section):
    """Named working hours. Rules use them in the condition ``hours``."""

    timezone: TimeZone = ZoneInfo("Europe/Moscow")
    week: dict[
        Annotated[str, AfterValidator(values.check_days)],
        Annotated[
            tuple[str, ...],
            BeforeValidator(values.parse_times, json_schema_input_type=values.TimesText | list[values.TimesText]),
        ],
    ] = {}
    holidays: Annotated[str, AfterValidator(values.check_country)] = ""


class GuardSettings(Section):
    per_number: OptionalRate = Rate(5, 10 * MINUTE)
    same_text: OptionalRate = Rate(3, 10 * MINUTE)
    takeover: OptionalDuration = 2 * HOUR
    daily_parts: Annotated[int | None, Between(1, 10_000_000, off=True)] = 2000


class LoggingSettings(Section):
    format: Literal["console", "json"] = "console"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(Section):
    """The whole file. Relative paths start at the folder of the file."""

    # First, because the checks of the paths below read it.
    file: Path
    """The file that was loaded. Not a key."""
    server: ServerSettings = ServerSettings()
    web: WebSettings = WebSettings()
    region: Annotated[str, AfterValidator(values.check_region)] = "RU"
    accounts: dict[Name, AccountSettings] = Field(
        min_length=1, examples=["accounts: {main: {login: ..., password: ..., sender: MyShop}}"]
    )
    telegram: TelegramSettings = TelegramSettings()
    storage: StorageSettings = Field(default=StorageSettings(), validate_default=True)
    rules: Path = Field(default=Path("rules"), validate_default=True)
    hours: dict[Name, HoursSettings] = {}
    lists: dict[Name, tuple[str, ...]] = {}
    replies: dict[Name, str] = {}
    guards: GuardSettings = GuardSettings()
    logging: LoggingSettings = LoggingSettings()
    warnings: tuple[Problem, ...] = ()
    """Warnings about settings that are allowed but probably not meant. Not a key."""

    @field_validator("rules", mode="after")
    @classmethod
    def _rules_beside_the_file(cls, value: Path, info: ValidationInfo) -> Path:
        file = info.data.get("file")
        return file.parent / value if isinstance(file, Path) else value

    @field_validator("storage", mode="after")
    @classmethod
    def _store_beside_the_file(cls, value: StorageSettings, info: ValidationInfo) -> StorageSettings:
        file = info.data.get("file")
        return value.resolved_in(file.parent) if isinstance(file, Path) else value

    def secrets(self) -> frozenset[str]:
        """Every value that must not appear anywhere; logs redact them."""
        found = {self.telegram.token.get_secret_value(), self.telegram.webhook_secret.get_secret_value()}
        for account in self.accounts.values():
            found |= {account.password.get_secret_value(), account.callback.secret.get_secret_value()}
        found |= {unquote(urlsplit(self.telegram.proxy).password or ""), *self.storage.passwords}
        return frozenset(found - {""})
