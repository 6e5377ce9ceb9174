"""Reads a directory of rules: all of them, or every problem of every file at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from bridge.errors import ConfigError, Problem
from bridge.model.base import Ms
from bridge.rules.compiler import Compiler
from bridge.rules.context import Counting, RuleContext
from bridge.rules.defaults import inherit
from bridge.rules.engine import RuleSet
from bridge.rules.examples import Example, check_examples, read_examples
from bridge.rules.index import Index
from bridge.rules.lint import lint
from bridge.rules.rule import Rule
from bridge.rules.schema import FileEntry
from bridge.schema import Document, display_path, read_text, read_yaml, validate

_LARGEST_SET = 16 << 20
_SUFFIXES = {".yaml", ".yml"}


def load_rules(directory: Path, context: RuleContext) -> RuleSet:
    """Read, check and index all ``*.yaml`` of a directory, in the order of their names.

    Files in subdirectories and hidden ones are not read.

    :raises ConfigError: with every problem found. A failed test of the files is a problem, too.
    """
    ruleset, examples = read_rules(directory, context)
    failed = check_examples(ruleset, examples)
    if failed:
        raise ConfigError(failed)
    return ruleset


def read_rules(directory: Path, context: RuleContext) -> tuple[RuleSet, list[Example]]:
    """The rules and the tests of the files, in their order. The tests are not run, so this is not for a service.

    :raises ConfigError: with every problem found.
    """
    problems: list[Problem] = []
    warnings: list[Problem] = []
    texts = _read(directory, problems)
    documents = [inherit(read_yaml(text, display_path(path))) for path, text in texts]
    own_values = frozenset(name for document in documents for name in _values_set(document))
    loaded = []
    for document in documents:
        compiler = Compiler(document=document, context=context, own_values=own_values)
        loaded.append(_load(compiler, problems, warnings))
    rules = tuple(rule for part, _ in loaded for rule in part)
    problems.extend(_same_names(named for document in documents for named in _named(document)))
    if problems:
        raise ConfigError(_each_once(problems))
    ruleset = RuleSet(
        rules=rules,
        version=_version(texts),
        warnings=(*warnings, *(lint(rules, display_path(directory)) if texts else [_nothing(directory)])),
        index=Index.of(rules),
        context=context,
        counting=_counting(rules),
    )
    return ruleset, [example for _, examples in loaded for example in examples]


def _values_set(document: Document) -> Iterable[str]:
    """Names of the values that the rules of a file ``set`` on a contact."""
    rules = document.data.get("rules")
    for at in range(len(rules) if isinstance(rules, list) else 0):
        for path in (("rules", at, "set"), ("rules", at, "on_error", "set")):
            values = document.get(path)
            yield from values if isinstance(values, dict) else ()


def _each_once(problems: Iterable[Problem]) -> list[Problem]:
    """The problems in order. A mistake in ``defaults``, which every rule inherits, is reported once."""
    first = {(one.file, one.line, one.column, one.message): one for one in sorted(problems, reverse=True)}
    return sorted(first.values())


def _counting(rules: Iterable[Rule]) -> Counting:
    periods: list[Ms] = []
    totals: dict[str, Ms] = {}
    for rule in rules:
        if not rule.enabled:
            continue
        if rule.limit is not None and rule.limit.per_sender is not None:
            periods.append(rule.limit.per_sender[1])
        if rule.limit is not None and rule.limit.total is not None:
            totals[rule.name] = rule.limit.total[1]
        replies = (actions.reply for actions in rule.all_actions() if actions.reply is not None)
        periods += [reply.once[1] for reply in replies if reply.once is not None]
    return Counting(sender=max(periods, default=0), totals=totals)


def _read(directory: Path, problems: list[Problem]) -> list[tuple[Path, str]]:
    try:
        paths = sorted(
            path
            for path in directory.iterdir()
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()
        )
    except FileNotFoundError:
        problems.append(_file_problem(directory, "no such folder; make it, or name another in `rules` of config.yaml"))
        return []
    except NotADirectoryError:
        problems.append(_file_problem(directory, "is a file; `rules` in config.yaml names the folder it is in"))
        return []
    except OSError as error:
        problems.append(_file_problem(directory, f"cannot be read: {error.strerror}"))
        return []
    texts: list[tuple[Path, str]] = []
    total = 0
    for path in paths:
        text = read_text(path, display_path(path))
        if isinstance(text, Problem):
            problems.append(text)
            continue
        total += len(text)
        if total > _LARGEST_SET:
            problems.append(_file_problem(directory, "holds more than 16 million characters of rules"))
            break
        texts.append((path, text))
    return texts


def _load(compiler: Compiler, problems: list[Problem], warnings: list[Problem]) -> tuple[list[Rule], list[Example]]:
    document = compiler.document
    if document.root is not None and isinstance(document.root.value, list):
        problems.append(document.problem((), "write `rules:` in a line above this list"))
        return [], []
    problems.extend(document.problems)
    if not document.data:
        return [], []
    shape, found = validate(FileEntry, document)
    problems.extend(found)
    if shape is None:
        return [], []
    if "defaults" in document.data:
        compiler.defaults()
    compiled = [compiler.rule(at) for at in range(len(shape.rules))]
    examples, found = read_examples(document, len(shape.tests), compiler.context.timezone)
    problems.extend(compiler.problems)
    problems.extend(found)
    warnings.extend(_cut_texts(document, len(shape.rules), len(shape.tests)))
    return [rule for rule in compiled if rule is not None], examples


def _cut_texts(document: Document, rules: int, tests: int) -> Iterable[Problem]:
    """Warnings about texts without quotes that YAML cuts off at a ` #`, as in ``reply: Позвоните #1``."""
    reported = set()
    for path in [
        *(("rules", at, key) for at in range(rules) for key in ("reply", "note", "before", "after")),
        *(("tests", at, *keys) for at in range(tests) for keys in (("sms", "text"), ("expect", "reply"))),
    ]:
        if (location := document.comment_after(path)) is not None and location not in reported:
            reported.add(location)  # a text of `defaults` is in many rules
            message = "the text ends here, what follows ` #` is a comment; if it belongs to the text, put all in quotes"
            problem = document.problem(path, message)
            yield replace(problem, line=location[0], column=location[1])


RuleName = tuple[str, Problem]
"""The name of a rule, and a problem at its location."""


def _named(document: Document) -> Iterable[RuleName]:
    """The names of all rules of a file, also of rules with other mistakes."""
    rules = document.data.get("rules")
    for at in range(len(rules) if isinstance(rules, list) else 0):
        path = ("rules", at, "name")
        if isinstance(name := document.get(path), str) and name:
            yield name, document.problem(path, name)


def _same_names(named: Iterable[RuleName]) -> list[Problem]:
    first: dict[str, Problem] = {}
    problems = []
    for name, location in named:
        if name not in first:
            first[name] = location
            continue
        other = first[name]
        problems.append(replace(location, message=f"there is a rule `{name}` already: {other.file}:{other.line}"))
    return problems


def _version(texts: list[tuple[Path, str]]) -> str:
    digest = hashlib.sha256()
    for path, text in texts:
        for part in (path.name, text):
            content = part.encode("utf-8")
            digest.update(len(content).to_bytes(8, "big"))
            digest.update(content)
    return digest.hexdigest()[:12]


def _nothing(directory: Path) -> Problem:
    return _file_problem(directory, "holds no rules (*.yaml); every SMS goes to the default chat")


def _file_problem(path: Path, message: str) -> Problem:
    return Problem(file=display_path(path), line=1, column=1, path="", message=message)
