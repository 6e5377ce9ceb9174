"""Turns files that people edit into typed values. Every mistake has its file, line and column.

This package does not know what a key means; the settings and the rules do. It does not raise for a mistake in a file:
it collects :class:`~bridge.errors.Problem` values, so that a person sees all mistakes at once.
"""

from bridge.schema.document import Document, Path, path_text
from bridge.schema.interpolation import interpolate
from bridge.schema.messages import display_path, plural
from bridge.schema.reader import read_file, read_text, read_yaml
from bridge.schema.validation import validate
from bridge.schema.values import (
    Duration,
    Flag,
    OptionalDuration,
    OptionalRate,
    Rate,
    RateValue,
    Whole,
    check_sender_name,
    did_you_mean,
    parse_duration,
    parse_flag,
    parse_rate,
)

__all__ = [
    "Document",
    "Duration",
    "Flag",
    "OptionalDuration",
    "OptionalRate",
    "Path",
    "Rate",
    "RateValue",
    "Whole",
    "check_sender_name",
    "did_you_mean",
    "display_path",
    "interpolate",
    "parse_duration",
    "parse_flag",
    "parse_rate",
    "path_text",
    "plural",
    "read_file",
    "read_text",
    "read_yaml",
    "validate",
]
