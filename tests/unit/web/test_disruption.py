"""Evictions and relocation over REST: quotas, budgeted termination, budgets, plans, drains.

Each request goes through the whole application; publishing is a copy into a cell in memory.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.model.disruption import DisruptionBudget, SelfManaged, UnhealthyTasks
from scheduler.model.ids import HostId, JobId
from scheduler.model.inbound import HostOrdered
from scheduler.model.task import KillInitiated
from tests.support.asgi import call
from tests.support.cell import running_cell, service
from tests.support.web_cell import WebCell, descriptor

EVICTION = "/api/v3/eviction"
RELOCATION = "/api/v3/relocation"
BUDGET = {
    "availabilityPercentageLimit": {"percentageOfHealthyContainers": 95},
    "ratePercentagePerInterval": {"intervalMs": 600_000, "percentageLimitPerInterval": 5},
    "timeWindows": [
        {
            "days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"],
            "hourlyTimeWindows": [{"startHour": 10, "endHour": 16}],
            "timeZone": "PST",
        }
    ],
}
"""What Spinnaker writes into every server group, but for the name of a registry."""


def web(size: int = 4, budget: DisruptionBudget | None = None) -> WebCell:
    """A cell with a full bucket and a service that runs."""
    cell = running_cell(hosts=1)
    cell.tick(15_000)
    given = budget or DisruptionBudget(UnhealthyTasks(1))
    cell.run(replace(service(size), budget=given))
    return WebCell(cell)


def get(there: WebCell, target: str, status: int = 200) -> Any:
    """The answer's JSON value."""
    found = call(there.app, "GET", target)
    assert found.status == status, found.body
    return found.json


def drain(there: WebCell) -> None:
    """An operator empties the host; the looks that follow have passed."""
    there.cell.copy("commands", HostOrdered(HostId("host1"), "draining", "op", "new kernel"))
    for _ in range(16):
        there.cell.tick(10_000)


def test_quotas_of_the_cell_a_tier_a_group_a_job_and_a_task() -> None:
    there = web()
    task_id = there.cell.task().task_id
    assert get(there, f"{EVICTION}/quotas/system")["quota"] == 500
    assert get(there, f"{EVICTION}/quotas/tiers/Flex") == {
        "target": {"tier": "Flex"},
        "quota": 1,
        "message": "what the jobs of tier Flex allow in all",
    }
    assert get(there, f"{EVICTION}/quotas/tiers/Critical")["quota"] == 0
    assert get(there, f"{EVICTION}/quotas/capacityGroups/DEFAULT")["quota"] == 1
    assert get(there, f"{EVICTION}/quotas/jobs/job")["quota"] == 1
    assert get(there, f"{EVICTION}/quotas/tasks/{task_id}") == {
        "target": {"taskId": task_id},
        "quota": 1,
        "message": "4 of 4 tasks of job job are healthy, 3 must stay so",
    }


@pytest.mark.parametrize("kind", ["tiers", "capacityGroups", "jobs", "tasks"])
def test_a_quota_of_what_nobody_knows_is_not_found(kind: str) -> None:
    assert get(web(), f"{EVICTION}/quotas/{kind}/nobody-1", 404)["faults"][0]["code"] == "unknown"


def test_titus_a_refused_eviction_is_answered_with_allowed_false() -> None:
    """Titus 4.5's defect, not copied: there the reply's ``allowed`` is only ever true."""
    there = web()
    first, second = (each.task_id for each in there.cell.tasks()[:2])
    allowed = call(there.app, "DELETE", f"{EVICTION}/tasks/{first}?reason=new%20kernel")
    assert (allowed.status, allowed.json) == (
        200,
        {"allowed": True, "reasonCode": "normal", "reasonMessage": ""},
    )
    assert there.cell.is_in(first, KillInitiated).message.endswith("new kernel")
    refused = call(there.app, "DELETE", f"{EVICTION}/tasks/{second}")
    assert refused.status == 200
    assert refused.json == {
        "allowed": False,
        "reasonCode": "jobRelocationPolicyViolation",
        "reasonMessage": "3 of 4 tasks of job job are healthy, 3 must stay so",
        "flumina.limit": "health",
    }
    alone = web(size=1)
    alone.cell.set_policy(eviction_tokens_per_s=0)
    alone.cell.elect("cell-1")
    refused = call(alone.app, "DELETE", f"{EVICTION}/tasks/{alone.cell.task().task_id}")
    assert refused.json["reasonCode"] == "aboveSystemDisruptionBudget"
    assert refused.json["flumina.limit"] == "systemTokens"


def test_what_cannot_be_evicted_is_an_error() -> None:
    there = web()
    assert call(there.app, "DELETE", f"{EVICTION}/tasks/job-worker-7-99").status == 404
    assert call(there.app, "DELETE", f"{EVICTION}/tasks/nonsense").status == 404
    there.cell.submit(service(90), "waits")
    waiting = there.cell.task(80, "waits").task_id
    assert call(there.app, "DELETE", f"{EVICTION}/tasks/{waiting}").status == 409


def test_the_quota_of_a_task_whose_job_is_forgotten_is_none_and_no_error() -> None:
    there = web(size=1)
    cell = there.cell
    ended = cell.task().task_id
    cell.kill_task(ended)
    cell.decide_and_carry_out()
    cell.status(ended, "TASK_KILLED")
    cell.kill_job()
    cell.set_policy(finished_jobs_max=1)
    cell.submit(service(1), "other")
    cell.kill_job("other")
    assert JobId("job") not in cell.state.jobs
    assert ended in cell.state.tasks
    quota = get(there, f"{EVICTION}/quotas/tasks/{ended}")
    assert (quota["quota"], "does not run" in quota["message"]) == (0, True)
    get(there, f"{EVICTION}/quotas/jobs/job", 404)


