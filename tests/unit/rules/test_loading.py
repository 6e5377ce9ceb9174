from __future__ import annotations

from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.rules import RuleContext, load_rules
from tests.unit.rules.support import CONTEXT, load, refuse, winner

LATER_KEYS = ["call", "poll", "subscribe", "unsubscribe", "ask"]


@pytest.mark.parametrize("key", LATER_KEYS)
def test_actions_of_a_later_version_say_so(tmp_path: Path, key: str) -> None:
    (problem,) = refuse(tmp_path, f"rules:\n  - name: a\n    reply: x\n    {key}: {{a: b}}\n")
    assert f"`{key}` is not available in this version" in problem.message
    assert problem.line == 4


def test_what_is_not_available_is_refused_wherever_it_stands(tmp_path: Path) -> None:
    problems = refuse(
        tmp_path,
        """
defaults: {ask: x}
rules:
  - name: a
    reply: x
    on_error: {reply: x, poll: x}
""",
    )
    assert [(one.line, one.message) for one in problems] == [
        (2, "`ask` is not available in this version"),
        (6, "`poll` is not available in this version"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("rules:\n  - name: a\n    reply: x\n    when: {keywrd: x}\n", 4, "did you mean `keyword`"),
        ("rules:\n  - name: a\n    replay: x\n", 3, "did you mean `reply`"),
        ("ruls: []\n", 1, "did you mean `rules`"),
        ("rules:\n  - name: a\n    forward: suport\n", 3, "did you mean `support`"),
        ("rules:\n  - name: a\n    forward: [sales, boss]\n", 3, "there is no chat `boss`"),
        ("rules:\n  - name: a\n    reply: x\n    when: {from: vipp}\n", 4, "did you mean `vip`"),
        ("rules:\n  - name: a\n    reply: x\n    when: {from: '+37'}\n", 4, "37*"),
        ("rules:\n  - name: a\n    reply: x\n    when: {to: '???'}\n", 4, "is no number"),
        ("rules:\n  - name: a\n    reply: x\n    when: {to: '7?08*'}\n", 4, "is no pattern"),
        ("rules:\n  - name: a\n    reply: x\n    when: {account: mian}\n", 4, "did you mean `main`"),
        ("rules:\n  - name: a\n    reply: x\n    when: {keyword: режим работы}\n", 4, "`contains`"),
        ("rules:\n  - name: a\n    reply: x\n    when: {keyword: [часы, '!!']}\n", 4, "no letter"),
        ("rules:\n  - name: a\n    reply: x\n    when: {prefix: '*'}\n", 4, "no letter"),
        ("rules:\n  - name: a\n    reply: x\n    when: {contains: '?'}\n", 4, "no letter"),
        ("rules:\n  - name: a\n    reply: x\n    when: {only: true}\n", 4, "`keyword`"),
        ("rules:\n  - name: a\n    reply: x\n    when:\n", 4, "has no value"),
        ("rules:\n  - name: a\n    reply: x\n    ttl:\n", 4, "is empty"),
        ("rules:\n  - name: a\n    reply: x\n    when: {}\n", 4, "is empty"),
        ("rules:\n  - name: a\n    when: {keyword: x}\n", 2, "does nothing"),
        ("rules:\n  - name: a\n    drop: true\n    forward: support\n", 3, "nothing happens"),
        ("rules:\n  - name: a\n    reply: x\n    note: x\n", 4, "without `forward`"),
        ("rules:\n  - name: a\n    forward: support\n    ttl: 5m\n", 4, "without `reply`"),
        ("rules:\n  - name: a\n    reply: x\n    sender_name: МойМагазин\n", 4, "sender_name"),
        ("rules:\n  - name: a\n    forward: [support, support]\n", 3, "twice"),
        ("rules:\n  - name: a\n    reply: ''\n", 3, "empty"),
        ("rules:\n  - reply: x\n", 2, "name"),
        ("rules:\n  - name: a\n    reply: x\n    when: {keyword: []}\n", 4, "keyword"),
        ("rules:\n  - name: a\n    reply: x\n    ttl: soon\n", 4, "ttl"),
        ("rules:\n  - just a text\n", 2, ""),
        ("rules: 5\n", 1, ""),
        ("- a\n- b\n", 1, "write `rules:` in a line above this list"),
        ("rules:\n  - name: a\n    reply: x\n    keyword: a\n", 4, "it stands under `when`"),
        ("rules:\n  - name: a\n    reply: x\n    qqq: a\n", 4, "known here: name, enabled, when, reply"),
        ("rules:\n  - name: a\n    when:{keyword: a}\n    reply: x\n", 3, "a space is missing behind its `:`"),
        ("rules:\n  - name: a\n    forward: support, sales\n", 3, "several are a list: [support, sales]"),
        ("rules:\n  - name: a\n    reply: x\n    when: {keyword: 'часы, время'}\n", 4, "list: [часы, время]"),
        ("rules:\n  - name: a\n\treply: x\n", 3, "a tab; YAML is indented by spaces"),
        ("rules:\n  - name: a\n    reply: *важно*\n", 3, "cannot begin with `*`"),
        ("rules:\n  - name: a\n    reply: - да\n", 3, "put a text that begins with it in quotes"),
        ('rules:\n  - name: a\n    reply: "скажи "да" нам"\n', 3, 'something behind the closing `"`'),
        ("rules:\n  - name: a\n    reply: [важно] да\n", 3, "something behind the closing `]`"),
        ("rules: [\n", 2, ""),
    ],
)
def test_mistakes_are_reported_where_they_are(tmp_path: Path, text: str, line: int, words: str) -> None:
    problems = refuse(tmp_path, text)
    assert problems[0].line == line
    assert problems[0].file == str(tmp_path / "10-rules.yaml")
    assert any(words in str(problem) for problem in problems), problems


