"""Where no file is left for one more connection, every failing ``accept`` is told with its traceback."""

from __future__ import annotations

import logging

from bridge.telemetry.sampling import Sampler
from bridge.web.server import Listeners
from tests.chaos.sabotage import narrow


def _admits_all(_sampler: Sampler, _record: logging.LogRecord) -> bool:
    return True


def apply() -> None:
    narrow.apply()
    Listeners._throttle_accept_errors = lambda self: None  # type: ignore[method-assign]
    Sampler.admits = _admits_all  # type: ignore[method-assign]
