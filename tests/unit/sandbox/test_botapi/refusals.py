"""How a test looks at a refusal."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest
from telegram.error import BadRequest, TelegramError


async def refused(call: Awaitable[object], kind: type[TelegramError] = BadRequest) -> str:
    """The message of the refusal, as the library hands it on (it writes all but the first letter small)."""
    with pytest.raises(kind) as caught:
        await call
    assert type(caught.value) is kind
    return caught.value.message
