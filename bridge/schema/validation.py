"""Turns pydantic's errors into problems at locations of the file, in words for the person who edits it.

No message shows a value that may be a secret: one that was filled in from outside, or that of a key such as
``password``. Messages show keys, because a person needs to see a misspelt key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bridge.errors import Problem
from bridge.schema.document import Document, Node, Path
from bridge.schema.values import FROM_FILE, did_you_mean

M = TypeVar("M", bound=BaseModel)

SECRET_KEY = re.compile(r"pass|pwd|secret|token|(^|_)key$|login", re.IGNORECASE)
"""Keys whose values are removed from every message, even if a validator of a model put them there."""
_MAX_KEYS_SHOWN = 12
_LIST = "expected a list such as [a, b], or lines that begin with `- `"
_NESTED = "expected keys with values, as in `key: value`, indented under this one"


@dataclass(frozen=True, slots=True)
class _RawProblem:
    """One of pydantic's errors, with its path in the document instead of its path in pydantic's schema."""

    path: tuple[str | int, ...]
    key: str
    """The key that is missing or unknown in the mapping at ``path``; empty for all other errors."""
    at_key: bool
    """The error is about the last key of ``path``, not about its value."""
    union_depth: int | None
    """Length of the path to the value for which pydantic tried the alternatives of a union; None: there is no union."""
    alternative: str
    """The alternative of the union."""
    kind: str
    """Pydantic's type of the error, such as ``missing``."""
    message: str


def validate(
    model: type[M],
    document: Document,
    *,
    path: Path = (),
    given: Mapping[str, object] | None = None,
    context: Mapping[str, object] | None = None,
) -> tuple[M | None, list[Problem]]:
    """The value at ``path`` as a model, or its problems, except those that the document has already reported.

    :param given: fields of the model that are not keys of the file. They are added, and refused in the file.
    :param context: what validators of the model read in ``info.context``.
    """
    given = given or {}
    value = document.get(path)
    early: list[Problem] = []
    if given and isinstance(value, dict):
        hidden = [key for key in value if key in given]
        early = [_unknown_key(model, document, path, (), key, given) for key in hidden]
        value = {key: inner for key, inner in value.items() if key not in given}
    try:
        made = model.model_validate(
            {**value, **given} if isinstance(value, dict) else value, context={FROM_FILE: True, **(context or {})}
        )
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    else:
        return (None, early) if early else (made, [])
    top = document.node(path) or Node(None, (1, 1))
    raw_problems = [_raw_problem(top, detail) for detail in details]
    found = [_problem(model, document, path, raw, given) for raw in _without_unions(raw_problems)]
    return None, early + [problem for problem in found if problem is not None]


def _raw_problem(node: Node, detail: ErrorDetails) -> _RawProblem:
    """Follow pydantic's path through the nodes, without the steps that are not keys (tags of a union)."""
    path: list[str | int] = []
    key, alternative, at_key = "", "", False
    union_depth: int | None = None
    loc = detail["loc"]
    for position, step in enumerate(loc):
        last = position == len(loc) - 1
        if step == "[key]" and last:
            at_key = True
        elif last and detail["type"] in {"missing", "extra_forbidden"}:
            key = str(step)
        elif (below := node.children.get(step)) is not None:
            node = below
            path.append(step)
        elif union_depth is None:
            union_depth, alternative = len(path), str(step)
    message = _message(detail)
    if detail["type"] in {"literal_error", "enum"} and isinstance(node.value, str):
        message += did_you_mean(node.value, re.findall(r"`([^`]+)`", message))
    if node.value is None and not key and not at_key and detail["type"] != "value_error":
        message = f"has no value; {message}"
    return _RawProblem(tuple(path), key, at_key, union_depth, alternative, detail["type"], message)


def _without_unions(raw_problems: Sequence[_RawProblem]) -> Iterator[_RawProblem]:
    """Of a union, keep the problems of the alternative whose shape the value has. If it has the shape of none, one
    problem names what all of them expect."""
    unions: dict[tuple[str | int, ...], dict[str, list[_RawProblem]]] = {}
    for raw in raw_problems:
        if raw.union_depth is None:
            yield raw
        else:
            unions.setdefault(raw.path[: raw.union_depth], {}).setdefault(raw.alternative, []).append(raw)
    for path, by_alternative in unions.items():
        alternatives = list(by_alternative.values())
        # Pydantic looked into the value only if the value has the shape of the alternative.
        fitting = [found for found in alternatives if any(len(raw.path) > len(path) or raw.key for raw in found)]
        if fitting:
            yield from min(fitting, key=len)
            continue
        messages = list(dict.fromkeys(raw.message for found in alternatives for raw in found))
        joined = ", or ".join([messages[0], *(message.removeprefix("expected ") for message in messages[1:])])
        first = alternatives[0][0]
        yield _RawProblem(path, "", first.at_key, None, "", first.kind, joined)


def _problem(
    model: type[BaseModel],
    document: Document,
    base: Path,
    raw: _RawProblem,
    given: Mapping[str, object],
) -> Problem | None:
    """The problem for people. None if the document has already reported the value.

    :param base: the path of the model in the document.
    """
    path = (*base, *raw.path)
    if path in document.faulty:
        return None
    if raw.kind == "extra_forbidden" and raw.key:
        return _unknown_key(model, document, base, raw.path, raw.key, given)
    if raw.kind == "missing" and raw.key:
        return document.problem(path, f"missing `{raw.key}`{_example(model, raw.path, raw.key)}", key=True)
    value = document.get(path)
    at_key = raw.at_key or isinstance(value, dict) or value is None
    return document.problem(path, _without_secret(document, path, raw.message), key=at_key)


