"""Templates of replies and notes: a small, harmless part of Jinja2.

The sandbox alone does not stop ``'a' * 2000000000``, so the syntax tree is checked against a list of
what is allowed before anything is compiled: compiling would already work out constant expressions. What
is left can neither call anything nor grow faster than the template times the message. A text from
outside only ever enters as data; what comes out is never rendered again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from functools import lru_cache
from typing import Final

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError, nodes
from jinja2 import Template as Compiled
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bridge.errors import TemplateFailed
from bridge.frozen import frozen
from bridge.schema import near

LONGEST: Final = 1600
"""Characters a rendered template may have: 24 parts in UCS-2."""
_LONGEST_SOURCE: Final = 8000
_DEEPEST: Final = 40

VARIABLES: Final = frozenset({"text", "args", "words", "sender", "receiver", "prefix", "date", "account", "contact"})
_LATER_VARIABLES: Final = frozenset({"call", "poll"})
_JINJA: Final = "self loop caller and or not in is if elif else for true false none True False None"
RESERVED_NAMES: Final = VARIABLES | _LATER_VARIABLES | frozenset(_JINJA.split())
"""What a named group cannot be called."""
_CONTACT_FIELDS: Final = frozenset({"name", "tags"})
_FILTERS: Final = frozenset(
    {"upper", "lower", "capitalize", "title", "trim", "default", "length", "first", "last", "int", "truncate"}
)
_JOIN: Final = "join"
_TESTS: Final = frozenset({"defined", "undefined"})
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
SINGLE_BRACES: Final = re.compile(rf"(?<!\{{)\{{\s*(?:{'|'.join(sorted(VARIABLES))})\b[^{{}}]*\}}(?!\}})")
"""What is probably meant as a value and goes out as it stands: ``{ args }``."""
_OF_TEXTS: Final = frozenset({"upper", "lower", "capitalize", "title", "trim", "int", "truncate"})
"""Filters that would take anything else by the way Python writes it."""
_NO_TEXT: Final = {
    "words": "`words` is a list and no text; write `words | join(' ')` or `args`",
    "tags": "`contact.tags` is a list and no text",
    "contact": "`contact` is no text; write `contact.name`",
    "answer": "a comparison is no text; write `{% if … %}…{% endif %}`",
}
"""Shapes of values that would go out as Python writes them."""
_ELEMENT: Final = re.compile(r"(tuple|str) object has no element (-?\d+)")
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


@frozen
class ContactView:
    """What a template may know of the contact."""

    name: str = ""
    tags: tuple[str, ...] = ()
    own: Mapping[str, str] = field(default_factory=dict)
    """What rules have ``set``; what none has set yet is empty."""

    def __getattr__(self, name: str) -> str:
        """Asked for what is no field: which names there are was checked when the template was loaded."""
        return self.own.get(name, "")


Value = str | tuple[str, ...] | ContactView
Variables = Mapping[str, Value]


class BadTemplate(ValueError):
    """A template that must not be loaded; its line, from 1 within the template, is in the message."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message if line <= 1 else f"line {line} of the text: {message}")


@frozen
class Foreign:
    """A name in a template that this module does not know: a named group of the rule, a value that rules ``set``."""

    name: str
    line: int
    of_contact: bool = False
    """It is written ``contact.name``."""
    has_field: bool = False
    """It is written with a field of its own, as only ``contact`` can be."""


@frozen
class Template:
    """A text with places to fill in. Without any it is kept as it is and costs nothing to render."""

    source: str
    fixed: str
    """What is in the text whatever the message says; for estimates."""
    compiled: Compiled | None
    foreign: tuple[Foreign, ...] = ()
    """What :func:`check_names` must be asked about before the template is used."""

    def render(self, variables: Variables, *, may_be_empty: bool = False) -> str:
        """:raises TemplateFailed: the text cannot be made of these variables, is empty or too long."""
        if self.compiled is None:
            return self.fixed
        pieces: list[str] = []
        size = 0
        try:
            for piece in self.compiled.generate(variables):
                pieces.append(piece)
                size += len(piece)
                if size > LONGEST:
                    raise TemplateFailed(f"the text is longer than {LONGEST} characters")
        except UndefinedError as error:
            raise TemplateFailed(_missing(error.message or "")) from error
        except TemplateFailed:
            raise
        except TypeError as error:
            raise TemplateFailed("a text was added to a number or compared with one; write `~` or `| int`") from error
        except Exception as error:
            # Any expression may meet any data; whatever comes of it must not stop the message. The words
            # of the exception may hold the subscriber's text, its class cannot.
            raise TemplateFailed(f"{type(error).__name__} while the text was made") from error
        text = "".join(pieces).strip()
        if not text and not may_be_empty:
            raise TemplateFailed("nothing is left of the text")
        return text


def _missing(said: str) -> str:
    """Jinja's words for a value that is not there, in those of the person who wrote the template."""
    if (found := _ELEMENT.search(said)) is not None:
        what = f"{'words' if found[1] == 'tuple' else 'text'}[{found[2]}]"
        return f"this SMS has no `{what}`; write what stands in for it: `{what} | default('…')`"
    if "was empty" in said:
        return "this SMS has no first and no last word; ask before: `{% if words %}…{% endif %}`"
    return "something that the text needs is not there"


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in _FILTERS | {_JOIN}}
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    return environment


_ENVIRONMENT: Final = _environment()


