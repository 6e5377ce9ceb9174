"""Every key that can be written is described, in both languages, and the files that are shipped are up to date."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.config import Settings
from bridge.editor import Kind, json_schema
from bridge.editor.texts import catalogue
from bridge.rules.schema import FileEntry, RuleEntry

ROOT = Path(__file__).parents[3]
LANGUAGES = ("en", "ru")


def properties(kind: Kind, language: Any) -> list[tuple[str, dict[str, Any]]]:
    document = json_schema(kind, language)
    found = [(f"{kind}.{key}", node) for key, node in document["properties"].items()]
    for name, definition in document["$defs"].items():
        found += [(f"{name}.{key}", node) for key, node in definition.get("properties", {}).items()]
    return found


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_shipped_file_is_what_the_command_writes(kind: Kind, language: Any) -> None:
    name = f"{kind}.schema.json" if language == "en" else f"{kind}.schema.{language}.json"
    shipped = json.loads((ROOT / "schema" / name).read_text("utf-8"))
    assert shipped == json_schema(kind, language), "make schema"


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_key_has_a_sentence_and_an_example(kind: Kind, language: Any) -> None:
    found = properties(kind, language)
    assert len(found) > 10
    for name, node in found:
        assert node.get("description"), name
        assert node.get("examples"), name
        cyrillic = any("а" <= char.lower() <= "я" for char in node["description"])
        assert cyrillic or language == "en", name


def test_nothing_is_said_of_keys_that_are_not_there() -> None:
    known = {model.__name__: model for model in with_subclasses(FileEntry.__mro__[1])}
    known |= {model.__name__: model for model in with_subclasses(Settings.__mro__[1])}
    for name, keys in catalogue().items():
        fields = {field.alias or key for key, field in known[name].model_fields.items()}
        assert not set(keys) - fields, name


def with_subclasses(model: type) -> list[Any]:
    return [model, *(each for below in model.__subclasses__() for each in with_subclasses(below))]


def test_values_are_what_a_person_writes() -> None:
    rules = json_schema(Kind.RULES, "en")["$defs"]
    assert rules["RuleEntry"]["properties"]["ttl"]["type"] == "string"
    one, several = rules["WhenEntry"]["properties"]["keyword"]["anyOf"]
    assert (one["type"], several["type"]) == (["string", "number", "boolean"], "array")
    assert rules["RuleEntry"]["required"] == ["name"]
    account = json_schema(Kind.CONFIG, "en")["$defs"]["AccountSettings"]["properties"]
    assert "off" in account["rate"]["pattern"]
    assert r"\$\{" in account["connections"]["pattern"]


def test_keys_of_later_versions_are_not_offered() -> None:
    offered = set(json_schema(Kind.RULES, "en")["$defs"]["RuleEntry"]["properties"])
    assert "reply" in offered
    assert not offered & {"call", "poll", "ask", "subscribe"}
    assert {"call", "poll"} <= set(RuleEntry.model_fields)
