"""Rules of health: what a file may say, where its faults are, and what a pattern means."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from projections.health.rules import Rule, RuleSet, read_rules
from scheduler.model.reading.faults import Faults
from streams.errors import OperatorError
from streams.health.rule_file import DEFAULT, followed, rules_of

GOOD = "rules:\n  - {id: disk, pattern: 'I/O error', severity: sick, threshold: 2, window: 90s}\n"


def faults_of(*rules: Mapping[str, object]) -> dict[str, str]:
    faults = Faults()
    read_rules({"rules": list(rules)}, faults)
    return {each.field: each.text for each in faults.all()}


def test_the_rules_that_come_with_flumina_can_be_used() -> None:
    found = rules_of(DEFAULT)
    assert {each.standing for each in found.rules} == {"sick", "suspect"}
    assert all(each.rule_id and each.threshold > 0 for each in found.rules)


def test_a_rule_says_everything_or_the_usual(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(GOOD)
    assert rules_of(path) == RuleSet((Rule("disk", "I/O error", "sick", 1, 2, 90_000),))


@pytest.mark.parametrize(
    ("rule", "field", "word"),
    [
        ({"pattern": "x", "severity": "sick"}, "rules[0].id", "missing"),
        ({"id": "A B", "pattern": "x", "severity": "sick"}, "rules[0].id", "A B"),
        ({"id": "a", "severity": "sick"}, "rules[0].pattern", "missing"),
        ({"id": "a", "pattern": "(", "severity": "sick"}, "rules[0].pattern", "RE2"),
        ({"id": "a", "pattern": r"(x)\1", "severity": "sick"}, "rules[0].pattern", "RE2"),
        ({"id": "a", "pattern": "(?=x)", "severity": "sick"}, "rules[0].pattern", "RE2"),
        ({"id": "a", "pattern": "((x{1,99}){1,99}){1,99}", "severity": "sick"}, "rules[0].pattern",
         "RE2"),
        ({"id": "a", "pattern": "x*", "severity": "sick"}, "rules[0].pattern", "every line"),
        ({"id": "a", "pattern": "x" * 1_001, "severity": "sick"}, "rules[0].pattern", "longer"),
        ({"id": "a", "pattern": "x", "severity": "bad"}, "rules[0].severity", "bad"),
        ({"id": "a", "pattern": "x", "severity": ""}, "rules[0].severity", "is ''"),
        ({"id": "a", "pattern": "x", "severity": "sick", "window": "10"}, "rules[0].window", "10"),
        ({"id": "a", "pattern": "x", "severity": "sick", "window": "25h"}, "rules[0].window",
         "25h"),
        ({"id": "a", "pattern": "x", "severity": "sick", "weight": 0}, "rules[0].weight", "0"),
        ({"id": "a", "pattern": "x", "severity": "sick", "what": 1}, "rules[0].what", "unknown"),
    ],
)  # fmt: skip
def test_a_fault_names_its_place(rule: dict[str, object], field: str, word: str) -> None:
    assert word in faults_of(rule)[field]


def test_a_window_that_is_none_is_told_with_what_one_looks_like() -> None:
    faults = Faults()
    rule = {"id": "a", "pattern": "x", "severity": "sick", "window": "0m"}
    read_rules({"rules": [rule]}, faults)
    (fault,) = faults.all()
    assert (fault.text, fault.hint) == ("is '0m'", "give a span up to 24h: 90s, 10m, 2h")


def test_an_id_stands_once() -> None:
    rule = {"id": "a", "pattern": "x", "severity": "sick"}
    assert "rules[0]" in faults_of(rule, rule)["rules[1].id"]


def test_a_file_tells_line_and_column_of_each_fault(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("rules:\n  - id: a\n    pattern: '('\n    severity: sick\n    wait: 3\n")
    with pytest.raises(OperatorError) as told:
        rules_of(path)
    assert f"{path}:3:" in str(told.value.cause)
    assert f"{path}:5:" in str(told.value.cause)


def test_a_changed_file_counts_and_one_with_a_fault_does_not(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    file = followed(path)
    assert len(file.rules.rules) > 1  # The usual ones, while there is no file.
    path.write_text(GOOD)
    assert file.refresh()
    assert not file.refresh()
    assert len(file.rules.rules) == 1
    path.write_text(GOOD.replace("sick", "worse"))
    assert not file.refresh()
    assert file.rules.rules[0].standing == "sick"
    path.unlink()
    assert file.refresh()
    assert len(file.rules.rules) > 1


@pytest.mark.parametrize(("text", "fault"), [(" \n", "is empty."), ("#" * 600_000, "longer than")])
def test_a_file_that_is_no_file_of_rules_says_so_in_words_of_rules(
    tmp_path: Path, text: str, fault: str
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(OperatorError, match=fault) as refused:
        rules_of(path)
    assert "policy" not in str(refused.value)
    assert followed(path).rules == rules_of(DEFAULT), "a process goes on with the usual ones"
