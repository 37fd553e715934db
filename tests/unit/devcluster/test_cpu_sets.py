"""What an agent knows of its processors and gives to its containers, without touching any process.

The one thing to know: files in a folder stand in for the kernel's; where the kernel really lets
tasks run is tested in `tests/contract/mesos_master/test_dev_cpu_sets.py`.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from connectors.devcluster.agent.cgroups import Cgroups
from connectors.devcluster.agent.cpu_sets import (
    BURST_LABEL,
    CpuSets,
    cpu_milli_of,
    topology_here,
)
from connectors.devcluster.agent.cpuset_groups import CpusetGroups, find_cpusets
from connectors.devcluster.agent.model import LocalAgent, LocalExecutor, LocalTask, Phase
from connectors.devcluster.node import ClusterConfig
from scheduler.cpu_sets.topology import from_description
from scheduler.model.profile import BURST_ATTRIBUTE

NOBODY = 2**22 + 1
"""A number that no process has: above the kernel's largest (PID_MAX_LIMIT)."""


def scalar(name: str, value: float) -> dict[str, Any]:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}}


def local_task(
    name: str, cpus: float, *, is_burst: bool = False, pid: int | None = NOBODY
) -> LocalTask:
    info: dict[str, Any] = {"task_id": {"value": name}, "resources": [scalar("cpus", cpus)]}
    if is_burst:
        info["labels"] = {"labels": [{"key": "flumina.cpu.burst", "value": "true"}]}
    return LocalTask("f", info, "*", f"c-{name}", Phase.RUNNING, 0.0, executor_pid=pid)


def agent_with(*tasks: LocalTask) -> LocalAgent:
    agent = LocalAgent({}, lambda: "uuid", lambda: "uuid")
    agent.tasks = {each.key: each for each in tasks}
    return agent


def divided(description: str) -> CpuSets:
    return CpuSets(from_description(description), CpusetGroups(0, None, ""), lambda _text: None)


def threads(sets: CpuSets) -> dict[str, str]:
    return {each["container"]: each["threads"] for each in sets.to_json()["containers"]}


def test_jobs_and_agents_call_burst_work_by_one_name() -> None:
    assert BURST_LABEL == BURST_ATTRIBUTE


def test_tasks_arrive_and_leave() -> None:
    sets = divided("1x4x1")
    burst, static = local_task("b", 1.0, is_burst=True), local_task("s", 2.0)
    sets.follow(agent_with(burst))
    assert threads(sets) == {"c-b": "0-3"}
    sets.follow(agent_with(burst, static))
    assert threads(sets) == {"c-b": "2-3", "c-s": "0-1"}
    static.phase = Phase.ENDED
    sets.follow(agent_with(burst, static))
    assert threads(sets) == {"c-b": "0-3"}
    sets.follow(agent_with())
    assert threads(sets) == {}


def test_a_task_without_a_keeper_has_nothing_yet() -> None:
    sets = divided("1x4x1")
    sets.follow(agent_with(local_task("s", 2.0, pid=None)))
    assert threads(sets) == {}


def test_tasks_of_a_custom_executor_share_its_burst_set() -> None:
    agent = agent_with(local_task("s", 3.0))
    info = {"executor_id": {"value": "e"}, "resources": [scalar("cpus", 0.1)]}
    executor = LocalExecutor("f", info, "*", "c-e", Phase.RUNNING, 0.0, pid=NOBODY)
    inside = local_task("inside", 1.0)
    inside.executor_id, inside.container_id, inside.record_id = "e", "c-e", "r"
    agent.executors = {executor.key: executor}
    agent.tasks[inside.key] = inside
    sets = divided("1x4x2")
    sets.follow(agent)
    shown = {each["container"]: each for each in sets.to_json()["containers"]}
    assert shown.keys() == {"c-s", "c-e"}
    assert (shown["c-e"]["kind"], shown["c-e"]["cpus"]) == ("burst", 1.1)
    assert (shown["c-s"]["is_own"], shown["c-e"]["is_own"]) == (True, False)
    del agent.tasks[inside.key]
    sets.follow(agent)
    assert {each["cpus"] for each in sets.to_json()["containers"]} == {3.0, 0.1}


