"""A rolling update with every part real: api, Kafka, cell processes, dev cluster, running tasks.

What is shown: a bad version rolls back on its own; a good one (soak) goes through although the
leader is killed in the middle; the dev cluster's own journal has each launch once.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.api_process import Answer, ApiProcess
from tests.support.world import World, service_of

pytestmark = pytest.mark.integration

JOBS = "/api/v3/jobs"
UPDATES = "/api/flumina/jobs/s/updates"
PLAN = {
    "batch": 2,
    "maxUnavailable": 2,
    "healthWaitSec": 1,
    "batchDeadlineSec": 60,
    "failuresMax": 2,
}
LIVES = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
StartApi = Callable[[], ApiProcess]


def _last(answer: Answer) -> Any:
    return answer.json["updates"][0] if answer.status == 200 and answer.json["updates"] else {}


def _is(state: str) -> Callable[[Answer], bool]:
    return lambda answer: _last(answer).get("state") == state


def _are_healthy(version: int, count: int) -> Callable[[Answer], bool]:
    def check(answer: Answer) -> bool:
        versions = answer.json.get("versions", ())
        there = [each for each in versions if each["version"] == version]
        return bool(there and there[0]["healthy"] == count)

    return check


def _running(world: World, port: int, start_api: StartApi, size: int) -> ApiProcess:
    """A service ``s`` of which all tasks run."""
    world.start_cluster(port)
    world.start_cell("cell-0")
    api = start_api()
    api.until("/health", lambda each: each.json["leader"] == "cell-0", "the leader is known")
    assert api.ask("POST", f"{JOBS}?jobId=s", service_of(size, LIVES)).status == 201
    api.until(UPDATES, _are_healthy(1, size), "all run")
    return api


def _ends(world: World, api: ApiProcess) -> None:
    assert api.ask("DELETE", f"{JOBS}/s").status == 200
    world.until(world.all_ended, "all ended")
    world.check_sound()


def test_a_bad_version_goes_back_on_its_own(
    world: World, cluster_port: int, start_api: StartApi
) -> None:
    api = _running(world, cluster_port, start_api, 2)
    bad = {"job": service_of(2, "exit 3"), "plan": PLAN | {"batch": 1, "maxUnavailable": 1}}
    assert api.ask("POST", UPDATES, bad).status == 200
    api.until(UPDATES, _is("rolledBack"), "the bad version was taken back")
    assert "crash loop" in _last(api.ask("GET", UPDATES))["why"]
    api.until(UPDATES, _are_healthy(1, 2), "the old version runs whole again")
    _ends(world, api)


@pytest.mark.soak
def test_an_update_survives_its_leader(
    world: World, cluster_port: int, start_api: StartApi
) -> None:
    api = _running(world, cluster_port, start_api, 4)
    good = {"job": service_of(4, f"true; {LIVES}"), "plan": PLAN}
    assert api.ask("POST", UPDATES, good).status == 200
    api.until(UPDATES, _is("running"), "it has begun")
    world.kill_cell("cell-0")
    world.start_cell("cell-1")
    api.until(UPDATES, _is("done"), "another leader went on with it")
    shown = api.ask("GET", UPDATES).json
    assert [(each["version"], each["healthy"]) for each in shown["versions"]] == [(2, 4)]
    _ends(world, api)
