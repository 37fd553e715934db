"""The command line as documented: every command, its example, its exit codes."""

import io
import json
import re
from contextlib import ExitStack, redirect_stdout
from pathlib import Path

import pytest

from connectors.client.shapes import Batch, Capacity, Descriptor, Job, Service, Status, Task
from streams.cli import client, interrupts
from streams.cli.main import COMMANDS, Command, main
from streams.cli.waiting import counts_text, is_reached
from streams.supervise.keeper import EXIT_AT_ONCE
from tests.architecture.tree import ROOT
from tests.support.scripted_server import Server

OURS = [each for each in COMMANDS if not each.takes_all_words]


@pytest.mark.parametrize("command", OURS, ids=[each.name for each in OURS])
def test_every_command_has_help_and_stands_in_the_documentation(command: Command) -> None:
    shown = io.StringIO()
    with redirect_stdout(shown), pytest.raises(SystemExit) as left:
        main([command.name, "--help"])
    assert left.value.code == 0
    assert f"flumina {command.name}" in shown.getvalue()
    # The dev cluster's commands have examples of their own.
    assert "Example: " in shown.getvalue() or command.name == "dev-cluster"
    assert f"flumina {command.name}" in (ROOT / "docs" / "cli.md").read_text()


def test_an_error_of_a_command_with_json_is_an_object_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KAFKA_BROKERS", raising=False)
    words = ["top", "--json", "--data-dir", str(tmp_path)]
    with pytest.raises(SystemExit) as left:
        main(words)
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert (left.value.code, told["exitCode"]) == (1, 1)
    assert all(told[part] in said.err for part in ("error", "cause", "remedy"))

    words = ["dev-cluster", "status", "--json", "--data-dir", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["flumina", *words])
    with pytest.raises(SystemExit) as left:
        main(words)
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert (left.value.code, told["ok"]) == (2, False)
    assert told["error"] in said.err


def test_files_that_are_there_are_told_before_anything_is_asked_or_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, events = tmp_path / "page.html", tmp_path / "events.zip"
    events.write_bytes(b"")
    words = ["incident", "--html", str(page), "--slice", str(events)]
    with pytest.raises(SystemExit) as left:
        main([*words, "--api", "http://127.0.0.1:1"])
    assert left.value.code == 1
    assert f"{events} is there already." in capsys.readouterr().err
    assert not page.exists()


def test_an_error_that_needs_no_more_words_leaves_no_blank_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server((400, {"message": "Refused: 'x' names no instant", "errorDetails": ""}))
    with server, ExitStack() as stack:
        stack.callback(server.shutdown)
        with pytest.raises(SystemExit):
            main(["state", "--at", "x", "--api", server.url, "--data-dir", str(tmp_path)])
    told = capsys.readouterr().err
    assert told == "flumina: Refused: 'x' names no instant.\n"


def test_every_exit_code_is_documented() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    used = {
        client.EXIT_FAILED,
        client.EXIT_NOT_FOUND,
        client.EXIT_UNAVAILABLE,
        EXIT_AT_ONCE,
        interrupts.EXIT_INTERRUPTED,
    }
    assert documented == used | {0, 2}


def _tasks(*states: str) -> list[Task]:
    return [
        Task(str(number), status=Status(state, "normal")) for number, state in enumerate(states)
    ]


@pytest.mark.parametrize(
    ("job", "states", "reached"),
    [
        ("service", ("Started", "Started"), True),
        ("service", ("Started", "Launched"), False),
        ("service", (), False),
        ("batch", ("Started", "Started"), False),
        ("ended", ("Finished", "Finished"), True),
        ("failed", ("Finished", "Finished"), False),
    ],
)
def test_what_is_waited_for(job: str, states: tuple[str, ...], reached: bool) -> None:
    service = Descriptor(service=Service(Capacity(1, 2, 3)))
    batch = Descriptor(batch=Batch(2))
    jobs = {
        "service": Job("a", service, Status("Accepted", "normal")),
        "batch": Job("a", batch, Status("Accepted", "normal")),
        "ended": Job("a", batch, Status("Finished", "normal")),
        "failed": Job("a", batch, Status("Finished", "failed")),
    }
    assert is_reached(jobs[job], _tasks(*states)) is reached


def test_counts_of_states() -> None:
    assert counts_text(_tasks("Started", "Finished", "Started")) == "1 Finished normal, 2 Started"
    assert counts_text([]) == "no tasks"
