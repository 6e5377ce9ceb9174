"""Reads the sentences and examples of ``keys.yaml``. They are listed by the class that reads a key."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel

from bridge.model.base import Language
from bridge.value import value_object


@value_object
class KeyText:
    """The explanation of one key."""

    sentence: str
    examples: tuple[object, ...]


@cache
def catalogue() -> dict[str, dict[str, dict[str, Any]]]:
    """The whole file. Examples are read as editors read YAML: an unquoted number is a number, not a text."""
    source = files(__package__).joinpath("keys.yaml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(source)
    return loaded


def key_text(model: type[BaseModel], key: str, language: Language) -> KeyText | None:
    """The explanation of a key. A class inherits the explanations of its base classes."""
    for owner in model.__mro__:
        entry = catalogue().get(owner.__name__, {}).get(key)
        if entry is not None:
            return KeyText(sentence=entry[language], examples=tuple(entry["examples"]))
    return None
