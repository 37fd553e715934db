"""Sizes, kills and operators' commands: what is answered is what the fold made of the request."""

import json

import pytest

from scheduler.model.ids import JobId, TaskId
from scheduler.model.inbound import RecordSkipped
from scheduler.model.job import Service
from scheduler.model.mesos import StatusUpdate
from scheduler.model.task import Finished, KillInitiated
from tests.support.asgi import Answer, Body, call
from tests.support.cell import running_cell
from tests.support.web_cell import WebCell, descriptor, service_descriptor

JOBS = "/api/v3/jobs"
TASKS = "/api/v3/tasks"
ACTOR = {"X-Flumina-Actor": "ada"}


def _web(desired: int = 3) -> WebCell:
    """A cell with a service ``s`` whose tasks run, and a batch job ``b``."""
    web = WebCell(running_cell(hosts=3))
    assert call(web.app, "POST", f"{JOBS}?jobId=s", service_descriptor(desired)).status == 201
    assert call(web.app, "POST", f"{JOBS}?jobId=b", descriptor()).status == 201
    for task_id in web.cell.launched():
        web.cell.status(task_id, "TASK_RUNNING")
    return web


def _size(web: WebCell) -> tuple[int, int, int]:
    kind = web.cell.state.jobs[JobId("s")].spec.kind
    assert isinstance(kind, Service)
    return (kind.minimum, kind.desired, kind.maximum)


def test_the_whole_capacity_is_set() -> None:
    web = _web()
    capacity = {"min": 1, "desired": 5, "max": 9}
    done = call(web.app, "PUT", f"{JOBS}/s/instances?why=sale", capacity, ACTOR)
    assert (done.status, done.json) == (200, {"id": "s"})
    assert _size(web) == (1, 5, 9)
    events = call(web.app, "GET", f"{JOBS}/s/events").json["lines"]
    assert any(each.get("actor") == "ada" for each in events)


def test_bounds_that_are_not_given_stay() -> None:
    web = _web()
    assert call(web.app, "PUT", f"{JOBS}/s/capacityAttributes", {"desired": 4}).status == 200
    assert _size(web) == (0, 4, 100)
    assert call(web.app, "PUT", f"{JOBS}/s/capacityAttributes", {"max": 2}).status == 200
    assert _size(web) == (0, 2, 2)  # Moved past ``desired``, a bound drags it along, as in Titus.


def test_a_killed_job_ends_its_tasks() -> None:
    web = _web()
    done = call(web.app, "DELETE", f"{JOBS}/s?why=over", headers=ACTOR)
    assert (done.status, done.json) == (200, {"id": "s"})
    assert web.cell.state.jobs[JobId("s")].state == "KillInitiated"
    task = web.cell.tasks("s")[0]
    assert isinstance(task.state, KillInitiated)
    assert task.state.message == "ada: over"


def test_a_killed_task_is_replaced_and_a_shrunk_one_is_not() -> None:
    web = _web(desired=2)
    first, second = (each.task_id for each in web.cell.tasks("s"))
    assert call(web.app, "DELETE", f"{TASKS}/{first}").json == {"id": first}
    assert _size(web)[1] == 2
    assert call(web.app, "DELETE", f"{TASKS}/{second}?shrink=true").status == 200
    assert _size(web)[1] == 1