def _untie(compiled: Compiled) -> None:
    """Its code points back at it. Without that the rules that a reload replaces are freed at once, and nobody has to
    look through everything there is for what they left behind."""
    namespace = compiled.root_render_func.__globals__
    for name in ("root", "__jinja_template__"):
        namespace.pop(name, None)


@lru_cache(maxsize=64)
def compile_template(source: str) -> Template:
    """Check and compile. Kept for a moment: a rule asks twice, and a file's defaults are in all of its rules.

    :raises BadTemplate: with what is wrong and what is known instead.
    """
    if not any(mark in source for mark in ("{{", "{%", "{#")):
        text = source.strip()
        if len(text) > LONGEST:
            raise BadTemplate(f"the text is longer than {LONGEST} characters", 1)
        if not text:
            raise BadTemplate("the text is empty", 1)
        return Template(source=source, fixed=text, compiled=None)
    if len(source) > _LONGEST_SOURCE:
        raise BadTemplate(f"the template is longer than {_LONGEST_SOURCE} characters", 1)
    try:
        tree = _ENVIRONMENT.parse(source)
        foreign = tuple(_check(tree))
        compiled = _ENVIRONMENT.from_string(tree)
    except TemplateSyntaxError as error:
        raise BadTemplate(_syntax(error.message or ""), error.lineno) from error
    except (RecursionError, SyntaxError, MemoryError) as error:
        raise BadTemplate("the template is nested too deeply", 1) from error
    _untie(compiled)
    fixed = "".join(data.data for data in tree.find_all(nodes.TemplateData)).strip()
    return Template(source=source, fixed=fixed, compiled=compiled, foreign=foreign)


def check_names(template: Template, *, groups: Iterable[str], own: Iterable[str]) -> None:
    """Whether a rule's template uses only names that are there.

    :param groups: named groups of the rule's expressions.
    :param own: what any rule has ``set`` of a contact.
    :raises BadTemplate: at the first name that is not.
    """
    names, fields = VARIABLES | set(groups), _CONTACT_FIELDS | set(own)
    for one in template.foreign:
        if one.of_contact:
            if one.name not in fields:
                known = [f"contact.{name}" for name in sorted(fields)]
                hint = near(f"contact.{one.name}", known) or f"; known: {', '.join(known)}"
                raise BadTemplate(f"there is no `contact.{one.name}`{hint}", one.line)
        elif one.name not in names:
            hint = near(one.name, names) or f"; known: {', '.join(sorted(names))}"
            raise BadTemplate(f"there is no variable `{one.name}`{hint}", one.line)
        elif one.has_field:
            raise BadTemplate(f"`{one.name}` has no fields; only `contact` has", one.line)


def _syntax(said: str) -> str:
    """Jinja's words for broken braces, in those of the person who wrote them."""
    if said.startswith("Unexpected end of template"):
        return "`{% if … %}` or `{% for … %}` has no end; write `{% endif %}` or `{% endfor %}` behind it"
    if "expected 'end of print statement'" in said or said == "unexpected '}'":
        return "a value begins with `{{` and ends with `}}`; one of the braces is missing"
    return f"template: {said}"


def _check(tree: nodes.Template) -> Iterator[Foreign]:
    """:raises BadTemplate: for what no rule may write; names that only the rule can know are handed back."""
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
        elif isinstance(node, nodes.Test) and (node.name not in _TESTS):
            raise BadTemplate(f"the test `{node.name}` is not allowed; known: defined, undefined", node.lineno)
        elif isinstance(node, nodes.For):
            _check_loop(node)


def _walk(node: nodes.Node, names: frozenset[str], depth: int) -> Iterator[tuple[nodes.Node, frozenset[str]]]:
    """Every node with the names known there."""
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
    elif node.attr not in _CONTACT_FIELDS:
        yield Foreign(name=node.attr, line=node.lineno, of_contact=True)


def _root(node: nodes.Node | None) -> str:
    """What stands at the very left of ``call.json.state``."""
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
    if node.name != _JOIN and node.name not in _FILTERS:
        known = _FILTERS | {_JOIN}
        hint = near(node.name, known) or f"; known: {', '.join(sorted(known))}"
        raise BadTemplate(f"the filter `{node.name}` is not allowed{hint}", node.lineno)
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        raise BadTemplate(f"the filter `{node.name}` takes plain arguments only", node.lineno)
    if node.name in _OF_TEXTS and node.node is not None:
        _check_texts([node.node])
    arguments = [*node.args, *(pair.value for pair in node.kwargs)]
    if node.name != "default" and not all(isinstance(argument, nodes.Const) for argument in arguments):
        raise BadTemplate(f"the arguments of `{node.name}` must be written out", node.lineno)
    # Joining a text joins its letters: repeated, that grows without bound.
    if node.name == _JOIN and not _is_words(node.node):
        raise BadTemplate("only words can be joined: `words|join(', ')`", node.lineno)


def _check_texts(values: Iterable[nodes.Node]) -> None:
    """What is put out must be a text. Anything else would be sent as Python writes it: ``('12345', 'срочно')``."""
    for value in values:
        for shape in _shapes(value):
            if shape in _NO_TEXT:
                raise BadTemplate(_NO_TEXT[shape], value.lineno)


def _shapes(node: nodes.Node | None) -> set[str]:
    """What an expression may come to; the keys of :data:`_NO_TEXT`, or nothing for a text."""
    found: set[str] = set()
    if isinstance(node, nodes.Name):
        found = {node.name}
    elif isinstance(node, nodes.Getattr):
        found = {node.attr}
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
