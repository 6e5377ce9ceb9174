"""Typed settings: ``config.yaml`` and the environment, read once at start.

Nothing here is global: :func:`load` returns a value, which is passed to the parts that need it.
"""

from bridge.config.loading import find, load
from bridge.config.settings import (
    AccountSettings,
    CallbackSettings,
    ChatSettings,
    GuardSettings,
    LoggingSettings,
    ServerSettings,
    Settings,
    StorageSettings,
    TelegramSettings,
    WebSettings,
)
from bridge.schema.values import Rate

__all__ = [
    "AccountSettings",
    "CallbackSettings",
    "ChatSettings",
    "GuardSettings",
    "LoggingSettings",
    "Rate",
    "ServerSettings",
    "Settings",
    "StorageSettings",
    "TelegramSettings",
    "WebSettings",
    "find",
    "load",
]