def _without_secret(document: Document, path: tuple[str | int, ...], message: str) -> str:
    """The message, without the value if that may be a secret."""
    value = document.get(path)
    hidden = path in document.interpolated or any(
        isinstance(step, str) and SECRET_KEY.search(step) for step in path[-1:]
    )
    return message.replace(value, "…") if hidden and isinstance(value, str) and value else message


def _unknown_key(
    model: type[BaseModel],
    document: Document,
    base: Path,
    path: Path,
    key: str,
    given: Mapping[str, object],
) -> Problem:
    """The problem of a key that the model at ``path`` below ``base`` does not know, with a hint."""
    known: dict[str, FieldInfo] = {}
    for owner in _models_at(model, path):
        known |= {name: field for name, field in _fields(owner).items() if name not in given}
    below = [name for name, field in known.items() for inner in _alternatives(field.annotation) if _has(inner, key)]
    hint = f"; it stands under `{below[0]}`" if below else did_you_mean(key, known)
    if ":" in key:
        hint = "; a space is missing behind its `:`"
    if not hint and known:
        usable = [name for name, field in known.items() if field.annotation is not NoneType]
        hint = f"; known here: {', '.join(usable[:_MAX_KEYS_SHOWN])}"
        hint += ", …" if len(usable) > _MAX_KEYS_SHOWN else ""
    return document.problem((*base, *path, key), f"unknown key `{key}`{hint}", key=True)


def _example(model: type[BaseModel], path: Path, key: str) -> str:
    for owner in _models_at(model, path):
        field = _fields(owner).get(key)
        if field is not None and field.examples:
            return f"; for example `{field.examples[0]}`"
    return ""


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models_at(start: object, path: Path) -> list[type[BaseModel]]:
    """The models that the annotations allow at ``path``; several for a union."""
    kinds = list(_alternatives(start))
    for step in path:
        found: list[object] = []
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                field = _fields(kind).get(str(step))
                found += _alternatives(field.annotation) if field is not None else ()
            elif arguments := get_args(kind):
                # A mapping's last argument is its value's type; a list's and a tuple's first is its item's.
                found += _alternatives(arguments[-1] if isinstance(step, str) else arguments[0])
        kinds = found
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]


def _has(kind: object, key: str) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel) and key in _fields(kind)


def _alternatives(annotation: object) -> Iterator[object]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in {Union, UnionType}:
        for argument in get_args(annotation):
            yield from _alternatives(argument)
    else:
        yield annotation


def _message(detail: ErrorDetails) -> str:
    """The message of one of pydantic's errors in our words."""
    make = _MESSAGES.get(detail["type"])
    context = {key: str(value) for key, value in detail.get("ctx", {}).items()}
    if make is not None:
        return make(context)
    # Pydantic's own sentences name the type only. Those about tags repeat the input, so they are replaced.
    return "is none of the forms that are known here" if detail["type"].startswith("union_tag") else detail["msg"]


def _literal(context: Mapping[str, str]) -> str:
    return "expected " + context["expected"].replace("'", "`")


def _fixed(text: str) -> Callable[[Mapping[str, str]], str]:
    return lambda _: text


def _too_short(least: str) -> str:
    return "must not be empty" if least == "1" else f"expected at least {least} of these"


def _limit(words: str, key: str) -> Callable[[Mapping[str, str]], str]:
    return lambda context: words.format(context[key])


_MESSAGES: Mapping[str, Callable[[Mapping[str, str]], str]] = {
    "value_error": lambda context: context["error"],
    "assertion_error": lambda context: context["error"],
    "literal_error": _literal,
    "enum": _literal,
    "string_type": _fixed("expected a text"),
    "string_too_short": lambda context: _too_short(context["min_length"]).replace("of these", "characters"),
    "string_too_long": _limit("expected at most {} characters", "max_length"),
    "string_pattern_mismatch": _limit("does not fit the pattern {}", "pattern"),
    "int_type": _fixed("expected a whole number"),
    "int_parsing": _fixed("expected a whole number"),
    "int_parsing_size": _fixed("expected a smaller number"),
    "int_from_float": _fixed("expected a whole number"),
    "float_type": _fixed("expected a number"),
    "float_parsing": _fixed("expected a number"),
    "bool_type": _fixed("expected true or false"),
    "bool_parsing": _fixed("expected true or false"),
    "greater_than": _limit("expected a number above {}", "gt"),
    "greater_than_equal": _limit("expected a number of at least {}", "ge"),
    "less_than": _limit("expected a number below {}", "lt"),
    "less_than_equal": _limit("expected a number of at most {}", "le"),
    "too_short": lambda context: _too_short(context["min_length"]),
    "too_long": _limit("expected at most {} of these", "max_length"),
    "list_type": _fixed(_LIST),
    "tuple_type": _fixed(_LIST),
    "set_type": _fixed(_LIST),
    "dict_type": _fixed(_NESTED),
    "mapping_type": _fixed(_NESTED),
    "model_type": _fixed(_NESTED),
    "model_attributes_type": _fixed(_NESTED),
    "path_type": _fixed("expected a path"),
}