def test_more_than_there_is_is_told() -> None:
    sets = divided("1x1x1")
    sets.follow(agent_with(local_task("a", 1.0), local_task("b", 1.0)))
    assert {each["kind"] for each in sets.to_json()["violations"]} == {"crowded"}


def test_cpus_are_counted_in_thousandths() -> None:
    info = {"resources": [scalar("cpus", 0.1), scalar("cpus", 0.2), scalar("mem", 32)]}
    assert cpu_milli_of(info) == 300
    assert cpu_milli_of({}) == 0


def sys_folder(folder: Path, cpus: int) -> Path:
    for number in range(cpus):
        there = folder / "cpu" / f"cpu{number}" / "topology"
        there.mkdir(parents=True)
        (there / "physical_package_id").write_text("0\n")
        (there / "core_id").write_text(f"{number}\n")
    (folder / "cpu" / "online").write_text(f"0-{cpus - 1}\n")
    return folder


def test_an_agent_divides_what_it_may_use(tmp_path: Path) -> None:
    usable = sorted(os.sched_getaffinity(0))
    found = topology_here(0, 1, sys_folder(tmp_path, max(usable) + 5))
    assert list(found.numbers) == usable


def test_a_computer_that_shows_no_topology(tmp_path: Path) -> None:
    found = topology_here(0, 1, tmp_path)
    assert list(found.numbers) == sorted(os.sched_getaffinity(0))
    assert len(found.cores) == len(found.numbers)


def cpuset_v1(folder: Path) -> CpusetGroups:
    (folder / "cpuset.mems").write_text("0\n")
    return CpusetGroups(1, folder, "mine-")


def test_a_v2_cpuset_is_a_file_of_the_containers_own_directory(tmp_path: Path) -> None:
    groups = CpusetGroups(2, tmp_path, "mine-")
    groups.put("without", (0, 1), set)
    (tmp_path / "mine-c").mkdir()
    (tmp_path / "mine-c" / "cpuset.cpus").write_text("")
    groups.put("c", (0, 1, 3), set)
    assert (tmp_path / "mine-c" / "cpuset.cpus").read_text() == "0-1,3"
    assert groups.words() == ["cgroup v2 cpuset"]
    groups.remove("c")
    assert (tmp_path / "mine-c").exists()


def test_a_v1_cpuset_goes_when_it_is_empty(tmp_path: Path) -> None:
    groups = cpuset_v1(tmp_path)
    (tmp_path / "mine-c").mkdir()
    (tmp_path / "mine-c" / "somebody").mkdir()
    groups.remove("c")
    assert (tmp_path / "mine-c").exists()
    (tmp_path / "mine-c" / "somebody").rmdir()
    groups.sweep()
    assert not (tmp_path / "mine-c").exists()
    groups.remove("never made")
    groups.sweep()


@pytest.mark.parametrize(("controllers", "version"), [("cpuset cpu memory", 2), ("cpu memory", 0)])
def test_where_cpusets_can_be_made(tmp_path: Path, controllers: str, version: int) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "mountinfo").write_text("")
    (tmp_path / "proc" / "cgroup").write_text("0::/\n")
    home = tmp_path / "fs"
    home.mkdir()
    (home / "cgroup.subtree_control").write_text(controllers)
    (home / "cgroup.subtree_control").chmod(0o400)
    if version == 0:
        (home / "cgroup.subtree_control").unlink()
    found = find_cpusets("p-", Cgroups(2, {"memory": home}), tmp_path / "proc")
    assert found.version == version
    assert found.words() == ([] if version == 0 else ["cgroup v2 cpuset"])


def test_nothing_is_known_of_cgroups(tmp_path: Path) -> None:
    assert find_cpusets("p-", Cgroups(0, {}), tmp_path).words() == []


def test_the_agent_has_an_attribute() -> None:
    config = ClusterConfig(data_dir="/d", token="", attributes="zone:z{n}", cpu_sets=True)
    assert config.attributes_of("agent2") == "zone:z2;cpuSets:true"
    plain = ClusterConfig(data_dir="/d", token="")
    assert plain.attributes_of("agent2") == "zone:z2"
