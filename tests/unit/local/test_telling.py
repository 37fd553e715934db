"""What a run says: to people without what moves a cursor, to machines in whole lines."""

import json

import pytest

from scheduler.model.changes import TaskChanged
from scheduler.model.ids import JobId, TaskId
from streams.local.telling import JsonTeller, TextTeller


def changed(state: str, reason: str = "", message: str = "") -> TaskChanged:
    task_id = TaskId("nightly-worker-0-1")
    return TaskChanged(JobId("nightly"), task_id, state, "", reason=reason, message=message)


def test_people_read_who_wrote_what_where_it_was_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    teller = TextTeller("nightly")
    teller.line("nightly-worker-0-1", "stdout", "a\tb \x1b[2J")
    teller.line("nightly-worker-1-2", "stderr", "oh")
    said = capsys.readouterr()
    assert said.out == "worker-0-1 | a\tb \ufffd[2J\n"
    assert said.err == "worker-1-2 | oh\n"


@pytest.mark.parametrize(
    ("change", "again_in_ms", "said"),
    [
        (changed("Started"), None, "worker-0-1 started\n"),
        (changed("Launched"), None, ""),
        (changed("Finished", "normal", "Command exited with 0"), None, "worker-0-1 succeeded\n"),
        (changed("Finished", "failed", "why"), None, "worker-0-1 ended: failed (why)\n"),
        (changed("Finished", "failed"), 1_500, "worker-0-1 ended: failed; again in 1.5 s\n"),
    ],
)
def test_people_read_of_begins_and_ends(
    change: TaskChanged, again_in_ms: int | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    TextTeller("nightly").task(change, again_in_ms)
    assert capsys.readouterr().err == said


def test_the_last_line_says_how_the_job_ended(capsys: pytest.CaptureFixture[str]) -> None:
    TextTeller("nightly").job("nightly", "failed", 1, 2)
    assert capsys.readouterr().err == "nightly ended: failed; 1 of 2 tasks succeeded\n"


def test_machines_read_an_object_a_line(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    teller = JsonTeller()
    teller.line("t", "stderr", "oh")
    teller.task(changed("Finished", "failed", "why"), 1_000)
    teller.note("so")
    teller.job("nightly", "normal", 2, 2)
    lines = [json.loads(each) for each in capfdbinary.readouterr().out.splitlines()]
    assert [each.pop("type") for each in lines] == ["line", "task", "note", "job"]
    assert all(each.pop("atMs") > 0 for each in lines)
    assert lines[0] == {"task": "t", "stream": "stderr", "text": "oh"}
    ended = {
        "state": "Finished",
        "step": "",
        "reason": "failed",
        "message": "why",
        "againInMs": 1_000,
    }
    assert lines[1] == {"task": "nightly-worker-0-1", **ended}
    assert lines[3] == {"job": "nightly", "reason": "normal", "succeeded": 2, "wanted": 2}
