"""Values from the environment and from files of secrets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge.schema import Document, interpolate, read_yaml

NOWHERE = Path("/nonexistent")


def filled(text: str, environ: Mapping[str, str], folder: Path = NOWHERE) -> Document:
    return interpolate(read_yaml(text, "f"), environ, folder)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("${NAME}", "value"),
        ("<${NAME}-${NAME}>", "<value-value>"),
        ("${NONE:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY}", ""),
        ("${NONE:-}", ""),
        ("${NONE:--1001234567890}", "-1001234567890"),
        ("${NAME:-default}", "value"),
        ("$${NAME}", "${NAME}"),
        ("$NAME $ {NAME} 5$", "$NAME $ {NAME} 5$"),
    ],
)
def test_a_variable_is_filled_in(written: str, expected: str) -> None:
    document = filled(f"key: {written}\n", {"NAME": "value", "EMPTY": ""})
    assert document.problems == []
    assert document.data == {"key": expected}


def test_a_value_from_outside_stays_one_value() -> None:
    document = filled("key: ${X}\nlist: [a, '${X}']\n", {"X": "a: [1, *b]\n# ${Y}"})
    assert document.data == {"key": "a: [1, *b]\n# ${Y}", "list": ["a", "a: [1, *b]\n# ${Y}"]}
    assert document.problems == []


def test_keys_are_not_filled() -> None:
    assert filled("${X}: 1\n", {"X": "name"}).data == {"${X}": "1"}


def test_a_file_of_a_secret_loses_its_last_line_break(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xef\xbb\xbfhunter2\r\n")
    document = filled("a: ${file:secret}\nb: ${file:%s/secret}\n" % tmp_path, {}, tmp_path)  # noqa: UP031
    assert document.data == {"a": "hunter2", "b": "hunter2"}


def test_what_cannot_be_filled_is_told_at_its_own_place(tmp_path: Path) -> None:
    (tmp_path / "cp1251").write_bytes("пароль".encode("cp1251"))
    (tmp_path / "big").write_bytes(b"x" * 70_000)
    text = "a: x ${A} ${B}\nb: ${file:none}\nc: ${file:cp1251}\nd: ${file:big}\ne: ${}\nf: ${A:-${B}}\n"
    text += "g: |\n  one\n  ${C}\n"
    assert [str(problem) for problem in filled(text, {}, tmp_path).problems] == [
        "f:1:6: a: the environment variable A is not set; set it, or write ${A:-default}",
        "f:1:11: a: the environment variable B is not set; set it, or write ${B:-default}",
        f"f:2:4: b: {tmp_path}/none cannot be read: No such file or directory",
        f"f:3:4: c: {tmp_path}/cp1251 is not UTF-8",
        f"f:4:4: d: {tmp_path}/big is larger than 65536 bytes",
        "f:5:4: e: expected ${NAME}, ${NAME:-default} or ${file:/path}; a plain `${` is written `$${`",
        "f:6:4: f: `${` is not closed on its line, or holds braces; a plain `${` is written `$${`",
        "f:6:9: f: the environment variable B is not set; set it, or write ${B:-default}",
        "f:9:3: g: the environment variable C is not set; set it, or write ${C:-default}",
    ]
