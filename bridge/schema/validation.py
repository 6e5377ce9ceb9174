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
_KEYS_SHOWN = 12
_LIST = "expected a list such as [a, b], or lines that begin with `- `"
_NESTED = "expected keys with values, as in `key: value`, indented under this one"


@dataclass(frozen=True, slots=True)
class _RawProblem:
    """One of pydantic's errors, with its path in the document instead of its path in pydantic's schema."""

    path: tuple[str | int, ...]
    tail: str
    """The key that is missing or unknown below ``path``; empty: the fault is another one."""
    at_key: bool
    union: int | None
    """Length of the path at which pydantic tried the alternatives of a union; None: it tried none."""
    branch: str
    """The alternative of the union."""
    kind: str
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
        early = [_unknown(model, document, (*path, key), given) for key in hidden]
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
    faults = [_raw_problem(top, detail) for detail in details]
    found = [_problem(model, document, tuple(path), fault, given) for fault in _without_unions(faults)]
    return None, early + [problem for problem in found if problem is not None]


def _raw_problem(node: Node, detail: ErrorDetails) -> _RawProblem:
    """Follow pydantic's path through the nodes, without the steps that are not keys (tags of a union)."""
    path: list[str | int] = []
    tail, branch, at_key = "", "", False
    union: int | None = None
    loc = detail["loc"]
    for position, step in enumerate(loc):
        last = position == len(loc) - 1
        if step == "[key]" and last:
            at_key = True
        elif last and detail["type"] in {"missing", "extra_forbidden"}:
            tail = str(step)
        elif (below := node.children.get(step)) is not None:
            node = below
            path.append(step)
        elif union is None:
            union, branch = len(path), str(step)
    message = _words(detail)
    if detail["type"] in {"literal_error", "enum"} and isinstance(node.value, str):
        message += did_you_mean(node.value, re.findall(r"`([^`]+)`", message))
    if node.value is None and not tail and not at_key and detail["type"] != "value_error":
        message = f"has no value; {message}"
    return _RawProblem(tuple(path), tail, at_key, union, branch, detail["type"], message)


def _without_unions(faults: Sequence[_RawProblem]) -> Iterator[_RawProblem]:
    """Keep the faults of the alternative whose shape the value has. If none fits, one fault names all expectations."""
    groups: dict[tuple[str | int, ...], dict[str, list[_RawProblem]]] = {}
    for fault in faults:
        if fault.union is None:
            yield fault
        else:
            groups.setdefault(fault.path[: fault.union], {}).setdefault(fault.branch, []).append(fault)
    for top, branches in groups.items():
        meant = [
            branch for branch in branches.values() if any(len(fault.path) > len(top) or fault.tail for fault in branch)
        ]
        if meant:
            yield from min(meant, key=len)
            continue
        messages = list(dict.fromkeys(fault.message for branch in branches.values() for fault in branch))
        first = next(iter(branches.values()))[0]
        joined = ", or ".join([messages[0], *(message.removeprefix("expected ") for message in messages[1:])])
        yield _RawProblem(top, "", first.at_key, None, "", first.kind, joined)


def _problem(
    model: type[BaseModel],
    document: Document,
    base: tuple[str | int, ...],
    fault: _RawProblem,
    given: Mapping[str, object],
) -> Problem | None:
    path = (*base, *fault.path)
    if path in document.faulty:
        return None
    if fault.kind == "extra_forbidden" and fault.tail:
        return _unknown(model, document, (*path, fault.tail), given, len(base))
    if fault.kind == "missing" and fault.tail:
        return document.problem(path, f"missing `{fault.tail}`{_example(model, fault.path, fault.tail)}", key=True)
    value = document.get(path)
    at_key = fault.at_key or isinstance(value, dict) or value is None
    return document.problem(path, _without_secret(document, path, fault.message), key=at_key)


def _without_secret(document: Document, path: tuple[str | int, ...], message: str) -> str:
    """The message, without the value if that may be a secret."""
    value = document.get(path)
    hidden = path in document.interpolated or any(
        isinstance(step, str) and SECRET_KEY.search(step) for step in path[-1:]
    )
    return message.replace(value, "…") if hidden and isinstance(value, str) and value else message


def _unknown(
    model: type[BaseModel],
    document: Document,
    path: tuple[str | int, ...],
    given: Mapping[str, object],
    skip: int = 0,
) -> Problem:
    known: dict[str, FieldInfo] = {}
    for owner in _models(model, path[skip:-1]):
        known |= {name: field for name, field in _fields(owner).items() if name not in given}
    key = str(path[-1])
    below = [name for name, field in known.items() for inner in _alternatives(field.annotation) if _has(inner, key)]
    hint = f"; it stands under `{below[0]}`" if below else did_you_mean(key, known)
    if ":" in key:
        hint = "; a space is missing behind its `:`"
    if not hint and known:
        usable = [name for name, field in known.items() if field.annotation is not NoneType]
        hint = f"; known here: {', '.join(usable[:_KEYS_SHOWN])}" + (", …" if len(usable) > _KEYS_SHOWN else "")
    return document.problem(path, f"unknown key `{key}`{hint}", key=True)


def _example(model: type[BaseModel], path: Path, key: str) -> str:
    for owner in _models(model, path):
        field = _fields(owner).get(key)
        if field is not None and field.examples:
            return f"; for example `{field.examples[0]}`"
    return ""


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models(start: object, path: Path) -> list[type[BaseModel]]:
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


def _words(detail: ErrorDetails) -> str:
    say = _WORDS.get(detail["type"])
    context = {key: str(value) for key, value in detail.get("ctx", {}).items()}
    if say is not None:
        return say(context)
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


_WORDS: Mapping[str, Callable[[Mapping[str, str]], str]] = {
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
