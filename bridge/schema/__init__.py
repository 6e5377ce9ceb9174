"""Files that people edit → typed values, every mistake with its file, line and column.

Nothing here knows what a key means: that is the business of the settings and of the rules. Nothing here
raises for a mistake in a file: mistakes are :class:`~bridge.errors.Problem` values, gathered so that a person
sees all of them at once.
"""

from bridge.schema.document import Document, Path, Value, path_text
from bridge.schema.interpolation import interpolate
from bridge.schema.reader import read_file, read_text, read_yaml
from bridge.schema.validation import validate
from bridge.schema.values import (
    Between,
    Duration,
    Flag,
    Network,
    OptionalDuration,
    OptionalRate,
    Rate,
    RateValue,
    Shortest,
    TimeZone,
    Whole,
    near,
    parse_duration,
    parse_flag,
    parse_rate,
)
from bridge.schema.words import plural, shown

__all__ = [
    "Between",
    "Document",
    "Duration",
    "Flag",
    "Network",
    "OptionalDuration",
    "OptionalRate",
    "Path",
    "Rate",
    "RateValue",
    "Shortest",
    "TimeZone",
    "Value",
    "Whole",
    "interpolate",
    "near",
    "parse_duration",
    "parse_flag",
    "parse_rate",
    "path_text",
    "plural",
    "read_file",
    "read_text",
    "read_yaml",
    "shown",
    "validate",
]
