"""What confines tasks: where cgroups may be made, what is written there, plans and reports.

The one thing to know: directories here stand in for the kernel's; what the kernel does with them is
tested with real tasks in `tests/contract/mesos_master/test_dev_isolation.py`.
"""

from pathlib import Path
from typing import Any

import pytest

from connectors.devcluster.agent import confine
from connectors.devcluster.agent.cgroups import Cgroups, Limits, find_cgroups
from connectors.devcluster.agent.exits import Exit
from connectors.devcluster.agent.isolation import (
    ALWAYS,
    Isolation,
    IsolationError,
    Wanted,
    wanted_of,
)

LIMITS = Limits(memory_bytes=64 << 20, cpu_shares=512, cpu_quota_us=None, pids=100)


def process(folder: Path, mounts: str, own: str) -> Path:
    """A stand-in for ``/proc/self``."""
    there = folder / "proc"
    there.mkdir()
    (there / "mountinfo").write_text(mounts)
    (there / "cgroup").write_text(own)
    return there


def v2(folder: Path, *, parent: str, limit: str = "max") -> Path:
    """A stand-in for a v2 hierarchy in which we are in ``user/shell``."""
    shell = folder / "fs" / "user" / "shell"
    shell.mkdir(parents=True)
    (shell.parent / "cgroup.subtree_control").write_text(parent)
    (shell / "memory.max").write_text(limit)
    mounts = f"30 20 0:26 / {folder / 'fs'} rw - cgroup2 cgroup2 rw\n"
    return process(folder, mounts, "0::/user/shell\n")


def test_v1_below_our_own_cgroup_in_each_controller(tmp_path: Path) -> None:
    mounts = ""
    for number, name in enumerate(("memory", "pids")):
        (tmp_path / name / "mine").mkdir(parents=True)
        mounts += f"{number} 20 0:{number} / {tmp_path / name} rw - cgroup cgroup rw,{name}\n"
    there = process(tmp_path, mounts, "2:memory:/mine\n1:pids:/mine\n0::/\n")
    found = find_cgroups(there)
    assert found.version == 1
    assert found.homes == {n: tmp_path / n / "mine" for n in ("memory", "pids")}
    assert "cpu is not mounted" in found.why_not


def test_v1_in_a_container_that_sees_a_part(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    mounts = f"1 2 0:1 /docker/abc {tmp_path / 'memory'} rw - cgroup cgroup rw,memory\n"
    there = process(tmp_path, mounts, "2:memory:/docker/abc\n")
    assert find_cgroups(there).homes["memory"] == tmp_path / "memory"


def test_v2_beside_our_own_cgroup_which_holds_us(tmp_path: Path) -> None:
    found = find_cgroups(v2(tmp_path, parent="memory pids"))
    assert found.version == 2
    assert set(found.homes) == {"memory", "pids"}
    assert set(found.homes.values()) == {tmp_path / "fs" / "user"}
    assert "cpu" in found.why_not


def test_v2_never_leaves_a_limit_of_our_own(tmp_path: Path) -> None:
    found = find_cgroups(v2(tmp_path, parent="memory pids cpu", limit="1000000"))
    assert found.homes == {}
    assert "no controllers" in found.why_not


def test_no_cgroups_at_all(tmp_path: Path) -> None:
    found = find_cgroups(process(tmp_path, "", ""))
    assert (found.homes, bool(found.why_not)) == ({}, True)


def test_what_is_written_into_v2(tmp_path: Path) -> None:
    cgroups = Cgroups(2, dict.fromkeys(("memory", "cpu", "pids"), tmp_path))
    with pytest.raises(OSError, match="No such file"):
        cgroups.make("task", LIMITS)  # Nobody makes the files here, so a kernel without them.
    assert not (tmp_path / "task").exists()

    settings = dict(
        pair for controller in cgroups.homes for pair in cgroups._settings(controller, LIMITS)
    )
    assert settings == {
        "memory.max": 64 << 20,
        "memory.swap.max": 0,
        "memory.oom.group": 1,
        "cpu.weight": 20,
        "pids.max": 100,
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("auto", set(ALWAYS)),
        ("none", set()),
        ("auto,disk,-seccomp", {*ALWAYS, "disk"} - {"seccomp"}),
        ("memory, users", {"memory", "users"}),
    ],
)
def test_words(text: str, words: set[str]) -> None:
    assert wanted_of(text).words == words


