"""Tasks are registered as they start and deregistered as they end, though the registrar dies.

How: a real Kafka, a dev cluster that runs the tasks, a cell and an api process, the registrar as
`up` starts it, and moto's load balancers on loopback; a folder is the registry of services.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scheduler.model.ids import TaskId
from scheduler.model.task import KillInitiated, Started, place_of
from streams.supervise.ports import free_block
from tests.support.api_process import ApiProcess
from tests.support.moto import environment_of, moto_endpoint  # noqa: F401 - a fixture
from tests.support.targets import Groups
from tests.support.world import World, service_of

pytestmark = pytest.mark.integration

MEMORY_MIB_MAX = 60 + 8
"""8: typer loads pydantic where it is installed, and here it is, for moto."""
TENACIOUS = "trap '' TERM; while :; do sleep 0.2; done"
"""Goes on when it is asked to end, until it is made to."""


class Registrar:
    """The process, as `up` starts it; led to moto by what boto3 reads of its environment."""

    def __init__(self, world: World, api: ApiProcess, endpoint: str) -> None:
        self.files = world.home / "services"
        variables = environment_of(endpoint) | {
            "FLUMINA_DATA": str(world.home / "data"),
            "FLUMINA_API": f"http://{api.address}",
            "FLUMINA_BALANCERS": "elb",
            "FLUMINA_DISCOVERY": self.files.as_uri(),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", "registrar"],
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            text=True,
        )

    def until_ready(self) -> None:
        """Return when it says so."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("ready ")

    def kill(self) -> None:
        """End it as a crash does; again is nothing."""
        self.process.kill()
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()

    @property
    def memory_mib(self) -> int:
        """How much memory it has."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text("ascii").splitlines()
        return next(int(each.split()[1]) for each in lines if each.startswith("VmRSS")) // 1_024

    def tasks(self) -> set[str]:
        """The tasks in the files of services."""
        groups = [
            group for path in self.files.rglob("*.json") for group in json.loads(path.read_bytes())
        ]
        return {group["labels"]["flumina_task"] for group in groups}


@pytest.fixture
def world(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[World]:
    there = World(kafka, topic_prefix, tmp_path)
    try:
        there.start_cluster(free_block(2), agents=1)
        there.start_cell("cell-1")
        service = service_of(2, TENACIOUS, ports=1)
        service["container"]["attributes"] = {"titusParameter.agent.killWaitSeconds": "4"}
        there.submit("shop", service)
        yield there
    finally:
        there.close()


@pytest.fixture
def start(
    world: World,
    api: ApiProcess,
    moto_endpoint: str,  # noqa: F811 - the fixture
) -> Iterator[Callable[[], Registrar]]:
    """Starts a registrar; all of them end with the test."""
    started: list[Registrar] = []

    def starting() -> Registrar:
        started.append(Registrar(world, api, moto_endpoint))
        started[-1].until_ready()
        return started[-1]

    yield starting
    for each in started:
        each.kill()


def targets(world: World) -> dict[TaskId, str]:
    """Where the service's started tasks are."""
    found = {}
    for task in world.tasks("shop"):
        place = place_of(task.state)
        if isinstance(task.state, Started) and place is not None:
            found[task.task_id] = f"{place.address}:{place.ports[0]}"
    return found


def test_tasks_are_registered_as_they_come_and_go(
    world: World,
    api: ApiProcess,
    start: Callable[[], Registrar],
    moto_endpoint: str,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    groups = Groups(moto_endpoint, monkeypatch)
    arn = groups.new()
    groups.add(arn, "10.9.9.9", 80)  # Somebody else's.
    registrar = start()
    path = f"/api/v3/loadBalancers?jobId=shop&loadBalancerId={arn}"
    assert api.ask("POST", path).status == 200
    world.until(lambda: world.are("shop", Started, 2), "two tasks run", 90)
    first = targets(world)
    others = {"10.9.9.9:80"}
    world.until(lambda: groups.targets(arn) == others | set(first.values()), "both are known", 90)
    world.until(lambda: registrar.tasks() == set(first), "both are in the files", 90)
    assert registrar.memory_mib < MEMORY_MIB_MAX

    # One is killed; it takes its time, and is away from the load balancer before it has ended.
    victim = min(first)
    assert api.ask("DELETE", f"/api/v3/tasks/{victim}").status == 200
    world.until(lambda: first[victim] not in groups.targets(arn), "it is deregistered", 90)
    assert isinstance(world.machine.state.tasks[victim].state, KillInitiated)
    world.until(lambda: victim not in registrar.tasks(), "and gone from the files", 90)
    world.until(lambda: world.are("shop", Started, 2), "its replacement runs", 90)
    second = targets(world)
    world.until(lambda: groups.targets(arn) == others | set(second.values()), "it is known", 90)

    # Whatever ends while nobody looks is found by the next one.
    registrar.kill()
    assert api.ask("DELETE", "/api/v3/jobs/shop").status == 200
    assert groups.targets(arn) == others | set(second.values())
    registrar = start()
    world.until(lambda: groups.targets(arn) == others, "nothing of ours is left over", 90)
    deadline = time.monotonic() + 5
    while registrar.tasks() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert registrar.tasks() == set()
    assert api.ask("GET", "/api/v3/loadBalancers/shop").status == 200
