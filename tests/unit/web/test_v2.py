"""API v2 as of 2017 (titus.md 2.3): specs in, jobs and tasks out, states in its words."""

from typing import Any

import pytest

from scheduler.model.ids import JobId, TaskId
from scheduler.model.job import RetryPolicy, Service
from scheduler.model.mesos import MesosTaskState
from tests.support.asgi import Answer, Body, call
from tests.support.cell import running_cell
from tests.support.web_cell import WebCell

JOBS, TASKS = "/api/v2/jobs", "/api/v2/tasks"


def _spec(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": "rocker",
        "applicationName": "team/rocker",
        "appName": "rocker",
        "user": "ada@example.org",
        "type": "batch",
        "labels": {"team": "a"},
        "version": "1.06",
        "entryPoint": "/bin/sh -c 'echo one two'",
        "cpu": 0.5,
        "memory": 256.0,
        "disk": 10,
        "instances": 2,
        "retries": 3,
        "env": {"LEVEL": "debug"},
    }
    made.update(changes)
    return {name: value for name, value in made.items() if value is not None}


def _service(**changes: Any) -> dict[str, Any]:
    sizes = {"instances": None, "instancesMin": 0, "instancesDesired": 2, "instancesMax": 5}
    return _spec(**{"type": "service", **sizes, **changes})


def _submitted(web: WebCell, spec: dict[str, Any]) -> str:
    made = call(web.app, "POST", JOBS, spec)
    assert made.status == 201, made.json
    assert made.json["jobUri"] == made.headers["location"] == f"{JOBS}/{made.json['id']}"
    return str(made.json["id"])


def _web() -> WebCell:
    return WebCell(running_cell(hosts=3))


def _post(web: WebCell, path: str, **body: Any) -> Answer:
    return call(web.app, "POST", f"/api/v2/{path}", {"user": "ada", **body})


def test_a_spec_is_shown_as_it_was_given() -> None:
    web = _web()
    spec = _spec(
        jobGroupStack="main",
        securityGroups=["sg-1"],
        iamProfile="role",
        hardConstraints=["UniqueHost"],
        softConstraints=["ZoneBalance"],
        ports=[7001, 7002],
        runtimeLimitSecs=600,
    )
    job_id = _submitted(web, spec)
    shown = call(web.app, "GET", f"{JOBS}/{job_id}").json
    assert {name: shown[name] for name in spec if name != "ports"} == {
        name: value for name, value in spec.items() if name != "ports"
    }
    assert len(shown["ports"]) == 2
    job = web.cell.state.jobs[JobId(job_id)]
    assert job.spec.container.command == ("/bin/sh", "-c", "echo one two")
    assert job.spec.container.image_tag == "1.06"
    # Titus (S17) waits 5, 10 and 20 s.
    assert job.spec.retry == RetryPolicy("exponentialBackOff", 3, 5_000, 20_000)
    assert job.actor == "ada@example.org"
    v3 = call(web.app, "GET", f"/api/v3/jobs/{job_id}").json["jobDescriptor"]
    assert v3["container"]["image"] == {"name": "team/rocker", "tag": "1.06"}


def test_a_service_has_bounds_and_is_taken_in_and_out_of_service() -> None:
    web = _web()
    job_id = _submitted(web, _service(inService=False, migrationPolicy={"type": "selfManaged"}))
    shown = call(web.app, "GET", f"{JOBS}/{job_id}").json
    assert (shown["inService"], shown["migrationPolicy"]) == (False, {"type": "selfManaged"})
    assert _post(web, "jobs/setinservice", jobId=job_id, inService=True).status == 204
    counts = {"instancesDesired": 3, "instancesMin": 1, "instancesMax": 4}
    assert _post(web, "jobs/setinstancecounts", jobId=job_id, **counts).status == 204
    job = web.cell.state.jobs[JobId(job_id)]
    assert (job.spec.is_enabled, job.spec.kind) == (True, Service(1, 3, 4))
    assert _post(web, "jobs/kill", jobId=job_id).status == 204
    assert web.cell.state.jobs[JobId(job_id)].state != "Accepted"


ENDS: dict[MesosTaskState, str] = {
    "TASK_FINISHED": "FINISHED",
    "TASK_FAILED": "FAILED",
    "TASK_ERROR": "ERROR",
    "TASK_LOST": "CRASHED",
}


