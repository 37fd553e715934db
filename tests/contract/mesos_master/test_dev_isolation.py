"""Limits that the dev cluster's agents enforce: each test runs real tasks that go beyond one.

The one thing to know: what this computer allows is not assumed. Where it lets cgroups be used they
are tested; the watchdog, which stands in for them elsewhere, is tested everywhere.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.devcluster.agent.isolation import probe
from streams.supervise.ports import free_block
from tests.contract.mesos_master.master_client import Framework, Json, request, scalars, task
from tests.processes import wait_until
from tests.support.dev_cluster import DevCluster

pytestmark = pytest.mark.integration

MIB = 1 << 20
ALLOCATE = f"exec {sys.executable} -S -c 'import time; x = b\"x\" * (%d << 20); time.sleep(600)'"


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    """One agent as it is by default."""
    with DevCluster(tmp_path_factory.mktemp("dev"), port=free_block(2), agents=1) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    """One agent whose tasks are watched and not in cgroups, with what is only done on demand."""
    options = {"isolation": "auto,disk,cgroup=/nonexistent", "disk_watch_seconds": 0.2}
    folder = tmp_path_factory.mktemp("watched")
    with DevCluster(folder, port=free_block(2), agents=1, **options) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    """One agent with all that is done on demand, as far as this computer allows it."""
    options = {"isolation": "auto,users,affinity,cpu-quota"}
    folder = tmp_path_factory.mktemp("strict")
    with DevCluster(folder, port=free_block(2), agents=1, **options) as cluster:
        yield cluster


def enforced_by(cluster: DevCluster, kind: str) -> str | None:
    """By what the agent enforces it; skips the test where it does not."""
    rows = request(cluster.config.port_of("agent1"), "GET", "/state").json["flumina_isolation"]
    (row,) = [row for row in rows if row["kind"] == kind]
    if row["by"] is None:
        pytest.skip(f"{kind} is not enforced here: {row['text']}")
    return str(row["by"])


def run_to_end(cluster: DevCluster, name: str, script: str, **more: object) -> Json:
    """The last status of a task."""
    with Framework(cluster.config.port) as framework:
        offer = framework.offers()[0]
        framework.launch([offer], [task(name, offer, script, **more)])
        while True:
            status = framework.await_update(name)
            framework.acknowledge(status)
            if status["state"] not in {"TASK_STARTING", "TASK_RUNNING"}:
                return status


def output_of(cluster: DevCluster, name: str, script: str, **more: object) -> str:
    """What a short task writes to its standard output."""
    with Framework(cluster.config.port) as framework:
        offer = framework.offers()[0]
        framework.launch([offer], [task(name, offer, script, **more)])
        framework.acknowledge(framework.await_state(name, "TASK_FINISHED"))
        path = f"/frameworks/{framework.framework_id}/executors/{name}/runs/latest/stdout"
        port = cluster.config.port_of("agent1")
        return str(request(port, "GET", f"/files/read?path={path}&offset=0").json["data"])


def assert_out_of_memory(status: Json, limit_mib: int) -> None:
    """The status says that memory ran out, with the limit and with what was used."""
    assert status["state"] == "TASK_FAILED", status
    assert status["reason"] == "REASON_CONTAINER_LIMITATION_MEMORY", status
    assert status["source"] == "SOURCE_AGENT"
    assert f"Memory limit exceeded: Requested: {limit_mib}MB" in status["message"]
    (resource,) = status["limitation"]["resources"]
    assert resource["name"] == "mem"
    assert resource["scalar"]["value"] >= limit_mib * 0.95


@pytest.fixture
def needs_cgroups() -> None:
    """Skip where this computer lets no cgroup limit memory."""
    cgroups = probe("flumina-test-").cgroups
    if "memory" not in cgroups.homes:
        pytest.skip(f"no memory limits by cgroups here: {cgroups.why_not}")


@pytest.mark.usefixtures("needs_cgroups")
def test_out_of_memory_in_a_cgroup(dev: DevCluster) -> None:
    status = run_to_end(dev, "oom", ALLOCATE % 300, resources=scalars(mem=64))
    assert_out_of_memory(status, 64)
    assert "MEMORY STATISTICS" in status["message"]


@pytest.mark.usefixtures("needs_cgroups")
def test_a_child_out_of_memory_ends_its_whole_task(dev: DevCluster) -> None:
    script = ALLOCATE.removeprefix("exec ") % 300 + "; sleep 600"
    assert_out_of_memory(run_to_end(dev, "oom-child", script, resources=scalars(mem=64)), 64)


@pytest.mark.usefixtures("needs_cgroups")
def test_a_limit_above_the_request_is_the_limit(dev: DevCluster) -> None:
    limits = {"mem": {"value": 128}, "cpus": {"value": 1}}
    status = run_to_end(dev, "oom-limit", ALLOCATE % 300, resources=scalars(mem=64), limits=limits)
    assert_out_of_memory(status, 128)


@pytest.mark.usefixtures("needs_cgroups")
def test_no_cgroup_is_left_behind(dev: DevCluster) -> None:
    run_to_end(dev, "brief", "true")
    prefix = dev.config.cgroup_prefix("agent1")
    homes = set(probe(prefix).cgroups.homes.values())
    wait_until(lambda: not [p for home in homes for p in home.glob(f"{prefix}*")], "no cgroup")


def test_memory_within_the_limit_is_left_alone(dev: DevCluster) -> None:
    script = f"{sys.executable} -S -c 'x = b\"x\" * (40 << 20)'"
    status = run_to_end(dev, "within", script, resources=scalars(mem=96))
    assert status["state"] == "TASK_FINISHED", status


def test_out_of_memory_seen_by_the_watchdog(watched: DevCluster) -> None:
    status = run_to_end(watched, "oom", ALLOCATE % 300, resources=scalars(mem=64))
    assert_out_of_memory(status, 64)
    assert "watchdog" in status["message"]


def test_the_watchdog_counts_all_processes_of_a_task(watched: DevCluster) -> None:
    each = ALLOCATE.removeprefix("exec ") % 40
    status = run_to_end(watched, "tree", f"{each} & {each} & wait", resources=scalars(mem=64))
    assert_out_of_memory(status, 64)


def test_a_sandbox_beyond_its_disk(watched: DevCluster) -> None:
    script = "dd if=/dev/zero of=big bs=1M count=20 2>/dev/null; sleep 600"
    status = run_to_end(watched, "disk", script, resources=scalars(disk=10))
    assert (status["state"], status["reason"]) == (
        "TASK_FAILED",
        "REASON_CONTAINER_LIMITATION_DISK",
    )
    assert "exceeds quota (10MB)" in status["message"]
    assert status["limitation"]["resources"][0]["name"] == "disk"


def test_no_new_privileges_and_denied_system_calls(dev: DevCluster) -> None:
    # hostname calls sethostname, which the filter denies to root also.
    script = "grep NoNewPrivs /proc/self/status; hostname renamed || echo denied"
    said = output_of(dev, "privileges", script)
    assert said.split() == ["NoNewPrivs:", "1", "denied"]


def test_a_task_without_a_filter_if_it_asks_for_none(dev: DevCluster) -> None:
    container = {"type": "MESOS", "linux_info": {"seccomp": {"unconfined": True}}}
    script = "grep -w Seccomp /proc/self/status"
    assert output_of(dev, "unconfined", script, container=container).split() == ["Seccomp:", "0"]
    assert output_of(dev, "confined", script).split() == ["Seccomp:", "2"]


def test_rlimits_as_asked(dev: DevCluster) -> None:
    rlimits = {"rlimits": [{"type": "RLMT_NOFILE", "soft": 100, "hard": 200}]}
    container = {"type": "MESOS", "rlimit_info": rlimits}
    said = output_of(dev, "rlimits", "ulimit -Sn; ulimit -Hn", container=container)
    assert said.split() == ["100", "200"]


def test_the_agent_says_what_it_enforces_and_what_not(dev: DevCluster) -> None:
    port = dev.config.port_of("agent1")
    with Framework(dev.config.port) as framework:
        docker = {"type": "DOCKER", "docker": {"image": "team/worker@sha256:" + "0" * 64}}
        framework.run("said", container=docker)
        state = request(port, "GET", "/state").json
        (executor,) = state["frameworks"][0]["executors"]
        said = executor["tasks"][0]["flumina_isolation"]
    kinds = {row["kind"] for row in state["flumina_isolation"]}
    assert {"memory", "cpu", "pids", "seccomp", "users", "bandwidth"} <= kinds
    assert "memory" in said["enforced"]
    assert any(line.startswith("image team/worker@sha256:") for line in said["emulated"])
    assert any(line.startswith("bandwidth: not limited") for line in said["emulated"])


def test_a_shifted_user_is_root_to_itself_only(strict: DevCluster) -> None:
    enforced_by(strict, "users")
    script = "id -u; echo kept > file; cat file; stat -c %u . ; cat /proc/self/uid_map"
    itself, kept, owner, *shift = output_of(strict, "shifted", script).split()
    assert (itself, kept, owner) == ("0", "kept", "0")
    outside = int(shift[1])
    assert shift == ["0", str(outside), "1"]
    assert outside >= 1_000_000 or outside == os.geteuid() != 0


def test_a_task_is_bound_to_as_many_cpus_as_it_may_use(strict: DevCluster) -> None:
    assert output_of(strict, "bound", "nproc", resources=scalars(cpus=0.5)).split() == ["1"]


def test_a_cap_holds_a_busy_task_back(strict: DevCluster) -> None:
    enforced_by(strict, "cpu")

    def throttled() -> int:
        port = strict.config.port_of("agent1")
        (row,) = request(port, "GET", "/monitor/statistics").json
        return int(row["statistics"]["cpus_nr_throttled"])

    with Framework(strict.config.port) as framework:
        framework.run("capped", "while :; do :; done", resources=scalars(cpus=0.1))
        wait_until(lambda: throttled() > 3, "the task is throttled")


def test_no_more_processes_than_allowed(dev: DevCluster) -> None:
    enforced_by(dev, "pids")
    script = "cat /sys/fs/cgroup/pids$(sed -n s/.*:pids://p /proc/self/cgroup)/pids.max"
    if not Path("/sys/fs/cgroup/pids").is_dir():
        script = "cat /sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/pids.max"
    assert output_of(dev, "pids", script).split() == ["4096"]


def test_a_capability_that_was_not_asked_for_cannot_be_had(dev: DevCluster) -> None:
    if os.geteuid() != 0:
        pytest.skip("only an agent that is root has capabilities to drop")
    given = {"effective_capabilities": {"capabilities": ["NET_BIND_SERVICE"]}}
    container = {"type": "MESOS", "linux_info": given}
    said = output_of(dev, "capable", "grep CapEff /proc/self/status", container=container)
    assert int(said.split()[1], 16) == 1 << 10  # CAP_NET_BIND_SERVICE