def test_all_mistakes_of_all_files_at_once_in_the_order_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "20.yaml").write_text("rules:\n  - name: b\n    forward: nobody\n  - name: a\n    reply: x\n")
    (tmp_path / "10.yaml").write_text("rules:\n  - name: a\n    reply: x\n  - name: c\n    replay: x\n")
    (tmp_path / "15.yaml").write_text("rules: [")
    (tmp_path / "30.yaml").write_bytes(b"rules: \xff\xfe")
    with pytest.raises(ConfigError) as caught:
        load_rules(tmp_path, CONTEXT)
    found = [(Path(problem.file).name, problem.line) for problem in caught.value.problems]
    assert found == sorted(found)
    assert {name for name, _ in found} == {"10.yaml", "15.yaml", "20.yaml", "30.yaml"}
    assert ("20.yaml", 3) in found
    assert any("there is a rule `a` already" in problem.message for problem in caught.value.problems)


def test_all_mistakes_of_one_rule_at_once(tmp_path: Path) -> None:
    problems = refuse(
        tmp_path,
        """
rules:
  - name: a
    when: {keyword: два слова, from: vipp, account: mian, contains: "?"}
    reply: "{{ tekst }}"
    forward: suport
    silent: perhaps
    poll: {id: x}
    nobody: knows
""",
    )
    assert [problem.line for problem in problems] == [4, 4, 4, 4, 5, 6, 7, 8, 9]


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder; make it"):
        load_rules(tmp_path / "nowhere", CONTEXT)
    (tmp_path / "rules").write_text("")
    with pytest.raises(ConfigError, match="is a file; `rules` in config"):
        load_rules(tmp_path / "rules", CONTEXT)


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("#" * (1 << 20) + "\nrules: []")
    with pytest.raises(ConfigError, match="larger than 1 MB"):
        load_rules(tmp_path, CONTEXT)


def test_an_empty_directory_is_allowed_and_warned_about(tmp_path: Path) -> None:
    rules = load_rules(tmp_path, CONTEXT)
    assert rules.rules == ()
    assert [warning.message for warning in rules.warnings] == [
        "holds no rules (*.yaml); every SMS goes to the default chat"
    ]
    (tmp_path / "empty.yaml").write_text("# nothing yet\n")
    rules = load_rules(tmp_path, CONTEXT)
    assert rules.rules == ()
    assert "no rule matches every message" in rules.warnings[0].message


