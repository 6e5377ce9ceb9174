"""What a YAML file may hold, and that nothing in it can hurt the process."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.schema import Document, read_file, read_yaml
from bridge.schema.reader import MAX_BYTES, MAX_DEPTH

TAGS = "tags (`!…`) are not supported; put a text that begins with `!` in quotes"
ALIAS = "an alias `*…` without an anchor `&…` before it; put a text that begins with `*` in quotes"
NASTY = "ab:-[]{}&*!|>'\"#%@`,? \n\t~<=$\\0я😀\ufeff\x85\u2028\x00\ud800"


def complaints(text: str) -> list[str]:
    return [str(problem) for problem in read_yaml(text, "f").problems]


@pytest.mark.parametrize(
    "scalar",
    [
        "+79001234567",
        "79001234567",
        "no",
        "NO",
        "yes",
        "on",
        "off",
        "true",
        "18:00",
        "0755",
        "0x1f",
        "1e3",
        "1_000",
        "2026-03-01",
        ".inf",
        "=",
        "1.10",
    ],
)
def test_a_plain_scalar_stays_as_it_was_written(scalar: str) -> None:
    assert read_yaml(f"key: {scalar}\n{scalar}: value", "f").data == {"key": scalar, scalar: "value"}


@pytest.mark.parametrize("nothing", ["", "~", "null", "Null", "NULL"])
def test_only_an_empty_value_is_null(nothing: str) -> None:
    assert read_yaml(f"key: {nothing}\n", "f").data == {"key": None}


@pytest.mark.parametrize("text", ['key: ""', "key: ''", "key: '~'", 'key: "null"', "key: !!str null", "key: !!str"])
def test_quotes_make_a_text_of_it(text: str) -> None:
    assert isinstance(read_yaml(text, "f").data["key"], str)


def test_a_duplicate_key_is_refused_with_both_lines_and_the_first_value_stays() -> None:
    document = read_yaml("a: 1\nb: {x: 1, x: 2}\na: 3\n", "f")
    assert [str(problem) for problem in document.problems] == [
        "f:2:11: b.x: duplicate key `x`; it stands in line 2 already",
        "f:3:1: a: duplicate key `a`; it stands in line 1 already",
    ]
    assert document.data == {"a": "1", "b": {"x": "1"}}


def test_an_alias_bomb_costs_nothing() -> None:
    rows = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    began = time.process_time()
    document = read_yaml("\n".join(rows), "f")
    assert time.process_time() - began < 1
    assert [str(problem) for problem in document.problems] == [
        "f:5:10: a4[0]: aliases repeat more than 10000 values; write them out"
    ]
    assert document.data == {}


def test_aliases_and_merge_keys_work_within_reason() -> None:
    text = "base: &base {a: 1, b: 2}\none: {<<: *base, b: 3}\ntwo:\n  <<: [*base, *base]\nthree: *base\n"
    document = read_yaml(text, "f")
    assert document.problems == []
    assert document.data["one"] == {"b": "3", "a": "1"}
    assert document.data["two"] == document.data["three"] == {"a": "1", "b": "2"}
    assert document.where(("one", "a")) == (1, 17)


def test_a_key_called_merge_in_quotes_is_a_key() -> None:
    assert read_yaml('"<<": 1', "f").data == {"<<": "1"}


@pytest.mark.parametrize("bomb", ["[" * 100_000, "- " * 100_000, "{a: " * 100_000, "? " * 100_000])
def test_depth_is_capped_and_does_not_end_the_process(bomb: str) -> None:
    began = time.process_time()
    document = read_yaml(f"a: {bomb}" if bomb[0] in "[{" else bomb, "f")
    assert time.process_time() - began < 2
    assert len(document.problems) >= 1
    assert any(f"nested more than {MAX_DEPTH} levels deep" in problem.message for problem in document.problems)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:\n\tb: 1", "f:2:1: a tab; YAML is indented by spaces"),
        ("a: {{ name }}", "f:1:4: a: a text that begins with `{{` must be in quotes"),
        ("a: @home", "f:1:4: a value cannot begin with `@`; put it in quotes"),
        ("a: *home", f"f:1:4: a: {ALIAS}"),
        ("a: &x [*x]", f"f:1:8: a[0]: {ALIAS}"),
        ("a: !danger x", f"f:1:4: a: {TAGS}"),
        ("a: !!python/object:os.system x", f"f:1:4: a: {TAGS}"),
        ("a: !!binary aGk=", f"f:1:4: a: {TAGS}"),
        ("a: 1\n---\nb: 2", "f:2:1: a second document (`---`); one file holds one"),
        ("- a", "f:1:1: expected keys with values at the top, as in `key: value`"),
        ("text", "f:1:1: expected keys with values at the top, as in `key: value`"),
        ("? [a]\n: b", "f:1:3: a key must be a single word or text"),
        ("a:\n  ~: x", "f:2:3: a: a key is missing before the `:`"),
        ("a: 1\nb:\n  - x\n c: 1", "f:4:2: does not fit in here; compare the indentation with the lines above"),
        ("a: 'x\nb: 1\n", "f:1:4: the quotes that open here are never closed"),
        (r'a: "\d"', r"f:1:5: an unknown escape in double quotes; write `\\` for a backslash, or use single quotes"),
        (r'a: "\0"', "f:1:4: a: an escape for a control character (U+0000); delete it"),
        ("a: 1\nb: x\x00y", "f:2:5: a control character (U+0000); delete it"),
        ("a: \ud800", "f:1:4: a control character (U+D800); delete it"),
        ("a: {b: ${X}}", "f:1:9: inside braces a `${…}` must be in quotes"),
        ("a: [1, 2\nb: 3", "f:2:2: a list or braces that are not closed, or a comma that is missing"),
        ("x: &a 1\n*a : 2", "f:2:1: an alias cannot be a key"),
        ("a:\n  <<: text", "f:2:3: a: `<<` takes an alias of a mapping, such as `<<: *common`, or a list of such"),
    ],
)  # fmt: skip
def test_what_surprises_people_is_refused_in_plain_words(text: str, expected: str) -> None:
    assert complaints(text) == [expected]


def test_an_empty_file_is_an_empty_mapping() -> None:
    for text in ("", "# only a comment\n", "---\n", "\ufeff"):
        document = read_yaml(text, "f")
        assert (document.data, document.problems) == ({}, [])


def test_places_count_characters_from_one_also_after_cyrillic_and_emoji() -> None:
    document = read_yaml("\ufeffa: 1\r\nключ: ['😀', «да»]\r\n", "f")
    assert document.where(("ключ", 1)) == (2, 13)
    assert document.where(("ключ", 1), key=True) == (2, 13)
    assert document.where(("ключ",), key=True) == (2, 1)
    assert document.where(("ключ", 7, "deeper")) == (2, 1)
    assert document.where(("nothing", "here")) == (1, 1)


def test_a_problem_names_the_path_as_tools_do() -> None:
    document = read_yaml("a:\n  - b c: {d: 1}\n", "f")
    assert str(document.problem(("a", 0, "b c", "d"), "wrong")) == 'f:2:14: a[0]["b c"].d: wrong'
    assert str(document.problem(("a", 0, "b c", "d"), "wrong", key=True)) == 'f:2:11: a[0]["b c"].d: wrong'


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_text("a: " + "x" * MAX_BYTES)
    (problem,) = read_file(path).problems
    assert problem.message == "is larger than 1 MB; split it into several files"
    assert complaints("a: " + "я" * (MAX_BYTES // 2)) == ["f:1:1: is larger than 1 MB; split it into several files"]


def test_an_unreadable_file_is_a_problem_and_no_exception(tmp_path: Path) -> None:
    bad = tmp_path / "cp1251.yaml"
    bad.write_bytes("a: 1\r\nb: ой, Привет".encode("cp1251"))
    cases: dict[Path, tuple[int, int, str]] = {
        tmp_path / "none.yaml": (1, 1, "cannot be read: No such file or directory"),
        tmp_path: (1, 1, "cannot be read: Is a directory"),
        tmp_path / "a\0b": (1, 1, "cannot be read: not a usable path"),
        bad: (2, 4, "not UTF-8 (Windows-1251, perhaps); save the file as UTF-8"),
    }
    for path, expected in cases.items():
        (problem,) = read_file(path).problems
        assert (problem.line, problem.column, problem.message) == expected
        assert problem.file == str(path)


def test_ten_thousand_rules_are_read_in_seconds() -> None:
    rows = [f"  - name: r{n}\n    when: {{keyword: [a{n}, b{n}]}}\n    reply: 'text {n}'\n" for n in range(10_000)]
    began = time.process_time()
    document = read_yaml("rules:\n" + "".join(rows), "f")
    assert time.process_time() - began < 10
    assert document.problems == []
    assert document.where(("rules", 9_999, "reply")) == (30_001, 12)


@given(
    st.text(
        alphabet=st.sampled_from(list("ab:-[]{}&*!|>'\"#%@`,? \n\t~<=$\\0я😀\ufeff\x85\u2028\x00\ud800")), max_size=60
    )
)
def test_no_text_makes_it_raise(text: str) -> None:
    document = read_yaml(text, "f")
    assert isinstance(document, Document)
    for problem in document.problems:
        assert problem.line >= 1
        assert problem.column >= 1
