"""Switches, attributes and moves of jobs and tasks over REST: what is answered is what was made."""

import pytest

from scheduler.model.ids import JobId, TaskId
from scheduler.model.job import Service
from tests.support.asgi import Body, call
from tests.support.cell import running_cell
from tests.support.web_cell import WebCell, descriptor, service_descriptor

JOBS, TASKS = "/api/v3/jobs", "/api/v3/tasks"


def _web() -> WebCell:
    """Two services of the same work, ``s`` and ``t``, whose tasks run, and a batch job ``b``."""
    web = WebCell(running_cell(hosts=3))
    for name in ("s", "t"):
        assert call(web.app, "POST", f"{JOBS}?jobId={name}", service_descriptor(2)).status == 201
    assert call(web.app, "POST", f"{JOBS}?jobId=b", descriptor()).status == 201
    for task_id in web.cell.launched():
        web.cell.status(task_id, "TASK_RUNNING")
    return web


def _desired(web: WebCell, name: str) -> int:
    kind = web.cell.state.jobs[JobId(name)].spec.kind
    assert isinstance(kind, Service)
    return kind.desired


def test_a_service_is_taken_out_of_service_and_back() -> None:
    web = _web()
    for word, is_enabled in (("disable", False), ("enable", True)):
        done = call(web.app, "POST", f"{JOBS}/s/{word}")
        assert (done.status, done.json) == (200, {"id": "s"})
        shown = call(web.app, "GET", f"{JOBS}/s").json
        assert shown["jobDescriptor"]["service"]["enabled"] is is_enabled


def test_the_desired_size_is_held_where_its_processes_are_disabled() -> None:
    web = _web()
    held = {"disableIncreaseDesired": True}
    assert call(web.app, "PUT", f"{JOBS}/s/jobprocesses", held).status == 200
    up = call(web.app, "PUT", f"{JOBS}/s/capacityAttributes", {"desired": 3})
    assert 400 <= up.status < 500
    assert _desired(web, "s") == 2
    assert call(web.app, "PUT", f"{JOBS}/s/capacityAttributes", {"desired": 1}).status == 200
    assert _desired(web, "s") == 1


def test_attributes_are_set_one_by_one_and_removed_by_name() -> None:
    web = _web()
    for change in ({"a": "1", "b": "2"}, {"b": "3", "c": "4"}):
        assert call(web.app, "PUT", f"{JOBS}/s/attributes", {"attributes": change}).status == 200
        assert (
            call(web.app, "PUT", f"{TASKS}/s-worker-0-1/attributes", {"attributes": change}).status
            == 200
        )
    assert call(web.app, "DELETE", f"{JOBS}/s/attributes?keys=a,c").status == 200
    assert call(web.app, "DELETE", f"{TASKS}/s-worker-0-1/attributes?keys=a&keys=c").status == 200
    shown = call(web.app, "GET", f"{JOBS}/s").json
    stamped = {"titus.cell": "test", "titus.createdBy": "unknown@127.0.0.1"}
    assert shown["jobDescriptor"]["attributes"] == {"b": "3", **stamped}
    assert call(web.app, "GET", f"{TASKS}/s-worker-0-1").json["attributes"] == {"b": "3"}


def test_a_started_task_moves_and_both_jobs_change_their_size() -> None:
    web = _web()
    body = {"taskId": "s-worker-0-1", "sourceJobId": "s", "targetJobId": "t"}
    done = call(web.app, "POST", f"{TASKS}/move", body)
    assert (done.status, done.json) == (200, {"id": "s-worker-0-1"})
    assert (_desired(web, "s"), _desired(web, "t")) == (1, 3)
    shown = call(web.app, "GET", f"{TASKS}/s-worker-0-1").json
    assert shown["jobId"] == "t"
    assert shown["taskContext"]["task.movedFromJob"] == "s"


def test_a_shrink_below_the_least_size_is_refused_where_that_is_asked() -> None:
    web = _web()
    bounds = {"min": 2, "desired": 2, "max": 4}
    assert call(web.app, "PUT", f"{JOBS}/s/instances", bounds).status == 200
    target = f"{TASKS}/s-worker-0-1?shrink=true"
    kept = call(web.app, "DELETE", f"{target}&preventMinSizeUpdate=true")
    assert (kept.status, kept.json["faults"][0]["field"]) == (409, "preventMinSizeUpdate")
    assert call(web.app, "DELETE", target).status == 200
    assert _desired(web, "s") == 1


BAD: dict[str, tuple[str, str, Body, str]] = {
    "no switch": ("PUT", f"{JOBS}/s/jobprocesses", {}, "disableIncreaseDesired"),
    "a switch that is a text": (
        "PUT",
        f"{JOBS}/s/jobprocesses",
        {"disableIncreaseDesired": "yes"},
        "disableIncreaseDesired",
    ),
    "no attributes": ("PUT", f"{JOBS}/s/attributes", {}, "attributes"),
    "attributes that are a list": (
        "PUT",
        f"{JOBS}/s/attributes",
        {"attributes": ["a"]},
        "attributes",
    ),
    "an attribute that is a number": (
        "PUT",
        f"{TASKS}/s-worker-0-1/attributes",
        {"attributes": {"a": 1}},
        "attributes.a",
    ),
    "no keys": ("DELETE", f"{JOBS}/s/attributes", None, "keys"),
    "a field more": ("PUT", f"{JOBS}/s/attributes", {"attributes": {"a": "b"}, "x": 1}, "x"),
    "a move without a target": (
        "POST",
        f"{TASKS}/move",
        {"taskId": "s-worker-0-1", "sourceJobId": "s"},
        "targetJobId",
    ),
    "a batch job in service": ("POST", f"{JOBS}/b/enable", None, "jobId"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_makes_no_sense_is_refused_by_its_field(case: str) -> None:
    method, target, body, field = BAD[case]
    refused = call(_web().app, method, target, body)
    assert refused.status == 400, refused.json
    assert field in {each["field"] for each in refused.json["faults"]}


def test_attributes_of_a_task_that_ended_stay_as_they_are() -> None:
    web = _web()
    web.cell.status(TaskId("b-worker-0-1"), "TASK_FINISHED")
    change = {"attributes": {"a": "b"}}
    refused = call(web.app, "PUT", f"{TASKS}/b-worker-0-1/attributes", change)
    assert refused.status == 409
