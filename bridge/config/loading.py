"""Which file, and from the file to :class:`~bridge.config.settings.Settings`: all of it, or all of its mistakes."""

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
    """The file to use: what ``-c`` names, then what the environment names, then ``PLACES``.

    A file that was named and is not there is an error: another one must not be taken in its stead.
    :raises ConfigError: no file; names the places looked at.
    """
    named = explicit or environ.get(ENVIRONMENT)
    if named:
        path = Path(named).expanduser()
        if path.is_file():
            return path
        source = "-c" if explicit else ENVIRONMENT
        what = "is a folder" if path.is_dir() else "no such file"
        raise ConfigError([_at_file(str(path), f"{what} (named by {source})")])
    for path in DEFAULT_PATHS:
        if path.is_file():
            return path
    looked = ", ".join(["-c", ENVIRONMENT, *(str(path.absolute()) for path in DEFAULT_PATHS)])
    message = f"no configuration found; copy config.example.yaml to config.yaml, or name a file; looked at: {looked}"
    raise ConfigError([_at_file(str(DEFAULT_PATHS[0]), message)])


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read, fill in, check. :raises ConfigError: with every mistake of the file, in the order of its lines."""
    document = interpolate(read_file(path), environ, path.absolute().parent)
    if document.problems and (document.root is None or not isinstance(document.root.value, dict)):
        raise ConfigError(document.problems)  # no YAML: whatever is missing besides would only mislead
    settings, problems = validate(Settings, document, given={"file": path.absolute(), "warnings": ()})
    found = {*document.problems, *problems}
    paths = {problem.path for problem in found if problem.path}
    found |= {problem for problem in mistakes(document) if problem.path not in paths}
    if settings is None or found:
        raise ConfigError(sorted(found))
    return settings.model_copy(update={"warnings": tuple(sorted(warnings(settings, document)))})


def _at_file(file: str, message: str) -> Problem:
    return Problem(file=file, line=1, column=1, path="", message=message)
