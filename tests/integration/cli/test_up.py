"""`up` keeps its parts running, runs once on a directory, and leaves nothing behind.

Proven with real kills: of parts, of the leader, and of `up` itself.
"""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.processes import is_gone, wait_until
from tests.support.command_line import ROOT, UpProcess, flumina, process, processes_naming

pytestmark = pytest.mark.integration

EXAMPLES = ROOT / "docs" / "examples"
# A leader that was killed is missed after the session's 6 s; everything here shares two cores.
LEADER_TIMEOUT_S = 60.0
GONE_TIMEOUT_S = 45.0


def _standing(here: Path) -> dict[str, Any]:
    done = flumina(here, "state", "--json")
    return dict(json.loads(done.stdout)["standing"]) if done.returncode == 0 else {}


def _leader(here: Path) -> str:
    standing = _standing(here)
    return "" if standing.get("stale") else str(standing.get("leader", ""))


def _epoch(here: Path) -> int:
    return int(_standing(here).get("epoch", -1))


def _takes_a_job(here: Path, name: str) -> bool:
    return flumina(here, "submit", str(EXAMPLES / "batch-20.json"), "--id", name).returncode == 0


def test_a_second_one_on_the_same_directory_is_refused(up: UpProcess) -> None:
    done = process(up.data_dir, "up")
    assert done.returncode == 1
    assert f"process {up.view.pid}" in done.stderr
    assert str(up.data_dir) in done.stderr
    demo = process(up.data_dir, "demo", "--once", "--data-dir", str(up.data_dir))
    assert demo.returncode == 1
    assert "is not empty" in demo.stderr


def test_the_file_by_which_it_is_found_is_for_its_owner_only(up: UpProcess) -> None:
    assert (up.data_dir / "up.json").stat().st_mode & 0o777 == 0o600


def test_as_many_masters_as_asked_for_are_there_and_the_cell_knows_them(up: UpProcess) -> None:
    assert up.view.dev_cluster is not None
    first = up.view.dev_cluster.port
    assert up.view.mesos == (f"127.0.0.1:{first}", f"127.0.0.1:{first + 1}")
    done = process(up.data_dir, "dev-cluster", "status", "--json", "--port", str(first))
    nodes = {each["node"] for each in json.loads(done.stdout)["nodes"]}
    assert {"master1", "master2"} <= nodes


def test_an_api_that_was_killed_is_started_again(up: UpProcess) -> None:
    killed, starts = up.pid_of("api"), up.starts_of("api")
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until(
        lambda: up.pid_of("api") not in {None, killed} and up.starts_of("api") == starts + 1,
        "another api process runs",
        LEADER_TIMEOUT_S,
    )
    wait_until(lambda: _leader(up.data_dir) != "", "it has caught up", LEADER_TIMEOUT_S)
    assert "api ended: ended with code 137" in up.output.read_text()


def test_the_cell_goes_on_when_its_leader_was_killed(up: UpProcess) -> None:
    """The killed one may lead again: it keeps its place in the group if it is back in time."""
    wait_until(lambda: _leader(up.data_dir) != "", "somebody leads", LEADER_TIMEOUT_S)
    leader, epoch = _leader(up.data_dir), _epoch(up.data_dir)
    killed = up.pid_of(leader)
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until(
        lambda: _epoch(up.data_dir) > epoch and _leader(up.data_dir) != "",
        "somebody leads anew",
        LEADER_TIMEOUT_S,
    )
    wait_until(
        lambda: up.pid_of(leader) not in {None, killed}, "the killed one is back", LEADER_TIMEOUT_S
    )
    assert _takes_a_job(up.data_dir, "after-the-leader")


def test_a_kafka_that_was_killed_is_started_again_and_the_cell_goes_on(up: UpProcess) -> None:
    address, killed = up.view.kafka, up.pid_of("kafka")
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until(
        lambda: up.pid_of("kafka") not in {None, killed}, "another broker runs", LEADER_TIMEOUT_S
    )
    assert up.view.kafka == address
    wait_until(lambda: _takes_a_job(up.data_dir, "after-kafka"), "a job is taken", LEADER_TIMEOUT_S)


def test_kill_9_leaves_nothing_behind_and_the_next_one_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = UpProcess(data)
    second = None
    try:
        view = first.until_up()
        submitted = ("submit", str(EXAMPLES / "service-5.json"), "--id", "lasting", "--wait")
        assert flumina(data, *submitted).returncode == 0
        before = json.loads(flumina(data, "state", "--json").stdout)
        pids = [each.pid for each in view.parts if each.pid is not None]
        first.end(signal.SIGKILL)
        wait_until(
            lambda: all(is_gone(pid) for pid in pids) and not processes_naming(str(data)),
            "every process has ended",
            GONE_TIMEOUT_S,
        )
        assert "Nothing runs on" in flumina(data, "jobs").stderr

        second = UpProcess(data)
        second.until_up()
        wait_until(lambda: _leader(data) != "", "somebody leads", LEADER_TIMEOUT_S)
        after = json.loads(flumina(data, "state", "--json").stdout)
        assert after["cellUuid"] == before["cellUuid"]
        assert after["epoch"] > before["epoch"]
        assert "lasting" in flumina(data, "jobs").stdout

        pids = [each.pid for each in second.view.parts if each.pid is not None]
        assert second.end(signal.SIGTERM) == 0
        assert all(is_gone(pid) for pid in pids)
        assert not processes_naming(str(data))
        assert not (data / "up.json").exists()
    finally:
        for each in (first, second):
            if each is not None:
                each.close()


def test_a_part_that_cannot_start_is_named_and_nothing_stays(tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = process(data, "up", KAFKA_BROKERS="127.0.0.1:1")
    assert done.returncode == 1
    # On a slow machine lines of progress stand before it.
    assert "\nflumina: Kafka at 127.0.0.1:1 could not be asked" in f"\n{done.stderr}"
    assert not processes_naming(str(data))
