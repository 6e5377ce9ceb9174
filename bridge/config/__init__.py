"""Typed settings: ``config.yaml`` and the environment, read once at start.

Nothing here is global: :func:`load` returns a value, and whoever needs settings gets them passed in.
"""

from bridge.config.loading import find, load
from bridge.config.settings import (
    AccountSettings,
    BalanceSettings,
    CallbackSettings,
    ChatSettings,
    GuardSettings,
    HoursSettings,
    LoggingSettings,
    ServerSettings,
    Settings,
    StatusSettings,
    StorageSettings,
    TelegramSettings,
    WebSettings,
)
from bridge.schema.values import Rate

__all__ = [
    "AccountSettings",
    "BalanceSettings",
    "CallbackSettings",
    "ChatSettings",
    "GuardSettings",
    "HoursSettings",
    "LoggingSettings",
    "Rate",
    "ServerSettings",
    "Settings",
    "StatusSettings",
    "StorageSettings",
    "TelegramSettings",
    "WebSettings",
    "find",
    "load",
]
