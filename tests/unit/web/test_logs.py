"""A task's output: bytes as they are, piece by piece, and why there may be none."""

import pytest

from connectors.web.cell import LogUnavailable, Piece, Sandbox
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.inbound import OffersChanged
from scheduler.model.job_requests import TaskMoveAsked
from scheduler.model.mesos import HostFacts, Offer
from scheduler.model.resources import Resources
from tests.support.asgi import Answer, call
from tests.support.cell import CellInMemory, service
from tests.support.web_cell import WebCell, descriptor

TASK = "b-worker-0-1"
TEXT = b"one\ntwo \xff\x00 three\n"


def _web(url: str = "http://127.0.0.1:5051") -> WebCell:
    """A cell whose task runs on a host that has said where it answers."""
    cell = CellInMemory()
    cell.elect()
    cell.subscribe()
    offer = Offer(
        offer_id="o",  # type: ignore[arg-type]
        host_id=HostId("h"),
        resources=Resources(4_000, 8_192, 10_000, ()),
        facts=HostFacts(hostname="h.example.org", url=url),
    )
    cell.copy("mesos", OffersChanged(stream_id=cell.stream_id, first_offset=2, added=(offer,)))
    web = WebCell(cell)
    call(web.app, "POST", "/api/v3/jobs?jobId=b", descriptor())
    (task_id,) = cell.launched()
    assert task_id == TASK
    cell.status(task_id, "TASK_RUNNING")
    web.files.files[TASK, "stdout"] = TEXT
    return web


def _log(web: WebCell, query: str = "") -> Answer:
    return call(web.app, "GET", f"/api/v3/tasks/{TASK}/log{query}")


def _places(answer: Answer) -> tuple[int, int, int]:
    names = ("x-flumina-log-offset", "x-flumina-log-next-offset", "x-flumina-log-size")
    first, following, size = (int(answer.headers[name]) for name in names)
    return (first, following, size)


def test_the_bytes_come_as_they_are() -> None:
    web = _web()
    answer = _log(web)
    assert (answer.status, answer.body) == (200, TEXT)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert _places(answer) == (0, len(TEXT), len(TEXT))
    cell = web.cell.state.cell
    asked = Sandbox("http://127.0.0.1:5051", "f", TaskId(TASK), cell, "b", is_over=False)
    assert web.files.asked == [asked]


def test_pieces_follow_each_other_to_the_end() -> None:
    web, read, offset = _web(), b"", 0
    while True:
        piece = _log(web, f"?offset={offset}&length=5")
        if not piece.body:
            break
        read += piece.body
        offset = _places(piece)[1]
    assert read == TEXT


def test_the_tail_is_the_last_bytes() -> None:
    piece = _log(_web(), "?tail=true&length=6")
    assert piece.body == TEXT[-6:]
    assert _places(piece) == (len(TEXT) - 6, len(TEXT), len(TEXT))


def test_the_other_file_is_another() -> None:
    web = _web()
    web.files.files[TASK, "stderr"] = b"oh"
    assert _log(web, "?file=stderr").body == b"oh"


def test_a_place_and_the_tail_contradict_each_other() -> None:
    assert _log(_web(), "?tail=true&offset=1").status == 400


@pytest.mark.parametrize(
    ("kind", "status"), [("missing", 404), ("unreachable", 503), ("broken", 502)]
)
def test_a_file_that_cannot_be_read_says_why(kind: str, status: int) -> None:
    web = _web()
    web.files.fault = LogUnavailable(kind, "the host is on fire; put it out")  # type: ignore[arg-type]
    answer = _log(web)
    assert answer.status == status
    assert "on fire" in answer.json["errorDetails"]
    assert ("retry-after" in answer.headers) == (status == 503)


def test_a_host_that_did_not_say_where_it_answers() -> None:
    web = _web(url="")
    web.files.fault = LogUnavailable("missing", "nobody knows")
    answer = _log(web)
    assert answer.status == 404
    assert "where host h answers" in answer.json["message"]


def test_a_task_that_was_on_no_host_has_no_output() -> None:
    web = WebCell(CellInMemory())
    web.cell.elect()
    call(web.app, "POST", "/api/v3/jobs?jobId=b", descriptor())
    answer = _log(web)
    assert answer.status == 404
    assert answer.json["errorDetails"] == f"Ask /api/v3/tasks/{TASK}/why."


def test_an_instant_is_a_place_too() -> None:
    piece = _log(_web(), "?since=4")
    assert _places(piece) == (4, len(TEXT), len(TEXT))
    assert _log(_web(), "?since=4&offset=1").status == 400


def test_a_file_of_the_log_folder_is_asked_for_by_its_name() -> None:
    web = _web()
    web.files.files[TASK, "audit/a.log"] = b"who"
    assert _log(web, "?file=audit/a.log").body == b"who"


@pytest.mark.parametrize(
    "name",
    ["../stdout", "/etc/passwd", "a//b", "a/../b", ".", "a%00b", "%2e%2e/x", "a%0ab", "x" * 181],
)
def test_a_name_that_tries_to_be_a_path_is_refused_and_nobody_is_asked(name: str) -> None:
    web = _web()
    assert _log(web, f"?file={name}").status == 400
    assert web.files.asked == []


def test_bytes_that_are_kept_nowhere_are_passed_with_a_line_and_a_note() -> None:
    web = _web()
    note = "the host is gone \x1b[2J\n"
    web.files.answer = Piece(b"[gone]", 0, 100, next_offset=90, note=note)
    answer = _log(web)
    assert answer.body == b"[gone]"
    assert _places(answer) == (0, 90, 100)
    assert answer.headers["x-flumina-log-note"] == "the host is gone  [2J "


def test_a_task_that_the_cell_has_forgotten_may_still_be_in_the_store() -> None:
    web = _web()
    forgotten = "b-worker-7-9"
    web.files.files[forgotten, "stdout"] = b"long ago"
    answer = call(web.app, "GET", f"/api/v3/tasks/{forgotten}/log")
    assert answer.body == b"long ago"
    assert web.files.asked[-1].is_over
    del web.files.files[forgotten, "stdout"]
    answer = call(web.app, "GET", f"/api/v3/tasks/{forgotten}/log")
    assert (answer.status, answer.json["message"]) == (404, f"There is no task {forgotten!r}")
    assert call(web.app, "GET", "/api/v3/tasks/nonsense/log").status == 404


def test_the_output_of_a_moved_task_lies_where_its_name_says() -> None:
    web = _web()
    web.cell.offer("h2")
    (task_id,) = web.cell.run(service(1), "here")
    web.cell.run(service(1), "there")
    web.cell.copy("jobs", TaskMoveAsked(task_id, JobId("here"), JobId("there")))
    web.files.files[task_id, "stdout"] = b"moved"
    assert call(web.app, "GET", f"/api/v3/tasks/{task_id}/log").body == b"moved"
    assert web.cell.state.tasks[task_id].job_id == "there"
    assert web.files.asked[-1].job_id == "here"
