"""JSON Schemas of the files that people write, for their editors: a sentence and an example for each key."""

from bridge.editor.schema import Kind, json_schema

__all__ = ["Kind", "json_schema"]
