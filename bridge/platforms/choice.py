"""Chooses the platform of an account: the one place that names the implementations.

So far there is one, the IBA family. A setting of the account would choose here.
"""

from __future__ import annotations

from types import ModuleType

from bridge.config import AccountSettings
from bridge.platforms import iba_callback
from bridge.platforms.iba import IbaPlatform


def platform_of(account: AccountSettings) -> IbaPlatform:
    """Make the adapter that sends for the account. Close it at the end."""
    return IbaPlatform(account)


def callbacks_of(account: AccountSettings) -> ModuleType:
    """What reads and answers the account's callbacks (``CallbackProtocol`` in :mod:`bridge.web.callback`)."""
    return iba_callback
