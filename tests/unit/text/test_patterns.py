from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.text.patterns import BadPattern, PatternSet, PatternSets, compile_pattern


@pytest.mark.parametrize(
    ("source", "text", "fits"),
    [
        (r"^\w+$", "Ёжик_й", True),
        (r"^\w+$", "ёж й", False),
        (r"^\W$", "ж", False),
        (r"^[\w-]+$", "ёж-й", True),
        (r"^[\w-я]+$", "ж-я", True),
        (r"^[^\w]+$", "ж", False),
        (r"^[^\d\s]+$", "а\u00a0б", False),
        (r"\d", "٣", True),
        (r"^\D$", "٣", False),
        (r"^[\D]$", "ж", True),
        (r"а\sб", "а\u00a0б", True),
        (r"а\sб", "а\u2009б", True),
        (r"^\S+$", "а\u00a0б", False),
        ("заказ", "ЗАКАЗ", True),
        ("(?-i)заказ", "ЗАКАЗ", False),
        ("[а-в]", "Б", True),
        ("^.$", "😀", True),
        (r"^\.$", "ж", False),
        (r"^\Q\d\E$", r"\d", True),
        (r"^[]\[]+$", "[]", True),
        (r"^[(?]+$", "(?", True),
        (r"^[\]\w]+$", "]ж", True),
        (r"\x{416}", "Ж", True),
        ("a|", "", True),
    ],
)
def test_an_expression_means_unicode_and_no_capitals(source: str, text: str, fits: bool) -> None:
    assert (compile_pattern(source).search(text) is not None) is fits


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (r"\bкод", "for a whole word use `contains`"),
        (r"[\b]", "for a whole word use `contains`"),
        (r"ко\B", "for a whole word use `contains`"),
        ("а(?=б)", "use `not:` or a second condition"),
        ("а(?!б)", "use `not:` or a second condition"),
        ("(?<=а)б", "use `not:` or a second condition"),
        ("(?<!а)б", "use `not:` or a second condition"),
        (r"(а)\1", "`\\1` (what a group found, once more)"),
        ("(?P<a>а)(?P=a)", "once more"),
        (r"(?P<a>а)\k<a>", "once more"),
        ("(?>а)", "is not possible"),
        ("(а)?(?(1)б)", "is not possible"),
        ("(?#примечание)а", "write the comment in YAML"),
        (r"а\Z", "the end of the text is `$`"),
        (r"\u0430", r"\x{43f}"),
        ("[[:alpha:]]", r"write `\pL`"),
        (r"[\W]", "any character is `(?s:.)`"),
        (r"[\S\s]", "any character is `(?s:.)`"),
        ("(а", "a `)` is missing"),
        ("а)", "a `)` without its `(`"),
        ("[а", "a `]` is missing"),
        ("*а", r"the sign itself is `\*`"),
        ("а++", "put the first in `(?:…)`"),
        ("а{2000}", "repeats more than 1000 times"),
        (r"(?:(?:\w{1,100}){1,100}){1,9}", "repeat"),
        ("а\\", "ends in a `\\`"),
        (r"\y", "means nothing there"),
        ("[я-а]", "a range whose end comes before its beginning"),
        ("(?P<a>а)(?P<a>б)", "two groups of the name `a`"),
        ("(?P<a а>а)", "a group whose name is no name"),
        ("(?z)", "means nothing"),
        ("а" * 1001, "longer than 1000"),
    ],
)
def test_an_unsupported_expression_is_refused_with_advice(source: str, words: str) -> None:
    with pytest.raises(BadPattern) as caught:
        compile_pattern(source)
    assert words in str(caught.value)


def test_groups_find_the_original_and_one_that_took_no_part_is_empty() -> None:
    pattern = compile_pattern(r"(?P<номер>\d+)\s*(?P<город>\pL+)?")
    assert pattern.groups == ("номер", "город")
    assert pattern.search("😀 Заказ 12 Ёлки") == {"номер": "12", "город": "Ёлки"}
    assert pattern.search("12") == {"номер": "12", "город": ""}
    assert pattern.search("нет") is None


def test_an_expression_that_fits_everything_is_known() -> None:
    assert [source for source in (".*", "", "а?", "^", "^$", ".", "а") if compile_pattern(source).always_fits()] == [
        ".*",
        "",
        "а?",
        "^",
    ]


def test_many_expressions_are_asked_at_once() -> None:
    patterns = [compile_pattern(rf"^слово{n}\s*\d+$") for n in range(1000)]
    asked = PatternSet.of(patterns)
    assert list(asked.fitting("СЛОВО77 12")) == [77]
    assert list(asked.fitting("слово77")) == [7]
    assert list(asked.fitting("нет")) == []
    assert list(PatternSet.of([]).fitting("слово")) == []


class NoMemory:
    """A set whose memory is used up: RE2 answers that nothing fits."""

    def Add(self, pattern: str) -> int:
        return 0

    def Compile(self) -> None:
        return

    def Match(self, text: str) -> list[int]:
        return []


def test_a_set_that_runs_out_of_memory_leaves_all_its_expressions_open() -> None:
    assert list(PatternSet(count=3, compiled=NoMemory()).fitting("слово")) == [0, 1, 2]


any_source = st.text(st.characters(), max_size=30)
near_a_pattern = st.text(list(r"\dswbDSW[](){}?P<a>^-аб*+|:=!.1"))
any_text = st.text(st.characters(codec=None), max_size=30)


@given(any_source | near_a_pattern, any_text | st.text(list("аб1 -]")))
def test_any_expression_is_compiled_or_refused_and_any_text_can_be_asked(source: str, text: str) -> None:
    try:
        pattern = compile_pattern(source)
    except BadPattern:
        return
    alone = pattern.search(text) is not None
    assert (list(PatternSet.of([pattern]).fitting(text)) == [0]) is alone


def test_any_number_is_asked_in_sets_that_compile_in_bounded_time() -> None:
    patterns = [compile_pattern(rf"слово{number}\w?$") for number in range(1001)]
    asked = PatternSets.of(patterns)
    assert len(asked.sets) > 3
    assert sum(each.count for each in asked.sets) == 1001
    edge = asked.sets[0].count
    for number in (0, edge - 1, edge, edge + 1, 1000):
        assert number in asked.fitting(f"это слово{number}")
        assert set(asked.fitting(f"это слово{number}")) <= {number, number // 10}
    assert list(asked.fitting("это слово")) == []
    assert list(PatternSets.of([]).fitting("слово")) == []
