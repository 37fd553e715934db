"""REST of other instants: each path answers, bad ones are refused, late views are completed."""

import pytest

from connectors.web.rewinding import REWOUND
from connectors.web.travelling import TravelRefused
from projections.cell_view import CellView
from projections.travel.questions import Question
from tests.support.asgi import call
from tests.support.cell import batch, running_cell
from tests.support.web_cell import WebCell


@pytest.fixture(scope="module")
def web() -> WebCell:
    """A batch job of two that ended."""
    web = WebCell(running_cell(1))
    for task_id in web.cell.run(batch(2), "job"):
        web.cell.tick()
        web.cell.status(task_id, "TASK_FINISHED")
    return web


def test_a_state_of_then(web: WebCell) -> None:
    now = call(web.app, "GET", "/api/flumina/state").json
    then = call(web.app, "GET", "/api/flumina/state?at=4").json
    assert (now["jobs"], then["jobs"]) == ({"Finished": 1}, {})
    assert then["nextOffset"] == 5
    assert call(web.app, "GET", "/api/flumina/state?at=now").json["tasks"] == now["tasks"]


def test_why_of_then(web: WebCell) -> None:
    path = "/api/v3/tasks/job-worker-0-1/why"
    now, then = call(web.app, "GET", path).json, call(web.app, "GET", f"{path}?at=8").json
    assert (now["state"], then["state"]) == ("Finished", "Accepted")
    assert call(web.app, "GET", f"{path}?at=3").status == 404
    assert call(web.app, "GET", "/api/v3/jobs/job/why?at=now").json["state"] == "Finished"


def test_a_diff_a_timeline_and_a_trace(web: WebCell) -> None:
    found = call(web.app, "GET", "/api/flumina/diff?from=4&to=now&limit=1").json
    assert found["counts"]["task"] == {"appeared": 2}
    assert len(found["entities"]) == 1
    page = call(web.app, "GET", "/api/flumina/timeline/job-worker-0-1?limit=2").json
    assert (len(page["lines"]), page["nextSkip"]) == (2, 2)
    address = page["lines"][1]["address"]
    trace = call(web.app, "GET", f"/api/flumina/trace?address={address}").json
    assert [step["address"] for step in trace["steps"]][-1] == address
    forward = f"/api/flumina/trace?address={address}&direction=effects"
    assert call(web.app, "GET", forward).json["steps"][0]["address"] == address


REFUSED = {
    "/api/flumina/state?at=soon": 400,
    "/api/flumina/state?at=99999": 400,
    "/api/flumina/diff": 400,
    "/api/flumina/diff?from=1&limit=0": 400,
    "/api/flumina/diff?from=1&limit=5001": 400,
    "/api/flumina/trace": 400,
    "/api/flumina/trace?address=5": 400,
    "/api/flumina/trace?address=test/0a0b0c0d:5[900]": 404,
    "/api/flumina/trace?address=test/0a0b0c0d:5[0]&direction=up": 400,
    "/api/flumina/timeline/nobody": 404,
}


@pytest.mark.parametrize("target", REFUSED)
def test_what_cannot_be_asked_is_refused(web: WebCell, target: str) -> None:
    refused = call(web.app, "GET", target)
    assert refused.status == REFUSED[target], refused.body
    assert refused.json["message"]


@pytest.mark.parametrize("at", [2, 9, 12])
def test_a_view_that_began_late_answers_as_a_whole_one(web: WebCell, at: int) -> None:
    """No seam is seen: why and histories of a view from a snapshot are those of a whole view."""
    late = WebCell(web.cell)
    late._view = CellView.restored(web.cell.refolded(web.cell.log[:at]))
    for target in (
        "/api/v3/jobs/job/why",
        "/api/v3/jobs/job/events",
        "/api/v3/jobs/job/events?tasks=true",
        "/api/v3/tasks/job-worker-0-1/why",
        "/api/v3/tasks/job-worker-1-2/events",
    ):
        assert call(late.app, "GET", target).json == call(web.app, "GET", target).json


def test_without_a_time_machine_the_present_is_still_answered(web: WebCell) -> None:
    class Away:
        async def ask(self, question: Question) -> bytes:
            raise TravelRefused("unavailable", f"No answer to {question}.", "Ask again.")

    away = WebCell(web.cell, travel=Away())
    assert call(away.app, "GET", "/api/flumina/state?at=3").status == 503
    assert call(away.app, "GET", "/api/flumina/state").status == 200
    assert call(away.app, "GET", "/api/v3/jobs/job/why").status == 200


def test_reads_of_then(web: WebCell) -> None:
    """Lists and things of the cell at an instant, by the handlers that tell of now."""
    now = call(web.app, "GET", "/api/v3/tasks?taskStates=Any").json["items"]
    then = call(web.app, "GET", "/api/v3/tasks?taskStates=Any&at=8").json["items"]
    states = [[each["status"]["state"] for each in items] for items in (now, then)]
    assert states == [["Finished", "Finished"], ["Accepted", "Accepted"]]
    job = call(web.app, "GET", "/api/v3/jobs/job?at=8")
    assert job.json["status"]["state"] == "Accepted"
    assert call(web.app, "GET", "/api/v3/jobs/job").json["status"]["state"] == "Finished"
    assert call(web.app, "GET", "/api/v3/jobs?at=4").json["items"] == []
    assert call(web.app, "GET", "/api/v3/jobs?at=8&pageSize=0").status == 400
    assert call(web.app, "GET", "/api/v3/jobs/job?at=4").status == 404
    assert call(web.app, "GET", "/api/v3/jobs/job?at=soon").status == 400
    early = call(web.app, "GET", "/api/v3/tasks/job-worker-0-1/events?at=8").json
    late = call(web.app, "GET", "/api/v3/tasks/job-worker-0-1/events").json
    assert 0 < len(early["lines"]) < len(late["lines"])


def test_every_read_of_then_answers(web: WebCell) -> None:
    """Each path that takes an instant answers of it what it answers of now, at the newest one."""
    differing = []
    names = {"id": "job", "number": "1"}
    for path in sorted(REWOUND):
        url = path.format(**names)
        now, then = call(web.app, "GET", url), call(web.app, "GET", f"{url}?at=now")
        if (now.status, now.json if now.status == 200 else 0) != (
            then.status,
            then.json if then.status == 200 else 0,
        ):
            differing.append((path, now.status, then.status))
    assert differing == []
