"""Updates, cron schedules, and Titan's specs of 2015 over REST: answers are what was made."""

import json
from typing import Any

import pytest

from scheduler.model.ids import JobId
from scheduler.model.job import Batch, Service
from scheduler.model.v3.titan import TitanSite, titan_job
from tests.support.asgi import call
from tests.support.cell import running_cell
from tests.support.web_cell import WebCell, descriptor, service_descriptor

JOBS = "/api/v3/jobs"
UPDATES = "/api/flumina/jobs/s/updates"
TITAN = json.loads(
    '{"name":"rocker","applicationName":"nf-rocker","version":"1.06",'
    '"location":"dc1:20,us-west-2:dc2:40,dc5:60","cpus":4,"memory":3200,"disk":40,"ports":2,'
    '"restartOnFailure":true,"numRetries":10,"restartOnSuccess":false}'
)
"""The example of the public talk on Titan, letter by letter."""


def web_with_service() -> WebCell:
    """A service ``s`` of which both tasks run."""
    web = WebCell(running_cell(hosts=4))
    assert call(web.app, "POST", f"{JOBS}?jobId=s", service_descriptor(2)).status == 201
    for task_id in web.cell.launched():
        web.cell.status(task_id, "TASK_RUNNING")
    return web


def changed(**environment: str) -> dict[str, Any]:
    """The same service with another environment."""
    found: dict[str, Any] = json.loads(json.dumps(service_descriptor(2)))
    found["container"]["env"] = environment
    return found


def test_an_update_is_begun_shown_paused_resumed_and_rolled_back() -> None:
    web = web_with_service()
    assert call(web.app, "GET", UPDATES).json["updates"] == []
    body = {"job": changed(A="1"), "plan": {"batch": 1, "maxUnavailable": "50%"}}
    begun = call(web.app, "POST", f"{UPDATES}?why=new", body)
    assert (begun.status, begun.json) == (200, {"id": "s"})
    shown = call(web.app, "GET", UPDATES).json
    assert (shown["specVersion"], shown["updates"][0]["state"]) == (2, "running")
    assert [(each["version"], each["tasks"]) for each in shown["versions"]] == [(1, 2), (2, 0)]
    assert call(web.app, "POST", f"{UPDATES}/1/pause").status == 200
    assert call(web.app, "GET", f"{UPDATES}/1").json["paused"] is True
    assert call(web.app, "POST", f"{UPDATES}/1/resume").status == 200
    assert call(web.app, "POST", f"{UPDATES}/1/rollback?why=no").status == 200
    shown = call(web.app, "GET", f"{UPDATES}/1").json
    assert shown["state"] == "rollingBack"
    assert shown["plan"]["batch"] == 1
    told = call(web.app, "GET", f"{JOBS}/s/why").json
    assert any("Update 1 from version 1 to 2 is rollingBack" in each for each in told["sentences"])


def test_what_is_wrong_with_an_update_is_said_by_field_and_status() -> None:
    web = web_with_service()
    for body, field in (
        ({"job": changed(), "plan": {"batch": "101%"}}, "plan.batch"),
        ({"job": changed(), "plan": {"maxUnavailable": 0}}, "maxUnavailable"),
        ({"job": changed(), "plan": {"strategy": "blue"}}, "plan.strategy"),
        ({"job": {**changed(), "applicationName": "x"}}, "applicationName"),
        ({"job": changed(), "plans": {}}, "plans"),
        ({}, "job"),
    ):
        refused = call(web.app, "POST", UPDATES, body)
        assert (refused.status, refused.json["faults"][0]["field"]) == (400, field), body
    stale = call(web.app, "POST", UPDATES, {"job": changed(A="1")}, {"If-Match": '"7"'})
    assert stale.status == 412
    assert call(web.app, "POST", UPDATES, {"job": changed(A="1")}).status == 200
    assert call(web.app, "POST", UPDATES, {"job": changed(A="2")}).status == 409
    assert call(web.app, "POST", f"{UPDATES}/7/pause").status == 409
    assert call(web.app, "GET", f"{UPDATES}/7").status == 404
    nobody = UPDATES.replace("/s/", "/nobody/")
    assert call(web.app, "POST", nobody, {"job": changed()}).status == 404
    assert call(web.app, "GET", nobody).status == 404


def test_a_cron_job_shows_its_next_firings_and_its_runs() -> None:
    web = WebCell(running_cell(hosts=2))
    job = descriptor()
    batch = job.pop("batch")
    job["cron"] = {"schedule": "@hourly", "timeZone": "Asia/Tokyo", "batch": batch}
    assert call(web.app, "POST", f"{JOBS}?jobId=c", job).status == 201
    shown = call(web.app, "GET", "/api/flumina/jobs/c/cron?limit=3").json
    assert len(shown["next"]) == 3
    assert all(at_ms % 3_600_000 == 0 for at_ms in shown["next"])
    while not call(web.app, "GET", "/api/flumina/jobs/c/cron").json["runs"]:
        web.cell.tick(30_000)
    (run,) = call(web.app, "GET", "/api/flumina/jobs/c/cron").json["runs"]
    assert call(web.app, "GET", f"{JOBS}/{run['id']}").json["id"] == run["id"]
    listed = call(web.app, "GET", f"{JOBS}?jobType=cron").json["items"]
    assert [each["id"] for each in listed] == ["c"]
    assert call(web.app, "GET", "/api/flumina/jobs/s/cron").status == 404
    bad = {**job, "cron": {"schedule": "61 * * * *", "timeZone": "Mars/Base", "batch": batch}}
    refused = call(web.app, "POST", f"{JOBS}?jobId=d", bad)
    assert [each["field"] for each in refused.json["faults"]] == ["cron.schedule", "cron.timeZone"]


