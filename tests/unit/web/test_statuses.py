"""The one table of statuses, against the texts of Titus' own (titus.md 2.2), and the documents.

Titus has two tables that disagree: through the gateway a job that ends is 409, a used sequence
400, a time-out 408; a second mapper says 412, 500 and 504. Ours follows the first.
"""

import re
from http import HTTPStatus
from pathlib import Path
from typing import get_args

import pytest

from connectors.web.statuses import STATUSES, status_of
from scheduler.model.inbound import Fault, FaultCode
from tests.support.asgi import Answer, Body, call
from tests.support.cell import running_cell
from tests.support.web_cell import WebCell, descriptor, service_descriptor

JOBS, TASKS = "/api/v3/jobs", "/api/v3/tasks"
REST = (Path(__file__).parents[3] / "docs" / "rest.md").read_text("utf-8")


def test_every_code_has_one_status_and_a_row_in_the_documents() -> None:
    assert set(STATUSES) == set(get_args(FaultCode))
    for code, status in STATUSES.items():
        name = f"`{code}`" if code else "(empty)"
        row = rf"^\| {re.escape(name)} \| {int(status)} \|"
        assert re.search(row, REST, re.MULTILINE), code


def test_of_several_faults_the_one_counts_that_must_be_mended_first() -> None:
    limit = Fault("", "too many", code="limit")
    assert status_of([limit]) == HTTPStatus.TOO_MANY_REQUESTS
    assert status_of([limit, Fault("batch.size", "is wrong")]) == HTTPStatus.BAD_REQUEST
    taken = Fault("jobId", "is another's", code="taken")
    assert status_of([limit, Fault("batch.size", "is wrong"), taken]) == HTTPStatus.CONFLICT
    assert status_of([]) == HTTPStatus.BAD_REQUEST


def _web() -> WebCell:
    """A service ``s``, a batch job ``b``, a service ``ending`` that ends, one of a sequence."""
    web = WebCell(running_cell(hosts=3))
    for name in ("s", "ending"):
        assert call(web.app, "POST", f"{JOBS}?jobId={name}", service_descriptor(1)).status == 201
    assert call(web.app, "POST", f"{JOBS}?jobId=b", descriptor()).status == 201
    group = {"stack": "main", "detail": "d", "sequence": "001"}
    first = service_descriptor(1) | {"jobGroupInfo": group}
    assert call(web.app, "POST", f"{JOBS}?jobId=first", first).status == 201
    for task_id in web.cell.launched():
        web.cell.status(task_id, "TASK_RUNNING")
    assert call(web.app, "DELETE", f"{JOBS}/ending").status == 200
    return web


