"""Checks the syntax tree of a template against a list of allowed nodes, before the template is compiled.

Some names need the whole rule: named groups, and values that rules ``set``. They are returned here and checked later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from jinja2 import nodes

from bridge.schema import did_you_mean
from bridge.value import value_object

_DEEPEST: Final = 40
VARIABLES: Final = frozenset({"text", "args", "words", "sender", "receiver", "prefix", "date", "account", "contact"})
_LATER_VARIABLES: Final = frozenset({"call", "poll"})
_JINJA: Final = "self loop caller and or not in is if elif else for true false none True False None"
RESERVED_NAMES: Final = VARIABLES | _LATER_VARIABLES | frozenset(_JINJA.split())
"""Names that a named group cannot have."""
CONTACT_FIELDS: Final = frozenset({"name", "tags"})
FILTERS: Final = frozenset(
    {"upper", "lower", "capitalize", "title", "trim", "default", "length", "first", "last", "int", "truncate"}
)
JOIN: Final = "join"
TESTS: Final = frozenset({"defined", "undefined"})
_ALLOWED: Final = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Slice,
    nodes.If,
    nodes.For,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Neg,
    nodes.Add,
    nodes.Sub,
    nodes.Concat,
    nodes.Filter,
    nodes.Keyword,
    nodes.Test,
)
_OF_TEXTS: Final = frozenset({"upper", "lower", "capitalize", "title", "trim", "int", "truncate"})
"""Filters that take a text. They would convert any other value to Python's notation of it."""
_NO_TEXT: Final = {
    "words": "`words` is a list and no text; write `words | join(' ')` or `args`",
    "tags": "`contact.tags` is a list and no text",
    "contact": "`contact` is no text; write `contact.name`",
    "answer": "a comparison is no text; write `{% if … %}…{% endif %}`",
}
"""The message about each value that is not a text. Without the check, it would be sent in Python's notation."""
_SPOKEN: Final = {
    "Mul": "`*`",
    "Pow": "`**`",
    "Mod": "`%`",
    "Div": "`/`",
    "FloorDiv": "`//`",
    "Call": "a call",
    "Assign": "`set`",
    "AssignBlock": "`set`",
    "Import": "`import`",
    "FromImport": "`import`",
    "Include": "`include`",
    "Extends": "`extends`",
    "Macro": "`macro`",
    "CallBlock": "`call`",
    "FilterBlock": "`filter`",
}
"""Jinja's names of nodes that are not allowed, and how an author writes them."""


