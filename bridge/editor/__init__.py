"""What editors are told of the files that people write: a JSON Schema with a sentence and an example for each key."""

from bridge.editor.schema import Kind, json_schema

__all__ = ["Kind", "json_schema"]