SIZE = {"desired": 1, "max": 1}
GROUP = {"jobGroupInfo": {"stack": "main", "detail": "d", "sequence": "001"}}
ROWS: dict[str, tuple[str, str, Body, int, str]] = {
    "validation": (
        "POST",
        f"{JOBS}?jobId=x",
        descriptor(applicationName=7),
        400,
        "applicationName",
    ),
    "wrong job type": ("PUT", f"{JOBS}/b/instances", SIZE, 400, "jobId"),
    "a bad capacity": ("PUT", f"{JOBS}/s/capacityAttributes", {"desired": 101}, 400, "capacity"),
    "a bad move: no service": (
        "POST",
        f"{TASKS}/move",
        {"taskId": "s-worker-0-1", "sourceJobId": "s", "targetJobId": "b"},
        400,
        "targetJobId",
    ),
    "a used job sequence": (
        "POST",
        f"{JOBS}?jobId=second",
        service_descriptor(1) | GROUP,
        400,
        "jobGroupInfo.sequence",
    ),
    "a job that is not there": ("DELETE", f"{JOBS}/nobody", None, 404, "jobId"),
    "a task that is not there": ("DELETE", f"{TASKS}/s-worker-7-77", None, 404, "taskId"),
    "a name that is no task's": ("DELETE", f"{TASKS}/x", None, 404, "taskId"),
    "a terminating job": ("PUT", f"{JOBS}/ending/instances", SIZE, 409, "jobId"),
    "a terminating job's attributes": (
        "PUT",
        f"{JOBS}/ending/attributes",
        {"attributes": {"a": "b"}},
        409,
        "jobId",
    ),
    "a name of another": ("POST", f"{JOBS}?jobId=s", descriptor(), 409, "jobId"),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_refusal_has_the_status_that_a_gateway_of_titus_gives(row: str) -> None:
    method, target, body, status, field = ROWS[row]
    refused = call(_web().app, method, target, body)
    assert refused.status == status, refused.json
    assert field in {each["field"] for each in refused.json["faults"]}
    assert field in refused.json["errorContext"]["constraintViolations"]
    assert refused.json["statusCode"] == status


def test_limits_of_the_whole_cell_are_429() -> None:
    web = _web()
    order = {"values": {"active_jobs_max": 1}, "why": "test"}
    actor = {"X-Flumina-Actor": "ada"}
    assert call(web.app, "POST", "/api/flumina/commands/policy", order, actor).status == 200
    assert call(web.app, "POST", f"{JOBS}?jobId=more", descriptor()).status == 429


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("DELETE", f"{JOBS}/s", None),
        ("PUT", f"{JOBS}/s/instances", SIZE),
        ("PUT", f"{JOBS}/s/capacityAttributes", {"desired": 2}),
        ("PUT", f"{JOBS}/s/jobprocesses", {"disableIncreaseDesired": True}),
        ("PUT", f"{JOBS}/s/attributes", {"attributes": {"a": "b"}}),
        ("DELETE", f"{JOBS}/s/attributes?keys=a", None),
        ("POST", f"{JOBS}/s/enable", None),
        ("POST", f"{JOBS}/s/disable", None),
        ("DELETE", f"{TASKS}/s-worker-0-1", None),
        ("PUT", f"{TASKS}/s-worker-0-1/attributes", {"attributes": {"a": "b"}}),
        ("DELETE", f"{TASKS}/s-worker-0-1/attributes?keys=a", None),
        (
            "POST",
            f"{TASKS}/move",
            {"taskId": "s-worker-0-1", "sourceJobId": "s", "targetJobId": "first"},
        ),
    ],
)
def test_a_change_for_another_version_is_412_and_changes_nothing(
    method: str, target: str, body: Body
) -> None:
    web = _web()

    def ask(version: str) -> Answer:
        return call(web.app, method, target, body, {"If-Match": version})

    jobs = dict(web.cell.state.jobs)
    late = ask('"99"')
    assert (late.status, late.json["faults"][0]["field"]) == (412, "ifVersion")
    assert web.cell.state.jobs == jobs
    assert [ask(text).status for text in ('W/"1"', "1", '"1", "2"', '"x"')] == [400] * 4


def test_the_etag_of_a_read_is_what_a_change_takes() -> None:
    web = _web()
    before = call(web.app, "GET", f"{JOBS}/s")
    assert before.headers["etag"] == f'"{before.json["version"]["version"]}"'
    change = {"attributes": {"team": "a"}}
    tag = {"If-Match": before.headers["etag"]}
    assert call(web.app, "PUT", f"{JOBS}/s/attributes", change, tag).status == 200
    after = call(web.app, "GET", f"{JOBS}/s")
    assert after.headers["etag"] != before.headers["etag"]
    assert after.json["jobDescriptor"]["attributes"]["team"] == "a"
    assert call(web.app, "PUT", f"{JOBS}/s/attributes", change, tag).status == 412
    task = call(web.app, "GET", f"{TASKS}/s-worker-0-1")
    tag = {"If-Match": task.headers["etag"]}
    assert call(web.app, "PUT", f"{TASKS}/s-worker-0-1/attributes", change, tag).status == 200
    assert call(web.app, "DELETE", f"{TASKS}/s-worker-0-1", headers=tag).status == 412