def test_files_are_named_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yaml").write_text("rules: [{name: a, reply: x}, {name: b, reply: y}]")
    monkeypatch.chdir(tmp_path)
    rules = load_rules(tmp_path / "rules", CONTEXT)
    assert {rule.file for rule in rules.rules} == {"rules/a.yaml"}
    assert rules.warnings[0].file == "rules/a.yaml"
    assert "(rules/a.yaml:1)" in rules.warnings[0].message
    monkeypatch.chdir("/")
    rules = load_rules(tmp_path / "rules", CONTEXT)
    assert {rule.file for rule in rules.rules} == {str(tmp_path / "rules" / "a.yaml")}


def test_braces_that_put_nothing_in_are_warned_about(tmp_path: Path) -> None:
    rules = load(tmp_path, "rules:\n  - {name: a, reply: 'Вы: ${args}, {x}', forward: support, note: '{ words[0] }'}\n")
    assert [warning.message.partition(" stays")[0] for warning in rules.warnings] == ["`{args}`", "`{ words[0] }`"]
    assert load(tmp_path, "rules:\n  - {name: a, reply: '{{ args }} {да} {}'}\n").warnings == ()


CUT = """
rules:
  - name: a
    reply: Позвоните #1
    forward: support
    note: VIP   # для операторов
tests:
  - name: t
    sms: {text: дом #5
    }
    expect: {reply: "Позвоните" # то же
    }
"""


def test_a_text_cut_by_a_comment_is_warned_about_at_the_comment(tmp_path: Path) -> None:
    rules = load(tmp_path, CUT)
    cut = [(each.line, each.column, each.path) for each in rules.warnings if "is a comment" in each.message]
    assert cut == [(4, 22, "rules[0].reply"), (6, 17, "rules[0].note"), (9, 21, "tests[0].sms.text")]


@pytest.mark.parametrize(
    "text", ['"Позвоните #1"', "'a' # b", "Позвоните#1", "x\n    # a comment of its own", "|\n     a # b"]
)
def test_a_number_sign_that_cuts_nothing_is_not_warned_about(tmp_path: Path, text: str) -> None:
    rules = load(tmp_path, f"rules:\n  - name: a\n    reply: {text}\n")
    assert rules.warnings == ()


def test_numbers_and_words_that_other_yaml_readers_spoil_stay_as_they_are_written(tmp_path: Path) -> None:
    rules = load(
        tmp_path,
        """
rules:
  - {name: number, when: {from: +79001234567}, reply: 18:00}
  - {name: word, when: {keyword: [no, on, 0755, 1e3]}, reply: NO}
""",
    )
    assert winner(rules, sender="79001234567") == "number"
    assert [winner(rules, text) for text in ("no", "ON", "0755", "1e3", "493", "false")] == ["word"] * 4 + [None, None]
    assert [text.fixed for rule in rules.rules for text in rule.actions.templates()] == ["18:00", "NO"]


def test_a_duplicate_key_is_a_mistake(tmp_path: Path) -> None:
    problems = refuse(tmp_path, "rules:\n  - name: a\n    reply: x\n    reply: y\n")
    assert "reply" in str(problems[0])


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
        for before, name in zip("abcdefg", "bcdefgh", strict=True)
    )
    assert refuse(tmp_path, bomb + "rules: *h\n")


def test_accounts_are_not_checked_where_nobody_says_which_there_are(tmp_path: Path) -> None:
    context = RuleContext(chats=frozenset(), lists={}, region="RU")
    assert load(tmp_path, "rules: [{name: a, when: {account: any-name}, reply: x}]", context).rules


def warnings(directory: Path, text: str) -> list[str]:
    return [str(problem) for problem in load(directory, text + "  - {name: rest, forward: support}\n").warnings]


