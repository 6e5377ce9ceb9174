"""Fixtures and settings of all tests."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from bridge.telemetry import output
from tests import postgres
from tests.later_version import later_version

__all__ = ["later_version"]

# A busy machine is no defect: nothing here is judged by how long it took.
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Undoes the logging that a test, or a command that it runs, has configured.

    A logger keeps the configuration of its first use, so the loggers of all modules are made anew.
    """
    names = (None, "bridge", "httpx", "httpcore", "aiohttp.access")
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    if output._handler is None:
        return
    root = logging.getLogger()
    root.handlers[:] = [each for each in root.handlers if not isinstance(each, output.RedactingHandler)]
    output._handler = None
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    structlog.reset_defaults()
    for name, module in list(sys.modules.items()):
        logger = getattr(module, "log", None) if name.startswith("bridge.") else None
        if isinstance(logger, structlog._config.BoundLoggerLazyProxy):
            vars(logger).pop("bind", None)


@pytest.fixture(scope="session", autouse=True)
def schemas_are_dropped() -> Iterator[None]:
    yield
    asyncio.run(postgres.drop_all())