def test_an_unknown_word_is_named_with_what_is_possible() -> None:
    with pytest.raises(IsolationError, match=r"'memroy'.*memory"):
        wanted_of("auto,memroy")


def isolation(*words: str) -> Isolation:
    """What an agent has where no cgroups can be used."""
    wanted = Wanted(frozenset(words))
    return Isolation(wanted, Cgroups(0, {}, "nothing is mounted"), True, "", "flumina-test-")


def task(**more: Any) -> dict[str, Any]:
    """A task of half a cpu and 64 MiB."""
    amounts = {"cpus": 0.5, "mem": 64.0, "disk": 10.0}
    resources = [{"name": n, "scalar": {"value": v}} for n, v in amounts.items()]
    return {"resources": resources, **more}


def test_without_cgroups_memory_is_watched(tmp_path: Path) -> None:
    plan = isolation("memory", "disk").plan("c", tmp_path, task())
    assert plan["watchdog_bytes"] == 64 << 20
    assert plan["disk_bytes"] == 10 << 20
    assert "oom" not in plan


def test_a_limit_of_its_own_is_the_limit(tmp_path: Path) -> None:
    made = isolation("memory")
    plan = made.plan("c", tmp_path, task(limits={"mem": {"value": 128.0}}))
    assert plan["watchdog_bytes"] == 128 << 20
    endless = made.plan("c", tmp_path, task(limits={"mem": {"value": "Infinity"}}))
    assert "watchdog_bytes" not in endless


def test_no_container_has_less_memory_than_mesos_gives(tmp_path: Path) -> None:
    small = {"resources": [{"name": "mem", "scalar": {"value": 4.0}}]}
    assert isolation("memory").plan("c", tmp_path, small)["watchdog_bytes"] == 32 << 20


def test_cpus_are_shared_out_and_given_back(tmp_path: Path) -> None:
    made = isolation("affinity")
    first = made.plan("a", tmp_path, task())["affinity"]
    second = made.plan("b", tmp_path, task())["affinity"]
    there = len(first) == 1
    assert there
    made.forget("a")
    assert made.plan("c", tmp_path, task())["affinity"] == (first if second != first else second)


def test_what_is_only_noted_is_said() -> None:
    container = {
        "type": "MESOS",
        "mesos": {"image": {"docker": {"name": "team/x:1"}}},
        "volumes": [{}],
        "network_infos": [{}],
        "linux_info": {"seccomp": {"profile_name": "strict"}},
    }
    said = isolation("memory", "pids").report(task(container=container))
    assert said["enforced"] == {"memory": "watchdog, 64 MiB"}
    begins = {line.split(":")[0] for line in said["emulated"]}
    assert {"image team/x", "volumes", "network", "seccomp profile strict", "pids"} <= begins


def test_a_limitation_is_how_a_task_ended() -> None:
    said = confine.memory_limitation(64 << 20, 65 << 20, "more")
    verdict = Exit(9, is_killed=True, limitation=said).verdict()
    text = "Memory limit exceeded: Requested: 64MB Maximum Used: 65MB\n\nmore"
    assert verdict == ("TASK_FAILED", "REASON_CONTAINER_LIMITATION_MEMORY", text)
    assert said["resources"][0]["scalar"]["value"] == 65.0


def test_a_sandbox_is_counted_once_a_file_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").write_bytes(b"x" * 100_000)
    (tmp_path / "again").hardlink_to(tmp_path / "inner" / "file")
    (tmp_path / "way-out").symlink_to("/")
    assert 100_000 <= confine.disk_bytes(str(tmp_path)) < 200_000


def test_a_strict_agent_grants_no_absence_of_the_filter(tmp_path: Path) -> None:
    asks = task(container={"linux_info": {"seccomp": {"unconfined": True}}})
    assert isolation("seccomp").plan("c", tmp_path, asks)["seccomp"] is False
    strict = isolation("seccomp", "strict")
    assert strict.plan("c", tmp_path, asks)["seccomp"] is True
    assert any("not granted" in each for each in strict.report(asks)["emulated"])


def test_a_network_of_its_own_is_planned_only_where_this_computer_has_them(tmp_path: Path) -> None:
    """An agent that cannot give one says why, and runs the task without."""
    made = isolation("network")
    assert "network" not in made.plan("c", tmp_path, task())
    (row,) = [each for each in made.rows() if each.kind == "network"]
    assert (row.by, "not looked at" in row.text) == ("", True)
    made.why_no_network = ""
    assert made.plan("c", tmp_path, task(), has_metadata=True)["network"] == {"has_metadata": True}
