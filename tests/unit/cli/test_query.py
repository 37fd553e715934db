"""`flumina query`: rows of files, of several streams at once, and what is said of what is wrong."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from streams.cli.command_query import query
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