REFUSALS: dict[str, tuple[str, str, Body, int]] = {
    "kill of an unknown job": ("DELETE", f"{JOBS}/nobody", None, 404),
    "size of an unknown job": ("PUT", f"{JOBS}/nobody/instances", {"desired": 1, "max": 1}, 404),
    "size of a batch job": ("PUT", f"{JOBS}/b/instances", {"desired": 1, "max": 1}, 400),
    "size beyond the policy": ("PUT", f"{JOBS}/s/instances", {"desired": 1, "max": 10_001}, 400),
    "bounds that contradict what stays": (
        "PUT",
        f"{JOBS}/s/capacityAttributes",
        {"desired": 101},
        400,
    ),
    "kill of an unknown task": ("DELETE", f"{TASKS}/s-worker-99-99", None, 404),
    "shrink of a batch job": ("DELETE", f"{TASKS}/b-worker-0-4?shrink=true", None, 400),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_the_fold_refuses_has_its_status(case: str) -> None:
    method, target, body, status = REFUSALS[case]
    web = _web()
    assert TaskId("b-worker-0-1") in web.cell.state.tasks
    refused = call(web.app, method, target.replace("b-worker-0-4", "b-worker-0-1"), body)
    assert refused.status == status
    assert refused.json["faults"][0]["text"]
    assert len(web.published) == 3  # It is the fold that refused it, not the edge.


def test_a_job_that_ends_is_not_resized() -> None:
    web = _web()
    call(web.app, "DELETE", f"{JOBS}/s")
    refused = call(web.app, "PUT", f"{JOBS}/s/instances", {"desired": 1, "max": 1})
    assert refused.status == 409
    assert "KillInitiated" in refused.json["message"]


def test_a_service_that_wants_none_does_not_shrink() -> None:
    web = _web(desired=1)
    task_id = web.cell.tasks("s")[0].task_id
    assert call(web.app, "PUT", f"{JOBS}/s/instances", {"desired": 0, "max": 1}).status == 200
    refused = call(web.app, "DELETE", f"{TASKS}/{task_id}?shrink=true")
    assert refused.status == 409


def test_killing_twice_is_killing_once() -> None:
    web = _web()
    task_id = web.cell.tasks("b")[0].task_id
    answers = [call(web.app, "DELETE", f"{JOBS}/b") for _ in range(2)]
    assert [each.status for each in answers] == [200, 200]
    web.cell.status(task_id, "TASK_KILLED")
    assert call(web.app, "DELETE", f"{TASKS}/{task_id}").status == 200
    assert isinstance(web.cell.state.tasks[task_id].state, Finished)


def test_a_request_that_is_late_gives_a_token() -> None:
    web = _web()
    web.is_ingesting = False
    late = call(web.app, "DELETE", f"{JOBS}/s")
    assert late.status == 202
    assert late.json == {"id": "s", "token": "jobs:0:3"}
    web.ingest()
    shown = call(web.app, "GET", f"{JOBS}/s?atLeast={late.json['token']}")
    assert shown.json["status"]["state"] == "KillInitiated"


def test_without_a_leader_nothing_is_changed() -> None:
    web = _web()
    published = len(web.published)
    web.silent_ms = 10_001
    for method, target in (("DELETE", f"{JOBS}/s"), ("DELETE", f"{TASKS}/s-worker-0-1")):
        assert call(web.app, method, target).status == 503
    assert len(web.published) == published


# Commands


def _command(web: WebCell, name: str, body: Body) -> Answer:
    return call(web.app, "POST", f"/api/flumina/commands/{name}", body, ACTOR)


def test_a_policy_is_set_and_shown() -> None:
    web = _web()
    done = _command(web, "policy", {"values": {"active_jobs_max": 7}, "why": "test"})
    assert (done.status, done.json) == (200, {"id": "policy"})
    assert web.cell.state.policy.active_jobs_max == 7
    shown = call(web.app, "GET", "/api/flumina/state?atLeast=commands:0:1").json
    assert shown["policy"]["active_jobs_max"] == 7
    assert shown["policyVersion"] == 2


def test_an_orphan_is_shown_until_somebody_deals_with_it() -> None:
    web = _web()
    cell = web.cell
    stranger = StatusUpdate(
        stream_id=cell.stream_id,
        task_id=TaskId("stranger-worker-0-1"),
        state="TASK_RUNNING",
        host_id=cell.host_of(cell.tasks("s")[0].task_id),
        reason="REASON_RECONCILIATION",
    )
    cell.copy("mesos", stranger)
    (shown,) = call(web.app, "GET", "/api/flumina/orphans").json["items"]
    assert shown["taskId"] == "stranger-worker-0-1"
    assert shown["address"].startswith("test/0a0b0c0d:")
    why = call(web.app, "GET", f"{TASKS}/stranger-worker-0-1/why")
    assert (why.status, why.json["kind"]) == (200, "orphan")
    done = _command(web, "forget-orphan", {"taskId": "stranger-worker-0-1", "why": "stopped"})
    assert done.status == 200
    assert call(web.app, "GET", "/api/flumina/orphans").json["items"] == []


def test_a_skip_goes_through_while_the_fold_is_halted() -> None:
    """It is what the halted fold waits for, and a halted fold hears no leader."""
    web = _web()
    web.halt = "a record of another build"
    web.silent_ms = 3_600_000
    web.is_ingesting = False
    asked = {"offset": 4, "digest": "0" * 32, "why": "seen, harmless"}
    late = _command(web, "skip", asked)
    assert late.status == 202
    assert late.json == {"id": "skip", "token": "commands:0:1"}
    ((_, body),) = web.waiting
    assert body == RecordSkipped(offset=4, digest="0" * 32, actor="ada", why="seen, harmless")


def test_a_skip_of_another_record_than_the_fold_halted_at_is_refused_with_the_report() -> None:
    web = _web()
    web.halt = "The fold of cell[0] halted at offset 4: a record of another build."
    web.halted_at = (4, "ab" * 16)
    found = _command(web, "skip", {"offset": 4, "digest": "0" * 32, "why": "seen, harmless"})
    assert found.status == 400
    assert "not that of record 4" in json.dumps(found.json)
    assert web.halt in json.dumps(found.json)
    assert not web.waiting, "nothing was written"
    right = _command(web, "skip", {"offset": 4, "digest": "ab" * 16, "why": "seen, harmless"})
    assert right.status == 200
    missing = _command(web, "skip", {"offset": 4, "why": "seen, harmless"})
    assert missing.status == 400


def test_other_commands_wait_for_a_leader() -> None:
    web = _web()
    web.silent_ms = 3_600_000
    assert _command(web, "policy", {"values": {"active_jobs_max": 7}, "why": "x"}).status == 503


def _strangers(web: WebCell, count: int) -> None:
    for number in range(count):
        web.cell.status(TaskId(f"stranger-worker-0-{number}"), "TASK_RUNNING", host_id="host1")


def test_a_finding_is_shown_and_confirmed() -> None:
    web = _web()
    calm = call(web.app, "GET", "/api/flumina/safe").json
    assert (calm["isSafe"], calm["finding"], calm["tasks"]) == (False, None, 0)
    _strangers(web, 3)
    shown = call(web.app, "GET", "/api/flumina/safe").json
    assert (shown["isSafe"], shown["tasks"], shown["orphansTotal"]) == (True, 3, 3)
    assert [each["taskId"] for each in shown["orphans"]] == [
        f"stranger-worker-0-{number}" for number in range(3)
    ]
    assert "3 tasks run that the log does not know" in call(web.app, "GET", "/health").json["safe"]
    asked = {"finding": shown["finding"], "tasks": 2, "why": "looked"}
    refused = _command(web, "confirm-finding", asked)
    assert (refused.status, refused.json["faults"][0]["field"]) == (400, "tasks")
    assert web.cell.state.safe is not None
    assert _command(web, "confirm-finding", asked | {"tasks": 3}).status == 200
    assert web.cell.state.safe is None
    assert call(web.app, "GET", "/health").json["safe"] == ""


def test_a_finding_is_rejected_and_a_wrong_number_is_refused() -> None:
    web = _web()
    _strangers(web, 3)
    finding = call(web.app, "GET", "/api/flumina/safe").json["finding"]
    wrong = _command(web, "reject-finding", {"finding": finding - 1, "why": "no"})
    assert (wrong.status, wrong.json["faults"][0]["field"]) == (400, "finding")
    assert _command(web, "reject-finding", {"finding": finding, "why": "no"}).status == 200
    assert web.cell.state.orphans == {}
    late = _command(web, "reject-finding", {"finding": finding, "why": "again"})
    assert "not safe" in late.json["faults"][0]["text"]