@pytest.mark.parametrize("ended", ENDS)
def test_states_go_forward_and_ends_have_the_words_of_2017(ended: MesosTaskState) -> None:
    web = _web()
    job_id = _submitted(web, _spec(instances=1, retries=0))
    task_id = TaskId(f"{job_id}-worker-0-1")
    path = f"{TASKS}/{task_id}"
    seen = [call(web.app, "GET", path).json["state"]]
    web.cell.launched()
    seen.append(call(web.app, "GET", path).json["state"])
    moving: tuple[MesosTaskState, ...] = ("TASK_STARTING", "TASK_RUNNING")
    for update in moving:
        web.cell.status(task_id, update)
        seen.append(call(web.app, "GET", path).json["state"])
    assert seen == ["QUEUED", "DISPATCHED", "STARTING", "RUNNING"]
    web.cell.status(task_id, ended)
    after = call(web.app, "GET", path).json
    assert after["state"] == ENDS[ended], after
    assert after["submittedAt"] <= after["launchedAt"] <= after["startedAt"]


def test_a_killed_task_is_stopped_and_so_is_its_job() -> None:
    web = _web()
    job_id = _submitted(web, _spec(instances=1))
    task_id = TaskId(f"{job_id}-worker-0-1")
    web.cell.launched()
    web.cell.status(task_id, "TASK_RUNNING")
    assert call(web.app, "GET", f"{JOBS}/{job_id}").json["state"] == "RUNNING"
    assert _post(web, "jobs/kill", jobId=job_id).status == 204
    web.cell.status(task_id, "TASK_KILLED")
    shown = call(web.app, "GET", f"{JOBS}/{job_id}").json
    assert (shown["state"], shown["tasks"][0]["state"]) == ("STOPPED", "STOPPED")
    assert call(web.app, "GET", JOBS).json == []
    assert len(call(web.app, "GET", f"{JOBS}?taskState=STOPPED").json) == 1


def test_tasks_are_killed_one_or_many_and_strictly_all_or_none() -> None:
    web = _web()
    job_id = _submitted(web, _service(instancesDesired=3))
    tasks = [each.task_id for each in web.cell.tasks(job_id)]
    for task_id in web.cell.launched():
        web.cell.status(task_id, "TASK_RUNNING")
    mixed = [tasks[0], f"{job_id}-worker-9-99"]
    strict = _post(web, "tasks/kill", taskIds=mixed, strict=True)
    assert (strict.status, strict.json["faults"][0]["code"]) == (404, "unknown")
    assert call(web.app, "GET", f"/api/v3/tasks/{tasks[0]}").json["status"]["state"] == "Started"
    assert _post(web, "tasks/kill", taskIds=mixed).status == 204
    assert call(web.app, "GET", f"/api/v3/tasks/{tasks[0]}").json["status"]["state"] != "Started"
    assert _post(web, "tasks/kill", taskId=tasks[1], shrink=True).status == 204
    assert web.cell.state.jobs[JobId(job_id)].spec.desired == 2
    assert _post(web, "tasks/kill", taskId=mixed[1]).status == 404
    both = _post(web, "tasks/kill", taskId=tasks[1], taskIds=tasks)
    assert (both.status, both.json["faults"][0]["field"]) == (400, "taskIds")
    assert _post(web, "tasks/kill").status == 400


def test_jobs_are_filtered_as_in_2017() -> None:
    web = _web()
    first = _submitted(web, _spec())
    second = _submitted(web, _service(appName="other", labels={"team": "b", "x": "y"}))

    def found(query: str) -> list[str]:
        return [each["id"] for each in call(web.app, "GET", f"{JOBS}?{query}").json]

    assert found("") == [first, second]
    assert found("type=service") == [second]
    assert found("appName=rocker") == [first]
    assert found("applicationName=team/rocker") == [first, second]
    assert found("labels=team:a,x") == []
    assert found("labels=team:a,x&labels.op=or") == [first, second]
    assert found("limit=1") == [first]
    assert found("taskState=QUEUED,DISPATCHED") == [first, second]
    assert found("taskState=RUNNING") == []
    assert call(web.app, "GET", f"{JOBS}?taskState=SLEEPING").status == 400
    assert call(web.app, "GET", "/v2/jobs").json == call(web.app, "GET", JOBS).json