def test_a_stream_is_submitted_and_scaled() -> None:
    web = WebCell(running_cell(hosts=2))
    job = descriptor()
    retry = job.pop("batch").get("retryPolicy", {"immediate": {"retries": 0}})
    job["stream"] = {"workers": 2, "orderedStart": True, "retryPolicy": retry}
    assert call(web.app, "POST", f"{JOBS}?jobId=w", job).status == 201
    shown = call(web.app, "GET", f"{JOBS}/w").json["jobDescriptor"]["stream"]
    assert (shown["workers"], shown["orderedStart"]) == (2, True)
    assert call(web.app, "PUT", f"{JOBS}/w/capacityAttributes", {"desired": 3}).status == 200
    assert call(web.app, "PUT", f"{JOBS}/w/capacityAttributes", {"max": 3, "min": 1}).status == 400


def test_the_spec_of_titan_as_its_authors_showed_it() -> None:
    for path in ("/v2/jobs", "/api/v2/jobs"):
        web = WebCell(running_cell(hosts=2))
        made = call(web.app, "POST", path, TITAN)
        assert made.status == 201, made.body
        job = web.cell.state.jobs[JobId(made.json["id"])]
        assert made.json["id"].startswith("rocker-")
        assert job.spec.kind == Batch(size=120, runtime_limit_ms=864_000_000)
        assert job.spec.retry.retries == 10
        need = job.spec.container.need
        assert (need.cpu_milli, need.memory_mib, need.disk_mib, need.ports) == (4_000, 3_200, 40, 2)
        assert job.spec.container.full_image == "nf-rocker:1.06"
        assert [(each.name, each.count, dict(each.attributes)) for each in job.spec.sets] == [
            ("dc1", 20, {"datacenter": "dc1"}),
            ("us-west-2:dc2", 40, {"datacenter": "dc2", "region": "us-west-2"}),
            ("dc5", 60, {"datacenter": "dc5"}),
        ]
        tasks = web.cell.tasks(made.json["id"])
        assert len(tasks) == 120
        assert tasks[5].task_id == f"{made.json['id']}-worker-5-6"
        assert call(web.app, "GET", f"/v2/jobs/{made.json['id']}").status == 200
        assert call(web.app, "GET", f"/v2/tasks/{tasks[5].task_id}").status == 200


def test_a_titan_job_that_restarts_on_success_is_a_service() -> None:
    web = WebCell(running_cell(hosts=2))
    made = call(web.app, "POST", "/v2/jobs", {**TITAN, "restartOnSuccess": True})
    job = web.cell.state.jobs[JobId(made.json["id"])]
    assert job.spec.kind == Service(minimum=120, desired=120, maximum=120)
    scaled = call(web.app, "PUT", f"{JOBS}/{job.job_id}/capacityAttributes", {"max": 130})
    assert scaled.status == 400, "its sets say how many there are"


def test_what_is_wrong_with_a_titan_spec_is_said_by_its_own_names() -> None:
    web = WebCell(running_cell(hosts=2))
    for change, field in (
        ({"location": "dc1"}, "location"),
        ({"location": "dc1:0"}, "location"),
        ({"location": "dc1:5,dc1:6"}, "location"),
        ({"location": None}, "location"),
        ({"cpus": "four"}, "cpus"),
        ({"memory": None}, "memory"),
        ({"name": "-rocker-"}, "name"),
        ({"numRetries": -1}, "numRetries"),
        ({"colour": "red"}, "colour"),
        ({"restartOnSuccess": True, "restartOnFailure": False}, "restartOnFailure"),
    ):
        refused = call(web.app, "POST", "/v2/jobs", {**TITAN, **change})
        fields = {each["field"] for each in refused.json["faults"]}
        assert (refused.status, fields) == (400, {field}), change


def test_runs_of_one_tick_are_listed_one_by_one_and_have_a_history() -> None:
    web = WebCell(running_cell(hosts=2))
    job = descriptor()
    job["cron"] = {"schedule": "@hourly", "batch": job.pop("batch")}
    for name in ("a", "b", "c"):
        assert call(web.app, "POST", f"{JOBS}?jobId={name}", job).status == 201
    while len(web.cell.state.jobs) < 6:
        web.cell.tick(30_000)
    found, cursor = [], ""
    for _ in range(6):
        page = call(web.app, "GET", f"{JOBS}?pageSize=1&cursor={cursor}").json
        found += [each["id"] for each in page["items"]]
        cursor = page["pagination"]["cursor"]
    assert found == list(web.cell.state.jobs)
    run = found[-1]
    lines = call(web.app, "GET", f"{JOBS}/{run}/events?tasks=true").json["lines"]
    assert len(lines) > 1
    assert f"run of cron job {run[0]}" in " ".join(
        call(web.app, "GET", f"{JOBS}/{run}/why").json["sentences"]
    )


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("dc1:0,dc2:5", "wants no task at 'dc1:0'"),
        ("dc1:60000,dc2:50000", "wants 110000 tasks in all"),
        ("dc1", "has 'dc1', no place with a count"),
    ],
)
def test_a_count_that_cannot_be_is_one_fault_of_the_location(location: str, said: str) -> None:
    spec = {"name": "rocker", "applicationName": "nf-rocker", "version": "1.06", "cpus": 1}
    raw = {**spec, "memory": 64, "disk": 40, "location": location, "restartOnSuccess": True}
    found = titan_job(raw, TitanSite(), "ada")
    assert isinstance(found, tuple)
    assert [(each.field, each.text) for each in found] == [("location", said)]