def test_lookalike_keywords_in_two_rules_are_warned_about(tmp_path: Path) -> None:
    found = warnings(
        tmp_path,
        "rules:\n"
        "  - {name: mouth, when: {keyword: РОТ}, reply: x}\n"
        "  - {name: pot, when: {keyword: [POT, pan]}, reply: x}\n",
    )
    assert len(found) == 1
    assert "`POT` is the same as `РОТ` of `mouth`" in found[0]
    assert ":3:" in found[0]


def test_the_same_keyword_under_another_prefix_or_with_other_conditions_is_meant(tmp_path: Path) -> None:
    assert not warnings(
        tmp_path,
        "rules:\n"
        "  - {name: a, when: {keyword: заказ, only: true}, reply: x}\n"
        "  - {name: b, when: {keyword: Заказ}, reply: x}\n"
        "  - {name: c, when: {prefix: '77', keyword: заказ}, reply: x}\n",
    )


@pytest.mark.parametrize(
    "text",
    [
        "rules:\n  - {name: all, reply: x}\n  - {name: late, when: {keyword: a}, reply: x}\n",
        "rules:\n  - {name: all, when: {keyword: [a, b]}, reply: x}\n"
        "  - {name: late, when: {keyword: a, only: true}, reply: x}\n",
        "rules:\n  - {name: all, when: {prefix: '7'}, reply: x}\n"
        "  - {name: late, when: {prefix: '7', keyword: a}, reply: x}\n",
    ],
)
def test_a_rule_that_can_never_match_is_warned_about(tmp_path: Path, text: str) -> None:
    found = warnings(tmp_path, text)
    assert any("late: can never match: `all`" in problem for problem in found)


def test_continue_takes_nothing_from_later_rules(tmp_path: Path) -> None:
    assert not warnings(
        tmp_path,
        "rules:\n  - {name: all, forward: sales, continue: true}\n  - {name: late, when: {keyword: a}, reply: x}\n",
    )


def test_costly_replies_are_warned_about(tmp_path: Path) -> None:
    found = warnings(
        tmp_path,
        f"rules:\n  - {{name: long, when: {{keyword: a}}, reply: {'я' * 300}}}\n"
        "  - {name: sign, when: {keyword: b}, reply: We are open – call us}\n"
        "  - {name: fine, when: {keyword: c}, reply: Мы открыты – звоните}\n",
    )
    assert len(found) == 2
    assert "5 parts" in found[0]
    assert "–" in found[1]


def test_a_name_twice_is_told_also_where_the_rule_has_another_mistake(tmp_path: Path) -> None:
    problems = refuse(tmp_path, "rules:\n  - {name: a, forward: nowhere}\n  - {name: a, when: {keywrd: x}, reply: x}\n")
    assert [(one.line, one.message.partition(":")[0]) for one in problems] == [
        (2, "there is no chat `nowhere`; known"),
        (3, "there is a rule `a` already"),
        (3, "unknown key `keywrd`; did you mean `keyword`?"),
    ]


def test_a_repeated_key_or_name_hides_no_other_mistake(tmp_path: Path) -> None:
    problems = refuse(
        tmp_path,
        """rules:
  - {name: a, when: {keyword: x, keyword: y}, reply: x}
  - {name: a, forward: nowhere}
  - {name: b, reply: '{{ nobody }}', when: {hours: {outside: [nowhere]}, only: true}}
rules:
  - {nome: c}
""",
    )
    assert [(problem.line, problem.path) for problem in problems] == [
        (2, "rules[0].when.keyword"),
        (3, "rules[1].name"),
        (3, "rules[1].forward"),
        (4, "rules[2].reply"),
        (4, "rules[2].when.hours.outside[0]"),
        (4, "rules[2].when.only"),
        (5, "rules"),
        (6, "rules[3]"),
        (6, "rules[3].nome"),
    ]


def test_a_repeated_key_beside_an_alias_of_itself_makes_no_circle(tmp_path: Path) -> None:
    problems = refuse(tmp_path, "rules: &all [{name: a, reply: x}]\nrules: [[*all], *all]\n")
    assert [problem.line for problem in problems] == [2]
