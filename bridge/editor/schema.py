"""Makes a JSON Schema of the text that a person may write, from the classes that read the files.

The classes tell which keys exist and what a value becomes. A person writes ``10m`` instead of milliseconds, a number
with or without quotes, one word instead of a list, ``${VAR}`` in ``config.yaml``. So pydantic's schema is rewritten.
The result is more lenient than ``sms-bridge check`` and never stricter: an editor must not mark a correct value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeAlias, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from bridge.config import Settings
from bridge.editor.texts import key_text
from bridge.model.base import Language
from bridge.rules.schema import (
    DefaultsEntry,
    ExampleEntry,
    FileEntry,
    RuleEntry,
)

Node: TypeAlias = dict[str, Any]


class Kind(StrEnum):
    RULES = "rules"
    CONFIG = "config"


_DRAFT = "http://json-schema.org/draft-07/schema#"
_SCALAR = ["string", "number", "boolean"]
"""Types of a text. An editor reads a text without quotes as a number or a boolean if it looks like one."""
_WHOLE = r"[+-]?[0-9]+"
_NUMBER = r"[+-]?[0-9]+(\.[0-9]+)?"
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2})?$"
_FILLED_IN = r"\$\{"
_NOT_WRITTEN = ("title", "default", "description", "writeOnly", "discriminator", "examples", "format")
_INTERNAL = frozenset({"file", "warnings"})
"""Fields of the settings that are not keys of the file."""
_ENTRIES: Mapping[str, type[BaseModel]] = {"rules": RuleEntry, "tests": ExampleEntry}
"""Classes of list entries that are validated one by one. The class of the file does not name them."""


class _Generator(GenerateJsonSchema):
    """Pydantic's generator. A person writes templates and expressions as texts."""

    def is_instance_schema(self, schema: core_schema.IsInstanceSchema) -> JsonSchemaValue:
        return {"type": "string"}


def json_schema(kind: Kind, language: Language) -> Node:
    """The JSON Schema of one kind of file."""
    models: list[type[BaseModel]] = [FileEntry, DefaultsEntry, *_ENTRIES.values()] if kind is Kind.RULES else [Settings]
    _, generated = models_json_schema(
        [(model, "validation") for model in models], by_alias=True, schema_generator=_Generator
    )
    definitions = cast(dict[str, Node], generated["$defs"])
    known = {model.__name__: model for model in _with_subclasses(BaseModel)}
    for name, definition in definitions.items():
        if name in known and "properties" in definition:
            _write_properties(definition, known[name], language)
    if kind is Kind.RULES:
        definitions["FileEntry"]["properties"]["defaults"]["$ref"] = "#/$defs/DefaultsEntry"
        for key, model in _ENTRIES.items():
            definitions["FileEntry"]["properties"][key]["items"] = {"$ref": f"#/$defs/{model.__name__}"}
    rewritten = {name: _rewritten(node, kind) for name, node in definitions.items() if name in known}
    top = rewritten.pop(models[0].__name__)
    return {"$schema": _DRAFT, "title": f"sms-bridge: {kind}", **top, "$defs": dict(sorted(rewritten.items()))}


def _with_subclasses(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for below in model.__subclasses__():
        if below.__module__.startswith("bridge."):
            yield below
        yield from _with_subclasses(below)


def _write_properties(definition: Node, model: type[BaseModel], language: Language) -> None:
    """Remove keys that cannot be written, and add the sentence and the examples of each other key."""
    hidden = _INTERNAL if model is Settings else frozenset[str]()
    properties = {
        key: node for key, node in definition["properties"].items() if node.get("type") != "null" and key not in hidden
    }
    for key, node in properties.items():
        text = key_text(model, key, language)
        if text is not None:
            node["x-text"] = {"description": text.sentence, "examples": list(text.examples)}
    definition["properties"] = properties
    required = [key for key in definition.get("required", ()) if key in properties]
    definition.pop("required", None)
    if required:
        definition["required"] = required


def _rewritten(node: Node, kind: Kind) -> Node:
    """The schema and all schemas within it, for written values."""
    texts = node.pop("x-text", {})
    found = {key: value for key, value in node.items() if key not in _NOT_WRITTEN}
    if node.get("format") == "date-time":
        found = {"type": "string", "pattern": _DAY}
    for key in ("anyOf", "oneOf"):
        if key in found:
            # Not oneOf: a text may match two of the alternatives.
            found["anyOf"] = [_rewritten(each, kind) for each in found.pop(key) if each.get("type") != "null"]
    if "properties" in found:
        found["properties"] = {key: _rewritten(each, kind) for key, each in found["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            found[key] = _rewritten(found[key], kind)
    alternatives = found.get("anyOf", ())
    if len(alternatives) == 1:
        found = {**found, **alternatives[0]}
        if "anyOf" not in alternatives[0]:
            del found["anyOf"]
    return {**texts, **_leaf(found, kind)}


def _leaf(node: Node, kind: Kind) -> Node:
    """The schema of a single value as it may be written."""
    if "const" in node:
        node = {"enum": [node["const"]]}
    if "enum" in node:
        words = {"enum": node["enum"]}
        return {"anyOf": [words, {"type": "string", "pattern": _FILLED_IN}]} if kind is Kind.CONFIG else words
    match node.get("type"):
        case "string" if "pattern" in node:
            return {**node, "pattern": _or_filled_in(node["pattern"], kind)}
        case "string":
            return {**node, "type": _SCALAR}
        case "integer":
            return {**node, "type": ["integer", "string"], "pattern": _or_filled_in(f"^{_WHOLE}$", kind)}
        case "number":
            return {**node, "type": ["number", "string"], "pattern": _or_filled_in(f"^{_NUMBER}$", kind)}
        case "array" if kind is Kind.RULES and node["items"].get("type") == _SCALAR:
            several = {key: value for key, value in node.items() if key != "minLength"}
            return {"anyOf": [node["items"], several]}
    return node


def _or_filled_in(pattern: str, kind: Kind) -> str:
    return f"{pattern}|{_FILLED_IN}" if kind is Kind.CONFIG else pattern
