"""The commands on files: one JSON object for each line, of text and CSV, plain and gzipped."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.cli.main import main
from streams.errors import OperatorError
from streams.health.log_files import Columns, FileLine, lines_of, time_ms
from streams.health.rule_file import DEFAULT
from tests.support.loghub import grouping_accuracy, rows, structured

TEXT = "took 1 ms\r\nit failed\n\ntook 22 ms"
CSV = 'n,Content,Node,Level,At\n1,"took, 1 ms",a,INFO,1000\n2,"two\nlines",b,FATAL,1001\n'
Told = Callable[..., list[dict[str, object]]]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """What `flumina health` prints."""

    def run(*words: str) -> list[dict[str, object]]:
        with pytest.raises(SystemExit) as left:
            main(["health", *words])
        assert not left.value.code
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


@pytest.mark.parametrize("is_packed", [False, True])
def test_templates_of_plain_text(told: Told, tmp_path: Path, is_packed: bool) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(gzip.compress(TEXT.encode()) if is_packed else TEXT.encode())
    found = told("templates", str(path))
    assert [each["line"] for each in found] == [1, 2, 3, 4]
    expected = ["took <*>", "it failed", "", "took <*>"]
    assert [each["template"] for each in found] == expected
    assert found[0]["template_id"] == found[3]["template_id"] != found[1]["template_id"]


def test_lines_of_columns(told: Told, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(CSV)
    columns = ("--column", "Content", "--host-column", "Node", "--level-column", "Level")
    first, second = told("lines", str(path), *columns, "--time-column", "At")
    assert (first["line"], first["host"], first["alert"]) == (1, "a", False)
    assert (second["line"], second["host"], second["alert"]) == (2, "b", True)
    assert 0 <= float(str(first["score"])) < float(str(second["score"])) <= 1
    assert [each.text for each in lines_of(path, Columns("Content"))] == [
        *("took, 1 ms", "two\nlines")
    ]


def test_the_published_protocol_by_the_command(told: Told) -> None:
    found = told("templates", str(structured("OpenSSH")), "--column", "Content")
    true = [each["EventId"] for each in rows("OpenSSH")]
    assert [each["line"] for each in found] == list(range(1, len(true) + 1))
    assert grouping_accuracy([str(each["template_id"]) for each in found], true) > 0.95


@pytest.mark.parametrize(
    ("data", "columns"),
    [
        (None, Columns()),
        (b"a,b\n1,2\n", Columns("c")),
        (b"a,b\n1,2\n", Columns(host="a")),
        (b"\x1f\x8b\x08broken", Columns()),
        (b'a\n"' + b"x" * 5_000_000, Columns("a")),
    ],
)
def test_a_file_that_cannot_be_read_says_what_to_do(
    tmp_path: Path, data: bytes | None, columns: Columns
) -> None:
    path = tmp_path / "a"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(OperatorError) as error:
        list(lines_of(path, columns))
    assert error.value.remedy


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"")
    assert list(lines_of(path, Columns())) == []
    path.write_bytes(b"a\n")
    assert list(lines_of(path, Columns("a"))) == []
    path.write_bytes(b"a,b\nonly\n")
    assert list(lines_of(path, Columns("a", "b"))) == [FileLine(1, "only")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1117838570", 1_117_838_570_000),
        ("1117838570.5", 1_117_838_570_500),
        ("1117838570500", 1_117_838_570_500),
        ("1117838570500000", 1_117_838_570_500),
        ("1117838570500000000", 1_117_838_570_500),
        ("2005-06-03T22:42:50Z", 1_117_838_570_000),
        ("2005-06-03 22:42:50,500", 1_117_838_570_500),
        ("2005-06-03-15.42.50.675872", 0),
        ("", 0),
        ("nan", 0),
        ("1e300", 0),
    ],
)
def test_times_tell_their_unit_by_their_size(text: str, expected: int) -> None:
    assert time_ms(text) == expected


def test_rules_are_checked_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("rules: [{id: a, pattern: x y, severity: sick}]")
    with pytest.raises(SystemExit) as left:
        main(["health", "rules", str(path)])
    assert not left.value.code
    assert "a: sick from 1 in 600 s: x y" in capsys.readouterr().out
    path.write_text("rules: [{id: a, pattern: '(', severity: sick}]")
    with pytest.raises(SystemExit) as left:
        main(["health", "rules", str(path)])
    assert left.value.code
    assert "RE2" in capsys.readouterr().err


def test_rules_are_tried_on_a_file(told: Told, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(
        "rules: [{id: tlb, pattern: data TLB error, severity: sick, threshold: 5},"
        " {id: storage, pattern: data storage interrupt, severity: suspect}]"
    )
    columns = ("--column", "Content", "--host-column", "Node", "--time-column", "Timestamp")
    *verdicts, summary = told("backtest", str(path), "--input", str(structured("BGL")), *columns)
    assert summary["lines"] == 1_000
    assert summary["rules"] == {"tlb": 60, "storage": 30}
    standings = [each["standing"] for each in verdicts]
    assert (standings.count("sick"), standings.count("suspect")) == (1, 30)
    assert summary["sick"] == 1


def test_a_backtest_of_a_file_takes_the_lines_of_the_time_that_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules, lines = tmp_path / "rules.yaml", tmp_path / "lines.csv"
    rules.write_text("rules: []")
    rows = [f"2026-01-31T{hour:02}:00:00Z,line {hour}" for hour in range(10)]
    lines.write_text("\n".join(["at,text", *rows[:5], ",behind the fourth", *rows[5:]]))
    columns = ("--input", str(lines), "--column", "text", "--time-column", "at")

    def count(*words: str) -> int:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(["health", "backtest", str(rules), *words])
        assert not left.value.code
        return int(json.loads(capsys.readouterr().out.splitlines()[-1])["lines"])

    assert count(*columns) == 11
    first, last = ("--from", "2026-01-31T03:30Z"), ("--to", "2026-01-31T06:30Z")
    assert count(*columns, *first, *last) == 4, "4, what is behind it, 5 and 6"
    assert count(*columns, *first) == 7
    assert count(*columns, *last) == 8
    with pytest.raises(SystemExit) as left:
        main(["health", "backtest", str(rules), "--input", str(lines), *first])
    assert left.value.code == 1
    assert "No line of the file has a time" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["17", "tomorrow"])
def test_a_backtest_goes_by_times(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("rules: []")
    with pytest.raises(SystemExit) as left:
        main(["health", "backtest", str(path), "--from", text])
    assert left.value.code


@pytest.mark.integration  # It starts processes.
def test_the_health_process_does_not_load_what_only_reading_the_past_needs() -> None:
    """It runs on every installation: the archive's libraries would double its memory."""
    code = (
        "import sys, streams.cli.command_health, streams.health.main;"
        "heavy = ('connectors.archive', 'duckdb', 'scipy', 'sklearn', 'river', 'boto3', 'faust');"
        "print([each for each in heavy if each in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("words", [("suspects",), ("backtest", str(DEFAULT))])
def test_an_end_before_its_beginning_is_told(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["health", *words, "--from", "-1h", "--to", "-2h"])
    assert left.value.code == 1
    assert "The end is before the beginning." in capsys.readouterr().err
