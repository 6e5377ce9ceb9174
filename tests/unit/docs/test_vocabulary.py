"""The check that keeps replaced words out of names and log events."""

from __future__ import annotations

from pathlib import Path

from tests.vocabulary import ROOT, find, replaced

WORDS = {"desk": "operator_messages", "fate": "delivery_status"}
SPOILT = """\
from elsewhere import desk


class FateShower:
    fates = 1

    def show(self, desk_id, /):
        self.deskId = desk.of(deskwork=1)
        log.warning("fate_unknown", fate="text")
        return "fate of a desk"
"""


def test_replaced_words_are_found_where_a_name_is_made_and_in_log_events(tmp_path: Path) -> None:
    (tmp_path / "bridge").mkdir()
    (tmp_path / "bridge" / "desk.py").write_text(SPOILT, encoding="utf-8")
    found = sorted((each.line, each.name, each.word) for each in find(tmp_path, WORDS))
    assert found == [
        (1, "desk", "desk"),
        (4, "FateShower", "fate"),
        (7, "desk_id", "desk"),
        (8, "deskId", "desk"),
        (9, "fate_unknown", "fate"),
    ]


def test_a_finding_says_where_it_is_and_what_to_say(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "one.py").write_text("\nfate = 1\n", encoding="utf-8")
    (found,) = find(tmp_path, WORDS)
    assert str(found) == "tests/one.py:2: fate: instead of 'fate' say delivery_status"


def test_the_list_is_of_plain_words_in_order() -> None:
    words = list(replaced(ROOT / "pyproject.toml"))
    assert words == sorted(words)
    assert all(word.isalpha() and word.islower() for word in words)
