"""A dashboard's file: every fault is named by line and field, and a good one reads whole."""

from pathlib import Path

import pytest

from projections.dashboards.filling import filled, values_of
from projections.dashboards.reading import read_dashboard
from scheduler.model.reading.faults import Faults
from streams.cli.main import main
from streams.dashboards.files import DELIVERED, Dashboards, read_file

GOOD = """\
name: mine
title: Mine
variables: [job]
panels:
  - id: tasks
    title: Tasks
    kind: top
    query: select state, count(*) as 'n' from tasks window 5 where job_id == '{job}' group by state
    options: {label: state, value: n, from: -15m}
    x: 0
    y: 0
    width: 6
    height: 5
  - id: why
    title: Why
    kind: table
    path: /api/v3/jobs/{job}/why
    options: {items: chain, columns: [text, {field: atMs, title: time, unit: ms}]}
    x: 6
    y: 0
    width: 6
    height: 5
  - {id: word, title: Word, kind: text, options: {text: Do}, x: 0, y: 5, width: 9, height: 2}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    return path


def test_a_good_file_reads_whole(file: Path) -> None:
    found = read_file(file)
    assert found.faults == ()
    assert found.dashboard is not None
    assert [each.id for each in found.dashboard.panels] == ["tasks", "why", "word"]
    assert found.dashboard.panels[1].options["columns"] == [
        {"field": "text", "title": "text"},
        {"field": "atMs", "title": "time", "unit": "ms"},
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("kind: top", "kind: topp", 7, "panels[0].kind is 'topp': did you mean 'top'?"),
        ("state, count", "state count", 8, "panels[0].query does not read at its line 1, column"),
        ("'{job}'", "{job}", 8, "panels[0].query has {job} without quotes about it"),
        ("value: n,", "valu: n,", 9, "panels[0].options.valu is an unknown field: did you mean"),
        ("value: n,", "", 9, "panels[0].options.value is missing"),
        ("jobs/{job}", "jobs/{task}", 17, "which is no variable of the dashboard"),
        ("path: /api/v3", "path: http://x", 17, "panels[1].path is 'http://x/jobs"),
        ("width: 6\n    height: 5\n  - {", "width: 9\n    height: 5\n  - {", 21, "12 columns"),
        ("id: why", "id: tasks", 14, "panels[1].id is also that of panels[0]"),
        ("x: 6", "x: 5", 20, "panels[1].y has a place that panels[0] has too"),
        ("variables: [job]", "variables: [jobs]", 3, "variables[0]"),
        ("kind: text", "kind: text, query: select *", 23, "panels[2].query is there"),
        ("x: 0\n    y: 0\n    width: 6", "x: a\n    y: 0\n    width: 6", 10, "whole number"),
        ("name: mine", "name: other", 1, "name is other, and the file's is mine"),
        ("name: mine", "name: mine\nname: mine", 2, "name is given twice"),
        ("panels:", "panels: {", 5, "is not YAML"),
    ],
)
def test_a_fault_has_its_line_and_field(
    file: Path, old: str, new: str, line: int, words: str
) -> None:
    assert GOOD.count(old) >= 1
    file.write_text(GOOD.replace(old, new, 1))
    found = read_file(file)
    assert found.dashboard is None
    told = [str(each) for each in found.faults]
    assert any(words in each and f":{line}:" in each for each in told), told


def test_values_are_checked_before_they_stand_in_a_query(file: Path) -> None:
    dashboard = read_file(file).dashboard
    assert dashboard is not None
    faults = Faults()
    values_of(dashboard, {"job": "x' or true or 'a' == 'a", "tas": "1"}, faults)
    assert [each.field for each in faults.all()] == ["job", "tas"]
    shown = filled(dashboard, values_of(dashboard, {"job": "a/b"}, Faults()))
    assert "job_id == 'a/b'" in shown.panels[0].query
    assert shown.panels[1].path == "/api/v3/jobs/a%2Fb/why"


def test_anything_at_all_is_a_fault_and_no_crash() -> None:
    documents: list[object] = [None, 1, "x", [], {}, {"panels": 3}, {"panels": [{"options": 1}, 2]}]
    for document in documents:
        faults = Faults()
        read_dashboard(document, faults)
        assert faults


def test_own_files_go_first_and_a_faulty_one_hides_no_other(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "cell.yaml").write_text(GOOD.replace("name: mine", "name: cell"))
    (own / "bad.yaml").write_bytes(b"\xff\xfe")
    dashboards = Dashboards(own)
    cell = dashboards.find("cell")
    assert cell is not None
    assert cell.is_own
    assert cell.dashboard is not None
    assert cell.dashboard.title == "Mine"
    names = [each.dashboard.name for each in dashboards.all() if each.dashboard]
    assert names == sorted(path.stem for path in DELIVERED.glob("*.yaml"))
    assert [each.path.name for each in dashboards.all() if each.faults] == ["bad.yaml"]
    (own / "cell.yaml").write_text(GOOD.replace("name: mine", "name: cell").replace("Mine", "New"))
    cell = dashboards.find("cell")
    assert cell is not None
    assert cell.dashboard is not None
    assert cell.dashboard.title == "New"


def test_the_command_lists_shows_and_checks(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLUMINA_DASHBOARDS", str(tmp_path))
    assert _run("dashboard", "list") == 0
    assert "mine" in capsys.readouterr().out
    assert _run("dashboard", "show", "mine") == 0
    assert "select state, count(*)" in capsys.readouterr().out
    assert _run("dashboard", "check", str(file)) == 0
    assert "mine, 3 panels" in capsys.readouterr().out
    file.write_text(GOOD.replace("kind: top", "kind: pie"))
    assert _run("dashboard", "check", str(file)) == 1
    assert "mine.yaml:7:5 panels[0].kind is 'pie'" in capsys.readouterr().err
    assert _run("dashboard", "list", "--json") == 1
    assert "panels[0].kind" in capsys.readouterr().out
    assert _run("dashboard", "show", "none") == 1


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0)
