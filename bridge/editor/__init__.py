"""JSON Schemas for the editors of people who write rules and ``config.yaml``: a sentence and examples for each key."""

from bridge.editor.schema import Kind, json_schema

__all__ = ["Kind", "json_schema"]
