"""`submit --wait`: it ends when the job is as it should be, has ended otherwise, or time is up.

The server is a real one on loopback that answers as each test scripts it.
"""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from rich.console import Console

from streams.cli.calls import Api
from streams.cli.client import ApiConnection
from streams.cli.main import main
from streams.cli.waiting import wait_for_job
from streams.errors import OperatorError
from tests.support.scripted_server import Reply, Server

JOB = {
    "id": "a",
    "jobDescriptor": {"service": {"capacity": {"min": 1, "desired": 2, "max": 3}}},
    "status": {"state": "Accepted", "reasonCode": "normal"},
}
ENDED = JOB | {"status": {"state": "Finished", "reasonCode": "failed"}}


def tasks(*states: str) -> dict[str, object]:
    """A page of tasks in these states."""
    items = [
        {"id": f"a-{at}", "jobId": "a", "status": {"state": state}}
        for at, state in enumerate(states)
    ]
    return {"items": items, "pagination": {"hasMore": False}}


Begin = Callable[..., Server]


@pytest.fixture
def answering() -> Iterator[Begin]:
    """Begins servers that answer with bodies in turn, the last for ever."""
    with ExitStack() as stack:

        def begin(*bodies: object) -> Server:
            replies: list[Reply] = [(200, body) for body in bodies]
            server = Server(*replies)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return server

        yield begin


def waited(server: Server, timeout_s: float | None) -> str:
    """What was printed while waiting."""
    printed = io.StringIO()
    with closing(ApiConnection(server.url, "ada", patience_s=3)) as connection:
        wait_for_job(Api(connection), "a", Console(file=printed, width=100), timeout_s)
    return printed.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("timeout_s", [None, 60.0])
def test_it_waits_until_all_run(answering: Begin, timeout_s: float | None) -> None:
    server = answering(JOB, tasks("Accepted", "Started"), JOB, tasks("Started", "Started"))
    assert waited(server, timeout_s) == "a: 1 Accepted, 1 Started\na: 2 Started\n"


def test_a_job_that_is_there_is_there_whatever_the_limit(answering: Begin) -> None:
    assert waited(answering(JOB, tasks("Started", "Started")), 0.0) == "a: 2 Started\n"


def test_time_that_is_up_says_how_the_job_stands(answering: Begin) -> None:
    server = answering(JOB, tasks("Accepted", "Started"))
    with pytest.raises(OperatorError, match=r"after 0 s: 1 Accepted, 1 Started\.") as told:
        waited(server, 0.0)
    assert "the job goes on" in str(told.value)
    assert [each.method for each in server.asked] == ["GET", "GET"], "nothing was ended"


def test_an_end_that_was_not_wanted_is_told_before_time_is_up(answering: Begin) -> None:
    with pytest.raises(OperatorError, match="a has ended: failed"):
        waited(answering(ENDED, tasks("Finished")), 0.0)


def test_the_command_hands_its_limit_on(
    answering: Begin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = answering({"id": "a"}, JOB, tasks("Accepted", "Accepted"))
    file = tmp_path / "job.json"
    file.write_text(json.dumps(JOB["jobDescriptor"]))
    words = ["submit", str(file), "--wait", "--timeout", "0", "--api", server.url]
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == "a\n"
    assert "a is not as it should be after 0 s: 2 Accepted." in printed.err
