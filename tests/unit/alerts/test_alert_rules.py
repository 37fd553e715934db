"""A file of rules: what is good, and each fault with its line, column and field."""

from pathlib import Path

import pytest

from projections.alerts.measures import MEASURES
from projections.alerts.rules import joined
from projections.slo.objectives import Objective
from streams.alerts.rule_file import DEFAULT, followed, read_file, rules_of
from streams.errors import OperatorError
from streams.policy_file.rule_files import told
from tests.support.alerting import book_of

HEAD = "version: 1\nrules:\n"


def faults(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "alerts.yaml"
    path.write_text(text)
    return [each.removeprefix(f"{path}:") for each in told(path, read_file(path))]


def test_the_delivered_rules_are_good_and_each_has_a_page_of_a_runbook() -> None:
    found = read_file(DEFAULT)
    assert told(DEFAULT, found) == []
    text = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
    for rule in found.rules.rules:
        assert f"`{rule.name}`" in text, rule.name
        page, _, anchor = rule.runbook.partition("#")
        assert (Path(__file__).parents[3] / page).exists(), rule.name
        assert not anchor or f'<a id="{anchor}"></a>' in text, rule.name


def test_every_measure_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
    missing = [each for each in MEASURES if f"| `{each}` |" not in text]
    assert not missing


@pytest.mark.parametrize(
    ("line", "field", "words"),
    [
        ("measure: tasks_qeued, above: 1", "measure", "tasks_queued"),
        ("measure: '', above: 1", "measure", "is '', no measure"),
        ("measure: tasks_queued, above: 1, below: 2", "measure", "names above and below"),
        ("measure: tasks_queued", "measure", "neither above nor below"),
        ("measure: tasks_queued, above: 5m", "above", "another unit"),
        ("measure: oldest_wait, above: 300", "above", "give a span"),
        ("measure: hosts_away_share, above: 0.1", "above", "give a share"),
        ("measure: tasks_queued, above: 5, clear: 6", "clear", "lies above the threshold"),
        ("measure: tasks_queued, above: 5, for: soon", "for", "no span"),
        ("measure: tasks_queued, above: 5, where: {topic: a}", "topic", "no label"),
        ("measure: tasks_queued, above: 5, groupBy: [topic]", "groupBy", "topic"),
        ("measure: tasks_queued, above: 5, receivers: [ops]", "receivers", "ops"),
        ("measure: tasks_queued, above: 5, severity: bad", "severity", "page"),
        ("measure: tasks_queued, above: 5, until: 7", "until", "unknown field"),
        ("measure: tasks_queued, above: 5, severity: 7", "severity", "a text is needed"),
        ("measure: tasks_queued, above: true", "above", "another unit"),
    ],
)
def test_a_fault_names_line_and_field(tmp_path: Path, line: str, field: str, words: str) -> None:
    whole = f"  - {{name: a, {line}, summary: s}}"
    found = faults(tmp_path, f"{HEAD}{whole}\n")
    place = f"3:{whole.index(f'{field}:') + 1}"
    assert len(found) == 1, found
    assert found[0].startswith(f"{place} rules[0]"), found
    assert words in found[0]


def test_receivers_and_objectives_are_checked_too(tmp_path: Path) -> None:
    text = """version: 1
receivers:
  - {name: ops, kind: webhook, url: ftp://x}
  - {name: ops, kind: mail}
  - {name: topic, kind: sns, topic: alerts}
  - {name: none, kind: ''}
objectives:
  crashing: {target: 100%}
  availability: {within: 0s}
"""
    found = faults(tmp_path, text)
    fields = [" ".join(each.split()[:2]) for each in found]
    assert sorted(fields) == [
        "3:32 receivers[0].url",
        "4:17 receivers[1].kind",
        "4:6 receivers[1].name",
        "5:30 receivers[2].topic",
        "6:18 receivers[3].kind",
        "8:14 objectives.crashing.target",
        "9:18 objectives.availability.within",
    ]


def test_a_file_stands_beside_the_delivered_rules() -> None:
    own = book_of(
        """version: 1
receivers:
  - {name: ops, kind: webhook, url: "https://hooks.example.com/a", secret: env:OPS}
objectives:
  startLatency: {target: 95%, within: 30s}
rules:
  - {name: queue-deep, measure: tasks_queued, above: 7, summary: mine}
  - {name: hosts-idle, disabled: true}
  - {name: mine, measure: slo_burn, above: 14.4, summary: s, receivers: [ops, pager]}
"""
    )
    whole = joined(own, read_file(DEFAULT).rules)
    by_name = {each.name: each for each in whole.rules}
    assert by_name["queue-deep"].threshold == 7
    assert by_name["mine"].threshold == 14_400
    assert "hosts-idle" not in by_name
    assert "leader-silent" in by_name
    assert [each.name for each in whole.receivers] == ["ops"]
    assert whole.objectives.start_latency == Objective(950_000, 30_000)
    alone = joined(book_of("version: 1\ndelivered: false\n"), read_file(DEFAULT).rules)
    assert alone.rules == ()


def test_a_running_process_follows_its_file_and_keeps_good_rules(tmp_path: Path) -> None:
    path = tmp_path / "alerts.yaml"
    file = followed(path)
    assert file.fault, "there is none, and the delivered ones hold"
    assert any(each.name == "queue-deep" for each in file.rules.rules)
    path.write_text(
        "version: 1\ndelivered: false\nrules:\n  - {name: a, measure: safe, above: 0, summary: s}\n"
    )
    assert file.refresh()
    assert [each.name for each in file.rules.rules] == ["a"]
    path.write_text("version: 2\n")
    assert not file.refresh()
    assert "alerts.yaml:1:1 version" in file.fault
    assert [each.name for each in file.rules.rules] == ["a"]
    assert not file.refresh()
    with pytest.raises(OperatorError, match="no rules that can be used"):
        rules_of(path)