def test_the_queue_the_hosts_and_the_logs_are_shown() -> None:
    web = WebCell(running_cell(hosts=1))
    big = _submitted(web, _spec(cpu=32, instances=2))
    waiting = call(web.app, "GET", "/api/v2/scheduler/listq").json
    assert [each["jobId"] for each in waiting] == [big, big]
    assert call(web.app, "GET", "/api/v2/scheduler/qsummary").json == [
        {"tier": "Flex", "capacityGroup": "DEFAULT", "tasks": 2}
    ]
    web.cell.launched()
    why = call(web.app, "GET", f"/api/v2/scheduler/failures/{big}-worker-0-1").json
    assert why["failures"]
    small = _submitted(web, _spec(instances=1))
    web.cell.launched()
    (host,) = call(web.app, "GET", "/api/v2/vm/activevms/listjobsonvms").json
    assert [each["jobId"] for each in host["tasks"]] == [small]
    for name in ("listagents", "listserverinfos"):
        assert len(call(web.app, "GET", f"/api/v2/vm/activevms/{name}").json) == 1
    summary = call(web.app, "GET", f"{TASKS}/summary").json
    assert (summary["total"], summary["states"]["QUEUED"]) == (3, 2)
    logs = call(web.app, "GET", f"/api/v2/logs/{small}-worker-0-1").json
    assert logs["stdout"].endswith("/log?file=stdout")
    shown = call(web.app, "GET", f"/v2/tasks/{small}-worker-0-1")
    assert shown.json == call(web.app, "GET", f"{TASKS}/{small}-worker-0-1").json


BAD: dict[str, tuple[str, Body, int, str]] = {
    "more cpu than in 2017": ("jobs", _spec(cpu=33), 400, "cpu"),
    "more memory": ("jobs", _spec(memory=244_001), 400, "memory"),
    "more disk": ("jobs", _spec(disk=640_001), 400, "disk"),
    "more bandwidth": ("jobs", _spec(networkMbps=6_001), 400, "networkMbps"),
    "a larger batch": ("jobs", _spec(instances=10_001), 400, "instances"),
    "a larger service": ("jobs", _service(instancesMax=1_001), 400, "instancesMax"),
    "bounds of a batch": ("jobs", _spec(instancesMin=1), 400, "instancesMin"),
    "bounds out of order": ("jobs", _service(instancesDesired=6), 400, "instancesDesired"),
    "a batch that is restarted": ("jobs", _spec(restartOnSuccess=True), 400, "restartOnSuccess"),
    "a type of our own": ("jobs", _spec(type="daemon"), 400, "type"),
    "no user": ("jobs", _spec(user=None), 400, "user"),
    "a user without an address": ("jobs", _spec(user="ada"), 400, "user"),
    "no image": ("jobs", _spec(applicationName=None), 400, "applicationName"),
    "an open quote": ("jobs", _spec(entryPoint="sh -c 'x"), 400, "entryPoint"),
    "a constraint of our own": ("jobs", _spec(hardConstraints=["Nearby"]), 400, "hardConstraints"),
    "a field more": ("jobs", _spec(threads=1), 400, "threads"),
    "ports that are texts": ("jobs", _spec(ports=["a"]), 400, "ports"),
    "the wrong group": ("jobs", _spec(securityGroups=["x"]), 400, "securityGroups[0]"),
    "a job that is not there": ("jobs/kill", {"user": "a", "jobId": "x"}, 404, "jobId"),
    "no counts": ("jobs/setinstancecounts", {"user": "a", "jobId": "x"}, 400, "instancesMin"),
    "not in or out": ("jobs/setinservice", {"user": "a", "jobId": "x"}, 400, "inService"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_makes_no_sense_is_refused_by_the_names_of_v2(case: str) -> None:
    path, body, status, field = BAD[case]
    web = _web()
    refused = call(web.app, "POST", f"/api/v2/{path}", body)
    assert refused.status == status, refused.json
    fields = {each["field"] for each in refused.json["faults"]}
    assert field in fields or any(each.startswith(f"{field}") for each in fields), fields
    assert not web.cell.state.jobs
