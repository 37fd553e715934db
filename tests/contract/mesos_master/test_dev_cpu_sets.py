"""Agents that divide the computer's threads: real tasks, and where the kernel lets them run.

The one thing to know: what a task may use is read from ``/proc/PID/status`` of its own processes,
its later children included. The computer needs two threads; nothing else is assumed.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from connectors.devcluster.agent import confine
from connectors.devcluster.agent.cpu_sets import CpuSets
from connectors.devcluster.agent.cpuset_groups import CpusetGroups
from connectors.devcluster.agent.model import LocalAgent, LocalTask, Phase
from scheduler.cpu_sets.topology import from_description, list_of
from streams.supervise.ports import free_block
from tests.contract.mesos_master.master_client import (
    Framework,
    Json,
    fresh_uuid,
    request,
    scalars,
)
from tests.processes import wait_until
from tests.support.dev_cluster import DevCluster

pytestmark = pytest.mark.integration

USABLE = sorted(os.sched_getaffinity(0))
EVERYTHING = list_of(USABLE)
FIRST, OTHERS = list_of(USABLE[:1]), list_of(USABLE[1:])
BURST = {"labels": [{"key": "flumina.cpu.burst", "value": "true"}]}
# A child of its own every moment: later children count like the first process.
RESTLESS = "while :; do sleep 0.05; done"


@pytest.fixture(scope="module")
def divided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    """One agent with as many cpus as there are threads."""
    if len(USABLE) < 2:
        pytest.skip("this computer has one thread; dividing takes two")
    folder = tmp_path_factory.mktemp("sets")
    options = {"resources": f"cpus:{len(USABLE)};mem:1024;disk:1000", "cpu_sets": True}
    with DevCluster(folder, port=free_block(2), agents=1, **options) as cluster:
        yield cluster


def sets(cluster: DevCluster) -> Json:
    """What the agent says of its cpu sets."""
    state = request(cluster.config.port_of("agent1"), "GET", "/state").json
    return dict(state["flumina_cpu_sets"])


def processes_of(name: str) -> list[int]:
    """The processes of a task, found by a word of their environment."""
    found = []
    for path in Path("/proc").iterdir():
        if not path.name.isdigit():
            continue
        try:
            words = (path / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"MESOS_TASK_ID={name}".encode() in words:
            found.append(int(path.name))
    return found


def allowed(name: str) -> set[str]:
    """The lists of threads on which the kernel lets the task's processes run now."""
    found = set()
    for pid in processes_of(name):
        try:
            status = Path(f"/proc/{pid}/status").read_text("utf-8")
        except OSError:
            continue
        (line,) = [each for each in status.splitlines() if each.startswith("Cpus_allowed_list:")]
        found.add(line.split()[1])
    return found


def run(framework: Framework, name: str, cpus: float, *, is_burst: bool = False) -> None:
    """Start a task that runs until it is killed, and begins a child every moment."""
    framework.run(name, RESTLESS, resources=scalars(cpus=cpus), labels=BURST if is_burst else None)


def end(framework: Framework, name: str) -> None:
    """End a task, and wait until it has ended."""
    framework.kill(name)
    framework.acknowledge(framework.await_state(name, "TASK_KILLED"))


def has(name: str, *lists: str) -> Callable[[], bool]:
    """Whether all processes of the task, and there are some, have one of these lists."""
    return lambda: bool(found := allowed(name)) and found <= set(lists)


def test_burst_work_makes_room_on_arrival_and_grows_on_departure(divided: DevCluster) -> None:
    with Framework(divided.config.port) as framework:
        run(framework, "burst", 0.5, is_burst=True)
        wait_until(has("burst", EVERYTHING), f"burst on {EVERYTHING}")
        run(framework, "static", 1.0)
        wait_until(has("static", FIRST), f"static on {FIRST}")
        wait_until(has("burst", OTHERS), f"burst on {OTHERS}")
        # Later children, too: none of them is ever elsewhere.
        for _ in range(20):
            assert allowed("burst") <= {OTHERS}
            assert allowed("static") <= {FIRST}
            time.sleep(0.02)
        shown = {each["kind"]: each for each in sets(divided)["containers"]}
        assert (shown["static"]["threads"], shown["static"]["is_own"]) == (FIRST, True)
        assert (shown["burst"]["threads"], shown["burst"]["is_own"]) == (OTHERS, False)
        assert sets(divided)["violations"] == []
        end(framework, "static")
        wait_until(has("burst", EVERYTHING), f"burst on {EVERYTHING}")


def test_static_work_of_a_part_of_a_thread_owns_none(divided: DevCluster) -> None:
    with Framework(divided.config.port) as framework:
        run(framework, "part", 0.5)
        wait_until(has("part", EVERYTHING), f"part on {EVERYTHING}")
        run(framework, "whole", 1.0)
        wait_until(has("part", OTHERS), f"part on {OTHERS}")
        wait_until(has("whole", FIRST), f"whole on {FIRST}")


