"""`flumina query`: rows of files, of several streams at once, and what is said of what is wrong."""

import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
import typer

from streams.cli.client import ApiConnection
from streams.cli.command_query import query
from streams.cli.command_stream import start
from streams.errors import OperatorError


def written(path: Path, events: list[Any]) -> str:
    path.write_text("".join(f"{json.dumps(each)}\n" for each in events), "utf-8")
    return str(path)


def rows(capfd: pytest.CaptureFixture[str]) -> list[Any]:
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_a_file_plain_or_gzipped(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plain = written(tmp_path / "a.jsonl", [{"a": 1}, {"a": 2}])
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(Path(plain).read_bytes()))
    for path in (plain, str(packed)):
        query("select a where a > 1", [path])
    assert rows(capfd) == [{"a": 2}, {"a": 2}]


def test_a_file_as_bars(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    query(
        "select *",
        [written(tmp_path / "a", [{"h": "a", "n": 2}, {"h": "b", "n": 1}])],
        is_chart=True,
    )
    first, second = capfd.readouterr().out.splitlines()
    assert (first.count("█"), second.count("█")) == (40, 20)
    assert first.startswith("a ")
    assert second.endswith(" 1")


def test_streams_are_joined_by_the_time_of_their_events(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tasks = written(tmp_path / "tasks", [{"h": 1, "t": 1, "at": 5}, {"h": 2, "t": 2, "at": 9}])
    hosts = written(tmp_path / "hosts", [{"h": 1, "z": "a", "at": 3}, {"h": 2, "z": "b", "at": 30}])
    mql = "select t, z from tasks join hosts 10 seconds on h"
    query(mql, [f"hosts={hosts}", f"tasks={tasks}"], time_field="at")
    assert rows(capfd) == [{"t": 1, "z": "a"}]
    # By the clock all come at once.
    query(mql, [f"hosts={hosts}", f"tasks={tasks}"])
    assert rows(capfd) == [{"t": 1, "z": "a"}, {"t": 2, "z": "b"}]


def test_an_input_of_another_name_says_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    one, other = (written(tmp_path / name, [{"a": name}]) for name in ("one", "other"))
    query("select a from x", [f"x={one}", f"y={other}"])
    assert rows(capfd) == [{"a": "one"}]


def test_a_file_may_be_called_as_a_stream_is(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "a=b", [{"a": 1}])
    monkeypatch.chdir(tmp_path)
    query("select a", ["a=b"])
    assert rows(capfd) == [{"a": 1}]


@pytest.mark.parametrize(
    ("mql", "inputs", "words"),
    [
        ("select a", ["one", "x=other"], "Several inputs need the names"),
        ("select a", ["x=-", "y=-"], "Standard input can be read once"),
        ("select a", ["nowhere"], "nowhere cannot be read"),
        ("select a where b ==~ /(/", ["-"], "line: 1 column: 22. The pattern"),
        ("select", ["-"], "Parse error at line: 1"),
    ],
)
def test_what_is_wrong_is_said(mql: str, inputs: list[str], words: str) -> None:
    with pytest.raises(OperatorError, match=words):
        query(mql, inputs)


@pytest.mark.parametrize("is_cut", [True, False])
def test_a_packed_file_that_is_damaged_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], *, is_cut: bool
) -> None:
    plain = "".join(json.dumps({"a": n, "b": hash(str(n))}) + "\n" for n in range(5_000))
    data = gzip.compress(plain.encode())
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(data[: len(data) // 2] + (b"" if is_cut else b"\xff" * 500))
    with pytest.raises(OperatorError, match="cannot be unpacked to its end"):
        query("select a", [str(packed)])
    assert rows(capfd)[0] == {"a": 0}


def test_who_reads_rows_and_goes_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with `| head -1`: nothing is said of the file, which is there and can be read."""
    path = written(tmp_path / "a.jsonl", [{"a": n} for n in range(10)])
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb", 0) as gone:
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(gone, write_through=True))
        with pytest.raises(BrokenPipeError):
            query("select a", [path])


@pytest.mark.parametrize(
    ("mql", "names"),
    [
        ("select a from x join y 5 seconds on a", ["x={}", "z={}"]),
        ("select a from x join y 5 seconds on a", ["{}"]),
        ("select a from x", ["y={}"]),
    ],
)
def test_inputs_that_can_give_no_row_are_refused(
    tmp_path: Path, mql: str, names: list[str]
) -> None:
    path = written(tmp_path / "a.jsonl", [{"a": 1}])
    with pytest.raises(OperatorError, match="no input is"):
        query(mql, [each.format(path) for each in names])


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:wat", "http://127.0.0.1:99999", "ftp://a", "http://"]
)
def test_an_address_where_nobody_can_be_is_refused(address: str) -> None:
    with pytest.raises(OperatorError, match="is no address"):
        query("select a from tasks", is_live=True, console=address)
    with pytest.raises(OperatorError, match="is no address"):
        ApiConnection(address, "ada")


@pytest.mark.parametrize(
    ("to", "given", "word"),
    [
        ("topic", {"gauge": True}, "--gauge"),
        ("alert", {"metric": "m"}, "--metric"),
        ("metric", {"severity": "page"}, "--severity"),
    ],
)
def test_words_about_another_place_for_rows_are_refused(
    to: str, given: dict[str, Any], word: str
) -> None:
    with pytest.raises(OperatorError, match=f"{word} says nothing with --to {to}"):
        start("lost", "select * from tasks", to=to, **given)


def test_a_line_that_is_nested_without_end_is_passed_over(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.jsonl"
    lines = ['{"a":' + "[" * depth + "]" * depth + "}\n" for depth in (251, 1_000, 5_000)]
    path.write_text("".join(lines) + '{"a":1}\n')
    with pytest.raises(typer.Exit):
        query("select *", [str(path)])
    assert rows(capfd) == [{"a": 1}]