def test_an_eviction_that_nobody_has_folded_yet_is_a_token() -> None:
    there = web()
    there.is_ingesting = False
    late = call(there.app, "DELETE", f"{EVICTION}/tasks/{there.cell.task().task_id}")
    assert late.status == 202
    assert late.json["token"].startswith("jobs:0:")


def test_a_budget_is_put_shown_and_taken_away() -> None:
    there = web()
    version = there.cell.state.jobs[JobId("job")].version
    path = "/api/v3/jobs/job/disruptionBudget"
    put = call(there.app, "PUT", path, BUDGET, {"If-Match": f'"{version}"'})
    assert put.status == 200, put.body
    shown = get(there, "/api/v3/jobs/job")["jobDescriptor"]["disruptionBudget"]
    assert shown == BUDGET
    late = call(there.app, "PUT", path, BUDGET, {"If-Match": f'"{version}"'})
    assert late.status == 412
    assert call(there.app, "PUT", path, {}).status == 200
    assert "disruptionBudget" not in get(there, "/api/v3/jobs/job")["jobDescriptor"]


@pytest.mark.parametrize(
    ("budget", "field"),
    [
        ({"relocationLimit": {"limit": 0}}, "relocationLimit.limit"),
        (
            {
                "unhealthyTasksLimit": {"limitOfUnhealthyContainers": 1},
                "ratePerInterval": {"intervalMs": 60_000, "limitPerInterval": 0},
            },
            "ratePerInterval.limitPerInterval",
        ),
        (
            {
                "selfManaged": {"relocationTimeMs": 1},
                "timeWindows": [{"hourlyTimeWindows": [{"startHour": 22, "endHour": 5}]}],
            },
            "timeWindows[0].hourlyTimeWindows[0].endHour",
        ),
        ({"rateUnlimited": {}}, "request"),
        (
            {"selfManaged": {"relocationTimeMs": 1}, "relocationLimit": {"limit": 1}},
            "request",
        ),
        (
            {
                "selfManaged": {"relocationTimeMs": 1},
                "containerHealthProviders": [{"name": "consul"}],
            },
            "containerHealthProviders[0].name",
        ),
        (
            {
                "selfManaged": {"relocationTimeMs": 1},
                "timeWindows": [{"days": ["Caturday"], "timeZone": "Mars/Base"}],
            },
            "timeWindows[0].timeZone",
        ),
    ],
)
def test_a_budget_that_can_never_allow_or_be_read_is_refused(
    budget: dict[str, Any], field: str
) -> None:
    there = web()
    put = call(there.app, "PUT", "/api/v3/jobs/job/disruptionBudget", budget)
    assert put.status == 400
    assert field in put.json["errorContext"]["constraintViolations"], put.json
    whole = descriptor(disruptionBudget=budget)
    posted = call(there.app, "POST", "/api/v3/jobs", whole)
    assert posted.status == 400
    wanted = "disruptionBudget" if field == "request" else f"disruptionBudget.{field}"
    assert wanted in posted.json["errorContext"]["constraintViolations"], posted.json


def test_a_drain_shows_its_plans_what_was_tried_and_what_it_waits_for() -> None:
    there = web()
    assert get(there, f"{RELOCATION}/plans") == {"plans": [], "flumina.total": 0}
    drain(there)
    plans = get(there, f"{RELOCATION}/plans")
    assert plans["flumina.total"] == 3
    (first, *_) = plans["plans"]
    assert (first["reasonCode"], first["flumina.limit"]) == ("hostDraining", "health")
    assert get(there, f"{RELOCATION}/plans/{first['taskId']}") == first
    done, *tried = get(there, f"{RELOCATION}/executions")["results"]
    if done["relocationAttempts"][-1]["state"] != "Success":
        done = next(each for each in tried if each["relocationAttempts"][-1]["state"] == "Success")
    moved = done["taskRelocationPlan"]["taskId"]
    assert get(there, f"{RELOCATION}/executions/{moved}") == done
    get(there, f"{RELOCATION}/plans/{moved}", 404)
    get(there, f"{RELOCATION}/executions/job-worker-9-99", 404)
    (host,) = get(there, "/api/flumina/drains")["hosts"]
    assert (host["tasks"], host["planned"], host["ending"]) == (4, 3, 1)
    assert host["waiting"] == {"health": 3}
    assert "3 must stay so" in host["examples"][0]
    why = get(there, f"/api/v3/tasks/{first['taskId']}/why")["sentences"]
    assert any("It has to leave its host: host name-of-host1 is drained" in each for each in why)
    assert any("(health)" in each for each in why)
    task = get(there, f"/api/v3/tasks/{first['taskId']}")
    assert task["migrationDetails"]["needsMigration"] is True
    assert task["migrationDetails"]["deadline"] == first["relocationTime"]


def test_plans_are_filtered_and_paged() -> None:
    there = web(budget=DisruptionBudget(SelfManaged(3_600_000)))
    drain(there)
    assert get(there, f"{RELOCATION}/plans?applicationName=other")["flumina.total"] == 0
    assert get(there, f"{RELOCATION}/plans?jobIds=job,other")["flumina.total"] == 4
    page = get(there, f"{RELOCATION}/plans?capacityGroup=DEFAULT&limit=2&skip=3")
    assert (len(page["plans"]), page["flumina.total"]) == (1, 4)
    (host,) = get(there, "/api/flumina/drains")["hosts"]
    assert host["waiting"] == {"notice": 4}