class BadTemplate(ValueError):
    """A template that must not be loaded. The message names the line within the template, unless it is the first."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message if line <= 1 else f"line {line} of the text: {message}")


@value_object
class Foreign:
    """A name in a template that must be checked with the whole rule: a named group, or a value that rules ``set``."""

    name: str
    line: int
    of_contact: bool = False
    """It is written ``contact.<name>``."""
    has_field: bool = False
    """It is written ``<name>.<field>``, which is allowed for ``contact`` only."""


def check_tree(tree: nodes.Template) -> Iterator[Foreign]:
    """Check the nodes of a template, and return the names that must be checked with the whole rule.

    :raises BadTemplate: for anything that no template may contain.
    """
    for node, names in _walk(tree, VARIABLES, 0):
        if not isinstance(node, _ALLOWED):
            kind = type(node).__name__
            raise BadTemplate(f"{_SPOKEN.get(kind, kind)} is not allowed in a template", node.lineno)
        if isinstance(node, nodes.Name):
            yield from _foreign_name(node, names)
        elif isinstance(node, nodes.Getattr):
            yield from _foreign_field(node, names)
        elif isinstance(node, nodes.Getitem):
            _check_item(node)
        elif isinstance(node, nodes.Output | nodes.Concat):
            _check_texts(node.nodes)
        elif isinstance(node, nodes.Filter):
            _check_filter(node)
        elif isinstance(node, nodes.Test) and (node.name not in TESTS):
            raise BadTemplate(f"the test `{node.name}` is not allowed; known: defined, undefined", node.lineno)
        elif isinstance(node, nodes.For):
            _check_loop(node)


def _walk(node: nodes.Node, names: frozenset[str], depth: int) -> Iterator[tuple[nodes.Node, frozenset[str]]]:
    """Every node with the names that are known at it."""
    if depth > _DEEPEST:
        raise BadTemplate("the template is nested too deeply", node.lineno)
    yield node, names
    inner = names
    if isinstance(node, nodes.For) and isinstance(node.target, nodes.Name):
        inner = names | {node.target.name}
    for child in node.iter_child_nodes():
        yield from _walk(child, inner, depth + 1)


def _foreign_name(node: nodes.Name, names: frozenset[str]) -> Iterator[Foreign]:
    if node.name in _LATER_VARIABLES:
        raise BadTemplate(f"`{node.name}` is not available in this version", node.lineno)
    if node.name not in names:
        yield Foreign(name=node.name, line=node.lineno)


def _foreign_field(node: nodes.Getattr, names: frozenset[str]) -> Iterator[Foreign]:
    if _root(node) in _LATER_VARIABLES:
        return  # the name itself is the mistake and is reported as such
    if not isinstance(node.node, nodes.Name) or (node.node.name in names and node.node.name != "contact"):
        raise BadTemplate(f"`.{node.attr}` is not allowed; only `contact` has fields", node.lineno)
    if node.node.name != "contact":
        yield Foreign(name=node.node.name, line=node.lineno, has_field=True)
    elif node.attr not in CONTACT_FIELDS:
        yield Foreign(name=node.attr, line=node.lineno, of_contact=True)


def _root(node: nodes.Node | None) -> str:
    """The leftmost name: ``call`` in ``call.json.state``."""
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        node = node.node
    return node.name if isinstance(node, nodes.Name) else ""


def _check_item(node: nodes.Getitem) -> None:
    index = [node.arg]
    if isinstance(node.arg, nodes.Slice):
        index = [part for part in (node.arg.start, node.arg.stop, node.arg.step) if part is not None]
    for part in index:
        number = part.node if isinstance(part, nodes.Neg) else part
        if not isinstance(number, nodes.Const) or type(number.value) is not int:
            raise BadTemplate("between `[` and `]` only numbers are allowed, as in `words[0]`", node.lineno)


def _check_filter(node: nodes.Filter) -> None:
    if node.name != JOIN and node.name not in FILTERS:
        known = FILTERS | {JOIN}
        hint = did_you_mean(node.name, known) or f"; known: {', '.join(sorted(known))}"
        raise BadTemplate(f"the filter `{node.name}` is not allowed{hint}", node.lineno)
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        raise BadTemplate(f"the filter `{node.name}` takes plain arguments only", node.lineno)
    if node.name in _OF_TEXTS and node.node is not None:
        _check_texts([node.node])
    arguments = [*node.args, *(pair.value for pair in node.kwargs)]
    if node.name != "default" and not all(isinstance(argument, nodes.Const) for argument in arguments):
        raise BadTemplate(f"the arguments of `{node.name}` must be written out", node.lineno)
    # Joining a text joins its letters. Repeated joins would let a text grow without bound.
    if node.name == JOIN and not _is_words(node.node):
        raise BadTemplate("only words can be joined: `words|join(', ')`", node.lineno)


def _check_texts(values: Iterable[nodes.Node]) -> None:
    """Check that values are texts. A list would be sent in Python's notation: ``('12345', 'срочно')``."""
    for value in values:
        for shape in _shapes(value):
            if shape in _NO_TEXT:
                raise BadTemplate(_NO_TEXT[shape], value.lineno)


def _shapes(node: nodes.Node | None) -> set[str]:
    """The kinds of value that an expression may have: keys of :data:`_NO_TEXT`; empty for a text."""
    found: set[str] = set()
    if isinstance(node, nodes.Name):
        found = {node.name}
    elif isinstance(node, nodes.Getattr):
        found = {node.attr} & CONTACT_FIELDS
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
        found = _shapes(node.node)
    elif isinstance(node, nodes.Compare | nodes.Not | nodes.Test):
        found = {"answer"}
    elif isinstance(node, nodes.CondExpr):
        found = _shapes(node.expr1) | _shapes(node.expr2)
    elif isinstance(node, nodes.And | nodes.Or | nodes.Add):
        found = _shapes(node.left) | _shapes(node.right)
    elif isinstance(node, nodes.Filter) and node.name == "default":
        found = _shapes(node.node).union(*(_shapes(argument) for argument in node.args))
    return found & _NO_TEXT.keys()


def _check_loop(node: nodes.For) -> None:
    if not _is_words(node.iter) or not isinstance(node.target, nodes.Name):
        raise BadTemplate("a loop can only go over the words: `{% for word in words %}`", node.lineno)
    if node.recursive or next(node.find_all(nodes.For), None) is not None:
        raise BadTemplate("a loop within a loop is not allowed", node.lineno)


def _is_words(node: nodes.Node | None) -> bool:
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
        node = node.node
    return isinstance(node, nodes.Name) and node.name == "words"
