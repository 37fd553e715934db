"""The API's client: what it repeats, what it gives up at, and how refusals read.

The server is a real one on loopback that answers as each test scripts it.
"""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from connectors.client.shapes import Standing
from streams.cli.calls import Api, path_of
from streams.cli.client import EXIT_NOT_FOUND, EXIT_UNAVAILABLE, ApiConnection, ApiError
from tests.support.scripted_server import Reply, Server


class Talk:
    """A client and the server that it talks to."""

    def __init__(self, *replies: Reply | None) -> None:
        self.server = Server(*replies)
        self.connection = ApiConnection(self.server.url, "ada", patience_s=3)
        self.api = Api(self.connection)

    def close(self) -> None:
        self.connection.close()
        self.server.shutdown()
        self.server.server_close()


Begin = Callable[..., Talk]


@pytest.fixture
def talking() -> Iterator[Begin]:
    """Begins a talk with a server that answers with these replies."""
    begun: list[Talk] = []

    def begin(*replies: Reply | None) -> Talk:
        begun.append(Talk(*replies))
        return begun[-1]

    yield begin
    for each in begun:
        each.close()


UNAVAILABLE = (503, {"message": "nobody leads", "errorDetails": "Come again.", "faults": []})


@pytest.mark.slow
def test_a_503_is_tried_again(talking: Begin) -> None:
    talk = talking(UNAVAILABLE, UNAVAILABLE, (200, {"leader": "cell-1"}))
    assert talk.api.standing().leader == "cell-1"
    assert len(talk.server.asked) == 3


def test_patience_ends_with_the_code_for_later(talking: Begin) -> None:
    talk = talking(UNAVAILABLE)
    impatient = ApiConnection(talk.server.url, "ada", patience_s=0)
    with (
        closing(impatient),
        pytest.raises(ApiError, match=r"nobody leads\. +Come again") as refused,
    ):
        impatient.get("/api/v3/status")
    assert refused.value.exit_code == EXIT_UNAVAILABLE
    assert len(talk.server.asked) == 1


def test_a_connection_that_was_closed_while_idle_is_opened_anew(talking: Begin) -> None:
    talk = talking((200, {}), None, (200, {"leader": "cell-2"}))
    talk.api.standing()
    assert talk.api.standing().leader == "cell-2"


def test_nobody_there_is_said_at_once() -> None:
    with pytest.raises(ApiError, match="does not answer") as refused:
        ApiConnection("http://127.0.0.1:1", "ada").get("/api/v3/status")
    assert refused.value.exit_code == EXIT_UNAVAILABLE


def test_every_fault_of_a_refusal_is_told_once(talking: Begin) -> None:
    faults = [
        {"field": "batch.size", "text": "is 0", "hint": "give 1 or more"},
        {"field": "owner.teamEmail", "text": "is missing", "hint": ""},
    ]
    said = {"message": "Refused: batch.size is 0 (and 1 more)", "errorDetails": "Give 1."}
    talk = talking((400, {**said, "faults": faults}))
    with pytest.raises(ApiError) as refused:
        talk.api.submit(b"{}", "hello", "")
    text = str(refused.value)
    assert text.count("batch.size is 0: give 1 or more") == 1
    assert "owner.teamEmail is missing" in text
    assert refused.value.exit_code == 1


def test_what_is_not_there_has_its_own_code(talking: Begin) -> None:
    talk = talking((404, {"message": "There is no job x"}))
    with pytest.raises(ApiError, match=r"There is no job x\. It never existed") as refused:
        talk.api.job("x")
    assert refused.value.exit_code == EXIT_NOT_FOUND


def test_what_cannot_be_done_now_says_so_where_the_cell_has_no_hint(talking: Begin) -> None:
    said = {"message": "Refused: runId run heal-1 is dryRun", "errorDetails": ""}
    talk = talking((409, {**said, "faults": [{"field": "runId", "text": "is dryRun"}]}))
    with pytest.raises(ApiError) as refused:
        talk.api.job("x")
    assert refused.value.cause == "How it stands now does not allow that: look at it again."


def test_an_answer_of_another_program_is_said_so(talking: Begin) -> None:
    talk = talking((200, ["hello"]))
    with pytest.raises(ApiError, match="another server listens there"):
        talk.api.standing()
    other = talking((418, "tea"))
    with pytest.raises(ApiError, match="answered 418"):
        other.api.standing()


def test_a_submission_has_a_name_or_a_key_and_an_actor(talking: Begin) -> None:
    talk = talking((201, {"id": "a"}))
    talk.api.submit(b'{"batch": 1}', "a", "key")
    talk.api.submit(b"{}", None, "key")
    named, keyed = talk.server.asked
    assert named.path == "/api/v3/jobs?jobId=a"
    assert "Idempotency-Key" not in named.headers
    assert named.body == b'{"batch": 1}'
    assert named.headers["X-Flumina-Actor"] == "ada"
    assert keyed.path == "/api/v3/jobs"
    assert keyed.headers["Idempotency-Key"] == "key"


@pytest.mark.slow
def test_a_202_is_waited_for_and_asked_again(talking: Begin) -> None:
    late = (202, {"id": "a", "token": "jobs:0:7"})
    talk = talking(late, UNAVAILABLE, (200, {}), (200, {"id": "a"}))
    assert talk.api.kill("a", "old").token == ""
    assert [each.method for each in talk.server.asked] == ["DELETE", "GET", "GET", "DELETE"]
    assert talk.server.asked[1].path == "/api/v3/status?atLeast=jobs%3A0%3A7"


def test_an_order_is_never_sent_twice(talking: Begin) -> None:
    talk = talking((202, {"id": "skip", "token": "commands:0:7"}))
    taken = talk.api.command("skip", {"offset": 1})
    assert taken.token == "commands:0:7"
    assert len(talk.server.asked) == 1


def test_lists_are_read_to_their_last_page(talking: Begin) -> None:
    more = {"hasMore": True, "cursor": "c5"}
    talk = talking(
        (200, {"items": [{"id": "a"}], "pagination": more}),
        (200, {"items": [{"id": "b"}], "pagination": {"hasMore": False}}),
    )
    assert [job.id for job in talk.api.jobs({"jobState": "Any"})] == ["a", "b"]
    assert "cursor=c5" in talk.server.asked[1].path
    assert "jobState=Any" in talk.server.asked[1].path


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("hello", "/api/v3/jobs/hello"),
        ("hello-worker-0-1", "/api/v3/tasks/hello-worker-0-1"),
        ("a/../b", "/api/v3/jobs/a%2F..%2Fb"),
    ],
)
def test_a_name_says_whether_it_is_a_task(name: str, path: str) -> None:
    assert path_of(name) == path


def test_new_fields_of_an_answer_are_left_out_and_missing_ones_have_defaults() -> None:
    assert Standing().leader_silent_ms is None
