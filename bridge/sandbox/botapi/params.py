"""The parameters of one call, read as Telegram's server reads them: strings, with JSON for nested values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import cast

from bridge.model.base import Json
from bridge.sandbox.botapi.refusal import bad_request

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_TRUE = frozenset({"true", "yes", "1"})


class Params:
    """The values by name. Values of a JSON body become the strings that a form would contain."""

    def __init__(self, values: Mapping[str, Json]) -> None:
        self.values: dict[str, str] = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in values.items()
            if value is not None
        }

    def text(self, name: str) -> str:
        return self.values.get(name, "")

    def flag(self, name: str) -> bool:
        return self.text(name).lower() in _TRUE

    def integer(self, name: str) -> int | None:
        """The value as an integer. None if it is missing or no integer: Telegram treats both as "not specified"."""
        return to_integer(self.text(name))

    def json(self, name: str, what: str) -> Json:
        """The parsed value. :raises Refusal: ``can't parse {what} JSON object``."""
        raw = self.text(name)
        if not raw:
            return None
        try:
            return cast(Json, json.loads(raw))
        except ValueError:
            raise bad_request(f"can't parse {what} JSON object") from None

    def object(self, name: str, what: str) -> dict[str, Json] | None:
        value = self.json(name, what)
        if value is None or isinstance(value, dict):
            return value
        raise bad_request(f"can't parse {what} JSON object")

    def array(self, name: str, what: str) -> list[Json] | None:
        value = self.json(name, what)
        if value is None or isinstance(value, list):
            return value
        raise bad_request(f"can't parse {what} JSON object")


def to_integer(text: str) -> int | None:
    """Read ASCII digits with an optional minus. None for other spellings, even those that Python accepts."""
    return int(text) if _INTEGER.fullmatch(text) else None


def integer_in(holder: Mapping[str, Json], name: str) -> int | None:
    """An integer field of a nested object: a number, or digits in a string."""
    value = holder.get(name)
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and (number := to_integer(value)) is not None:
        return number
    raise bad_request(f'field "{name}" must be a valid Number')


def flag_in(holder: Mapping[str, Json], name: str) -> bool:
    value = holder.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise bad_request(f'field "{name}" must be of type Boolean')
