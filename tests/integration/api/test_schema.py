"""Schemathesis over the whole API of a running cell, with real Kafka and a dev cluster.

What is shown: no 500, no status and no body outside the OpenAPI description, whatever is asked.
Twenty seconds in every run; ten minutes under ``-m soak``, as the issue asks.
"""

from collections.abc import Callable

import pytest

from streams.cell.main import EXIT_LEADERSHIP_LOST
from tests.support.api_process import ApiProcess
from tests.support.schema_walk import Walk, walk
from tests.support.world import World, service_of

pytestmark = pytest.mark.integration

SAMPLE_S = 20.0
SOAK_S = 600.0
STOP = "/api/v3/supervisor/self/stopBeingLeader"
TASK = "s-worker-0-1"
KNOWN = {
    "/scheduler/results": TASK,
    "/scheduler/failures": TASK,
    "/scheduler/systemSelectors": "walk",
    "/relocation": TASK,
    "/logs": TASK,
    "/tasks": TASK,
    "/scalingPolicies": "s",
    "/scalingActivities": "s",
    "/timeline": "s",
    "/jobs": "s",
    "/tiers": "Flex",
    "/capacityGroups": "DEFAULT",
    "/applications": "DEFAULT",
    "/supervisor": "cell-0",
    "/members": "cell-0",
}
"""By a part of a path, an id that is there: the first that fits counts."""
StartApi = Callable[[], ApiProcess]


def _walked(
    world: World, cluster_port: int, start_api: StartApi, seconds: float
) -> tuple[ApiProcess, Walk]:
    world.start_cluster(cluster_port)
    api = start_api()
    world.start_cell("cell-0")
    api.until("/health", lambda each: each.json["leader"] == "cell-0", "the leader is known")
    for name in ("s", "t"):
        made = api.ask("POST", f"/api/v3/jobs?jobId={name}", service_of(1, "sleep 3600"))
        assert made.status == 201
    task = f"/api/v3/tasks/{TASK}"
    api.until(task, lambda each: each.json["status"]["state"] == "Started", "the task runs")
    host = api.ask("GET", "/api/v3/agent/instances").json["items"][0]["id"]
    known = KNOWN | {"/agent/instances": host}
    done = walk(f"http://{api.address}", seconds, seed=7, known=known)
    print(f"{done.requests} requests, {done.rounds} rounds, {dict(done.statuses)}")
    print(f"never succeeded: {sorted(done.operations - done.succeeded)}")
    return api, done


def _stops_being_leader(world: World, api: ApiProcess) -> None:
    """What the walk leaves out: the leader's process ends, and the next one leads anew."""
    before = api.ask("GET", "/api/v3/supervisor/instances/leader").json
    asked = api.ask("DELETE", STOP, headers={"X-Flumina-Actor": "ada"})
    assert (asked.status, asked.json) == (200, {"id": "cell-0"})
    assert world.wait_cell("cell-0", 15.0) == EXIT_LEADERSHIP_LOST
    world.start_cell("cell-0")
    epoch = before["labels"]["flumina.epoch"]
    leader = "/api/v3/supervisor/instances/leader"
    api.until(leader, lambda each: each.json["labels"]["flumina.epoch"] != epoch, "an election")


def _check(done: Walk) -> None:
    assert not done.faults, "\n".join(f"{name}: {fault}" for name, fault in done.faults.items())
    assert done.statuses[500] == 0
    # The walk can see something: many kinds of answers, and successes of reads and of writes.
    assert {200, 400, 404} <= set(done.statuses)
    assert "GET /api/v3/jobs" in done.succeeded
    assert len(done.operations) > 80


def test_a_sample_of_the_whole_api_stays_inside_its_description(
    world: World, cluster_port: int, start_api: StartApi
) -> None:
    api, done = _walked(world, cluster_port, start_api, SAMPLE_S)
    _check(done)
    _stops_being_leader(world, api)


@pytest.mark.soak
def test_the_whole_api_stays_inside_its_description_for_ten_minutes(
    world: World, cluster_port: int, start_api: StartApi
) -> None:
    _, done = _walked(world, cluster_port, start_api, SOAK_S)
    _check(done)
