"""Finds the configuration file and reads it: :class:`~bridge.config.settings.Settings`, or all of its mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bridge.config.checks import mistakes, warnings
from bridge.config.settings import Settings
from bridge.errors import ConfigError, Problem
from bridge.schema import interpolate, read_file, validate

ENVIRONMENT = "SMS_BRIDGE_CONFIG"
DEFAULT_PATHS = (Path("config.yaml"), Path("/etc/sms-bridge/config.yaml"))


def find(explicit: str | None, environ: Mapping[str, str]) -> Path:
    """The file that ``-c`` names, else the one that the environment names, else the first existing default path.

    A named file that does not exist is an error: no other file is used instead.

    :raises ConfigError: there is no file; the message lists where it was searched.
    """
    named = explicit or environ.get(ENVIRONMENT)
    if named:
        path = Path(named).expanduser()
        if path.is_file():
            return path
        source = "-c" if explicit else ENVIRONMENT
        mistake = "is a folder" if path.is_dir() else "no such file"
        raise ConfigError([_at_file(str(path), f"{mistake} (named by {source})")])
    for path in DEFAULT_PATHS:
        if path.is_file():
            return path
    looked = ", ".join(["-c", ENVIRONMENT, *(str(path.absolute()) for path in DEFAULT_PATHS)])
    message = f"no configuration found; copy config.example.yaml to config.yaml, or name a file; looked at: {looked}"
    raise ConfigError([_at_file(str(DEFAULT_PATHS[0]), message)])


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read a file, replace its variables and check it.

    :raises ConfigError: with every mistake of the file, in the order of its lines.
    """
    document = interpolate(read_file(path), environ, path.absolute().parent)
    if document.problems and (document.root is None or not isinstance(document.root.value, dict)):
        raise ConfigError(document.problems)  # not YAML: messages about missing keys would mislead
    settings, problems = validate(Settings, document, given={"file": path.absolute(), "warnings": ()})
    found = {*document.problems, *problems}
    paths = {problem.path for problem in found if problem.path}
    found |= {problem for problem in mistakes(document) if problem.path not in paths}
    if settings is None or found:
        raise ConfigError(sorted(found))
    return settings.model_copy(update={"warnings": tuple(sorted(warnings(settings, document)))})


def _at_file(file: str, message: str) -> Problem:
    return Problem(file=file, line=1, column=1, path="", message=message)
