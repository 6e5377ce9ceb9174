"""Skips a test where the system lacks a tool, or fails it in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def in_ci() -> bool:
    """True where every test has to run: nothing may be skipped for want of a tool."""
    return bool(os.environ.get("CI"))


def lacking(tool: str) -> NoReturn:
    """Skip the test and say what is missing and how to get it. In CI the test fails."""
    message = f"{tool} is missing; `make system` installs it"
    pytest.fail(message) if in_ci() else pytest.skip(message)
