"""Templates of replies and notes: a small, harmless part of Jinja2.

Jinja's sandbox does not stop ``'a' * 2000000000``. So the syntax tree is checked against a list of allowed nodes before
it is compiled, because the compiler already computes constant expressions. An allowed template can call nothing. The
length of its text is at most in proportion to the length of the template times that of the message. Texts from outside
enter as data only, and a rendered text is never rendered again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import lru_cache
from typing import Final

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError, nodes
from jinja2 import Template as Compiled
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bridge.errors import TemplateFailed
from bridge.rules.template_checks import (
    CONTACT_FIELDS,
    FILTERS,
    JOIN,
    TESTS,
    VARIABLES,
    BadTemplate,
    Foreign,
    check_tree,
)
from bridge.schema import did_you_mean
from bridge.value import value_object

MAX_TEXT: Final = 1600
"""Most characters of a rendered template: 24 parts in UCS-2."""
_LONGEST_SOURCE: Final = 8000

SINGLE_BRACES: Final = re.compile(rf"(?<!\{{)\{{\s*(?:{'|'.join(sorted(VARIABLES))})\b[^{{}}]*\}}(?!\}})")
"""A variable in single braces, such as ``{ args }``. It is sent as it stands; its author probably meant the value."""
_ELEMENT: Final = re.compile(r"(tuple|str) object has no element (-?\d+)")


@value_object
class ContactView:
    """The contact, as templates see it."""

    name: str = ""
    tags: tuple[str, ...] = ()
    own: Mapping[str, str] = field(default_factory=dict)
    """The values that rules have ``set``. A value that no rule has set yet is empty."""

    def __getattr__(self, name: str) -> str:
        """A value that rules ``set``. Python calls this for names that are not fields; the loader has checked them."""
        return self.own.get(name, "")


Value = str | tuple[str, ...] | ContactView
Variables = Mapping[str, Value]


@value_object
class Template:
    """A text that may hold placeholders. A text without placeholders costs nothing to render."""

    source: str
    fixed: str
    """The part of the text that does not depend on the message; for estimates of its length."""
    compiled: Compiled | None
    foreign: tuple[Foreign, ...] = ()
    """Names that :func:`check_names` must check before the template is used."""

    def render(self, variables: Variables, *, may_be_empty: bool = False) -> str:
        """The text with the variables filled in, trimmed.

        :raises TemplateFailed: the text cannot be made, is empty, or is longer than :data:`MAX_TEXT`.
        """
        if self.compiled is None:
            return self.fixed
        pieces: list[str] = []
        size = 0
        try:
            for piece in self.compiled.generate(variables):
                pieces.append(piece)
                size += len(piece)
                if size > MAX_TEXT:
                    raise TemplateFailed(f"the text is longer than {MAX_TEXT} characters")
        except UndefinedError as error:
            raise TemplateFailed(_missing(error.message or "")) from error
        except TemplateFailed:
            raise
        except TypeError as error:
            raise TemplateFailed("a text was added to a number or compared with one; write `~` or `| int`") from error
        except Exception as error:
            # An expression may fail on any data, and a failure must not stop the message. The text of the exception
            # may contain the subscriber's text; its class cannot.
            raise TemplateFailed(f"{type(error).__name__} while the text was made") from error
        text = "".join(pieces).strip()
        if not text and not may_be_empty:
            raise TemplateFailed("nothing is left of the text")
        return text


def _missing(said: str) -> str:
    """Jinja's message about a missing value, in words for the author of the template."""
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
    environment.filters = {name: environment.filters[name] for name in FILTERS | {JOIN}}
    environment.tests = {name: environment.tests[name] for name in TESTS}
    return environment


_ENVIRONMENT: Final = _environment()


def _remove_circle(compiled: Compiled) -> None:
    """Remove the reference from the code of a template back to the template.

    Without this circle, Python frees the rules that a reload replaces at once. With it, the garbage collector would
    have to search all objects for them.
    """
    namespace = compiled.root_render_func.__globals__
    for name in ("root", "__jinja_template__"):
        namespace.pop(name, None)


@lru_cache(maxsize=64)
def compile_template(source: str) -> Template:
    """Check and compile a template. Cached: a rule compiles each text twice, and all rules of a file share defaults.

    :raises BadTemplate: with what is wrong and what is allowed.
    """
    if not any(mark in source for mark in ("{{", "{%", "{#")):
        text = source.strip()
        if len(text) > MAX_TEXT:
            raise BadTemplate(f"the text is longer than {MAX_TEXT} characters", 1)
        if not text:
            raise BadTemplate("the text is empty", 1)
        return Template(source=source, fixed=text, compiled=None)
    if len(source) > _LONGEST_SOURCE:
        raise BadTemplate(f"the template is longer than {_LONGEST_SOURCE} characters", 1)
    try:
        tree = _ENVIRONMENT.parse(source)
        foreign = tuple(check_tree(tree))
        compiled = _ENVIRONMENT.from_string(tree)
    except TemplateSyntaxError as error:
        raise BadTemplate(_syntax(error.message or ""), error.lineno) from error
    except (RecursionError, SyntaxError, MemoryError) as error:
        raise BadTemplate("the template is nested too deeply", 1) from error
    _remove_circle(compiled)
    fixed = "".join(data.data for data in tree.find_all(nodes.TemplateData)).strip()
    return Template(source=source, fixed=fixed, compiled=compiled, foreign=foreign)


def check_names(template: Template, *, groups: Iterable[str], own: Iterable[str]) -> None:
    """Check that a template uses only names that exist.

    :param groups: named groups of the rule's expressions.
    :param own: values that rules ``set`` on a contact.
    :raises BadTemplate: for the first name that does not exist.
    """
    names, fields = VARIABLES | set(groups), CONTACT_FIELDS | set(own)
    for one in template.foreign:
        if one.of_contact:
            if one.name not in fields:
                known = [f"contact.{name}" for name in sorted(fields)]
                hint = did_you_mean(f"contact.{one.name}", known) or f"; known: {', '.join(known)}"
                raise BadTemplate(f"there is no `contact.{one.name}`{hint}", one.line)
        elif one.name not in names:
            hint = did_you_mean(one.name, names) or f"; known: {', '.join(sorted(names))}"
            raise BadTemplate(f"there is no variable `{one.name}`{hint}", one.line)
        elif one.has_field:
            raise BadTemplate(f"`{one.name}` has no fields; only `contact` has", one.line)


def _syntax(said: str) -> str:
    """Jinja's message about broken syntax, in words for the author of the template."""
    if said.startswith("Unexpected end of template"):
        return "`{% if … %}` or `{% for … %}` has no end; write `{% endif %}` or `{% endfor %}` behind it"
    if "expected 'end of print statement'" in said or said == "unexpected '}'":
        return "a value begins with `{{` and ends with `}}`; one of the braces is missing"
    return f"template: {said}"