def test_a_program_stays_where_it_was_put(divided: DevCluster) -> None:
    if sets(divided)["by"] == ["affinity"]:
        pytest.skip("no cpuset can be made here, and affinity alone can be undone by the program")
    escape = f"import os; os.sched_setaffinity(os.getppid(), {USABLE})"
    script = f"{sys.executable} -S -c '{escape}' || echo refused >&2; while :; do sleep 0.5; done"
    with Framework(divided.config.port) as framework:
        framework.run("bound", script, resources=scalars(cpus=1.0))
        wait_until(lambda: any(map(_is_sleep, processes_of("bound"))), "it has tried")
        wait_until(has("bound", FIRST), f"bound on {FIRST}")
        assert allowed("bound") <= {FIRST}


def _is_sleep(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text("utf-8").strip() == "sleep"
    except OSError:
        return False


def test_an_agent_that_starts_again_moves_nobody(divided: DevCluster) -> None:
    with Framework(divided.config.port, checkpoint=True) as framework:
        run(framework, "first", 1.0)
        run(framework, "burst", 0.5, is_burst=True)
        wait_until(has("burst", OTHERS), f"burst on {OTHERS}")
        divided.kill("agent1")
        divided.start_node("agent1")
        wait_until(
            lambda: _answers(divided) and len(sets(divided)["containers"]) == 2, "it is back"
        )
        wait_until(has("first", FIRST), f"first on {FIRST}")
        wait_until(has("burst", OTHERS), f"burst on {OTHERS}")
        end(framework, "first")
        wait_until(has("burst", EVERYTHING), f"burst on {EVERYTHING}")


def _answers(cluster: DevCluster) -> bool:
    try:
        sets(cluster)
    except OSError:
        return False
    return True


def test_the_agent_says_so(divided: DevCluster) -> None:
    with Framework(divided.config.port) as framework:
        (offer,) = framework.offers()
    values = {each["name"]: each["text"]["value"] for each in offer["attributes"]}
    assert values["cpuSets"] == "true"
    assert sets(divided)["threads"] == EVERYTHING


def test_nothing_is_left_of_those_who_ended(divided: DevCluster) -> None:
    words = sets(divided)["by"]
    if words != ["affinity", "cgroup v1 cpuset"]:
        pytest.skip("only v1 has directories of its own for cpusets")
    with Framework(divided.config.port) as framework:
        run(framework, "brief", 1.0)
        assert list(_directories(divided))
        end(framework, "brief")
    wait_until(lambda: not list(_directories(divided)), "its cpuset is removed")


def _directories(cluster: DevCluster) -> Iterator[Path]:
    prefix = cluster.config.cgroup_prefix("agent1")
    mounts = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    for line in mounts:
        mount, _, source = line.partition(" - ")
        if "cpuset" in source.split(" ")[2].split(","):
            yield from Path(mount.split(" ")[4]).glob(f"**/{prefix}*")


def _busy(count: int) -> subprocess.Popen[bytes]:
    """A process with so many children that never wait."""
    loops = "while :; do :; done & " * count
    return subprocess.Popen(["/bin/sh", "-c", f"{loops} wait"], start_new_session=True)


def test_who_disturbs_another_is_kept_away_from_it() -> None:
    """One takes more than it was promised, and the other one waits for it."""
    if len(USABLE) < 2:
        pytest.skip("this computer has one thread; dividing takes two")
    two = from_description(f"1x{max(USABLE) + 1}x1").only(USABLE[:2])
    sets = CpuSets(two, CpusetGroups(0, None, ""), print)
    sets.measure_seconds = 0.3
    agent = LocalAgent({}, fresh_uuid, fresh_uuid)
    with ExitStack() as stack:
        for name, cpus, count in (("meek", 0.9, 1), ("loud", 0.1, 3)):
            process = _busy(count)
            stack.callback(process.wait)
            stack.callback(os.killpg, process.pid, signal.SIGKILL)
            info = {"task_id": {"value": name}, "resources": scalars(cpus=cpus), "labels": BURST}
            local = LocalTask("f", info, "*", name, Phase.RUNNING, 0.0, executor_pid=process.pid)
            agent.tasks[local.key] = local
        sets.follow(agent)
        assert sets.layout.sets["meek"] == sets.layout.sets["loud"] == two.numbers

        def are_apart() -> bool:
            sets.measure(time.monotonic())
            return not set(sets.layout.sets["meek"]) & set(sets.layout.sets["loud"])

        wait_until(are_apart, "the loud one is kept on another core")
        assert sets.noise_milli > 0
        for name, local in (("meek", agent.tasks["f", "meek"]), ("loud", agent.tasks["f", "loud"])):
            assert local.executor_pid is not None
            for pid in confine.tree(local.executor_pid):
                assert os.sched_getaffinity(pid) == set(sets.layout.sets[name])
