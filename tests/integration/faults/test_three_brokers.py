"""`flumina up --brokers 3`: one broker may go, two may not, and nothing acknowledged is ever lost.

Real brokers, killed and stopped by turns while jobs are published; the witnesses are the cell log,
read from its beginning, and the dev cluster's own journal.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scheduler.model.changes import JobAccepted
from scheduler.model.task import Launched, Placed, Queued, Started
from tests.processes import wait_until
from tests.support.api_process import Answer, asked
from tests.support.command_line import UpProcess, flumina
from tests.support.dev_cluster import DevCluster
from tests.support.load import Load
from tests.support.world import World, batch_of, service_of

pytestmark = pytest.mark.integration

JOBS = "/api/v3/jobs"
BROKERS = ("kafka-1", "kafka-2", "kafka-3")
BACK_WITHIN_S = 90.0


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    """Everything that `up` starts, on three brokers."""
    running = UpProcess(tmp_path_factory.mktemp("three") / "data", "--brokers", "3")
    try:
        running.until_up()
        yield running
    finally:
        running.close()


@pytest.fixture
def world(up: UpProcess, tmp_path: Path) -> Iterator[World]:
    """A fold of the cell log from its beginning, and the dev cluster's journals."""
    there = World(up.view.kafka, "", tmp_path)
    there.cluster = DevCluster(up.data_dir / "dev-cluster")
    try:
        yield there
    finally:
        there.close()


def api(up: UpProcess, method: str, target: str, body: object = None) -> Answer:
    """What the api answers."""
    return asked(urlsplit(up.view.api).netloc, method, target, body)


def is_served(up: UpProcess, job: str) -> bool:
    """Whether the api takes a job, leader and all."""
    return api(up, "POST", f"{JOBS}?jobId={job}", batch_of(1, "true")).status == 201


def broker_pids(up: UpProcess) -> dict[str, int]:
    """The brokers that run, by part."""
    found = ((name, up.pid_of(name)) for name in BROKERS)
    return {name: pid for name, pid in found if pid is not None}


def kill_broker(up: UpProcess, name: str) -> None:
    """Kill one broker, and see that another process has taken its place."""
    killed = up.pid_of(name)
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: up.pid_of(name) not in {None, killed}, f"{name} is back", BACK_WITHIN_S)


def nothing_acknowledged_is_lost(world: World, load: Load) -> None:
    """Every acknowledged record has become a job of the cell log, with its tasks run."""

    def accepted() -> set[str]:
        return {each.job_id for _, _, each in world.changes if isinstance(each, JobAccepted)}

    world.until(lambda: set(load.acknowledged) <= accepted(), "every acknowledged job", 90)
    world.submit("last", batch_of(1, "true"))
    world.until(lambda: world.is_normal("last"), "a job behind all of them", 90)
    # What left as Kafka went is asked for, what an agent repeats comes after ten seconds, and what
    # was refused while Kafka was away may still be written, and then is launched.
    open_states = (Queued, Placed, Launched)
    world.until(
        lambda: (
            not any(
                isinstance(each.state, open_states) for each in world.machine.state.tasks.values()
            )
        ),
        "every launch is heard of, and nothing waits",
        90,
    )
    world.check_sound()


def test_each_broker_is_a_part_and_each_record_is_on_two_of_three(up: UpProcess) -> None:
    assert set(broker_pids(up)) == set(BROKERS)
    assert len(up.view.kafka.split(",")) == 3
    wait_until(lambda: is_served(up, "first"), "a leader", BACK_WITHIN_S)
    done = flumina(up.data_dir, "doctor", "--json")
    checks = {each["check"]: each for each in json.loads(done.stdout)["checks"]}
    assert all(checks[f"process {name}"]["status"] == "ok" for name in BROKERS)
    assert "3 broker(s)" in checks["kafka"]["text"]
    assert checks["topics"]["status"] == "ok"


def test_brokers_killed_by_turns_under_load_lose_nothing(up: UpProcess, world: World) -> None:
    with Load(up.view.kafka, "", "turns") as load:
        for name in BROKERS:
            kill_broker(up, name)
            load.until_more(10, BACK_WITHIN_S)
    nothing_acknowledged_is_lost(world, load)


@pytest.mark.soak
def test_a_broker_killed_every_20_s_for_five_minutes(up: UpProcess, world: World) -> None:
    with Load(up.view.kafka, "", "soak") as load:
        for turn in range(15):
            next_at_s = time.monotonic() + 20
            kill_broker(up, BROKERS[turn % 3])
            while time.monotonic() < next_at_s:
                load.until_more(1, BACK_WITHIN_S)
    nothing_acknowledged_is_lost(world, load)


def test_one_stopped_costs_time_two_stopped_refuse_and_it_recovers_alone(
    up: UpProcess, world: World
) -> None:
    world.submit("lasting", service_of(2, "sleep 100000"))
    world.until(lambda: world.are("lasting", Started, 2), "the service runs")
    ids = [task.task_id for task in world.tasks("lasting")]
    pids = broker_pids(up)
    first, second = pids["kafka-1"], pids["kafka-2"]
    with Load(up.view.kafka, "", "stops") as load:
        try:
            os.kill(first, signal.SIGSTOP)
            wait_until(lambda: is_served(up, "with-two"), "a job with two of three", BACK_WITHIN_S)
            os.kill(second, signal.SIGSTOP)
            wait_until(
                lambda: api(up, "POST", JOBS, batch_of(1, "true")).status == 503,
                "a write is refused",
                BACK_WITHIN_S,
            )
            refused = api(up, "POST", JOBS, batch_of(1, "true"))
            assert refused.status == 503
            assert int(refused.headers["retry-after"]) > 0
            assert api(up, "GET", f"{JOBS}/lasting").status == 200
            acknowledged = len(load.acknowledged)
            refused_again = api(up, "POST", JOBS, batch_of(1, "true"))
            assert refused_again.status == 503
            assert len(load.acknowledged) == acknowledged
        finally:
            for pid in (first, second):
                os.kill(pid, signal.SIGCONT)
        wait_until(lambda: is_served(up, "recovered"), "it recovers alone", BACK_WITHIN_S)
    nothing_acknowledged_is_lost(world, load)
    assert [task.task_id for task in world.tasks("lasting")] == ids
    assert world.are("lasting", Started, 2)
