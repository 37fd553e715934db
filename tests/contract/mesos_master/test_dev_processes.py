"""What the dev cluster promises beyond Mesos: its processes, its journals, and a clean end.

The one thing to know: these tests look at processes and files, not only at what the master says.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.devcluster.journal import read_journal
from connectors.devcluster.node import ClusterConfig
from connectors.devcluster.supervise import control
from streams.supervise.ports import free_block
from tests.contract.mesos_client.clusters import CHECKOUT
from tests.contract.mesos_master.executor_client import executor_info
from tests.contract.mesos_master.master_client import (
    Framework,
    Json,
    agents,
    await_agents,
    request,
    task,
)
from tests.processes import is_gone, wait_until
from tests.support.dev_cluster import DevCluster

pytestmark = pytest.mark.integration

AGENTS = {"z1", "z2"}


def new_cluster(folder: Path, **options: object) -> DevCluster:
    """A cluster of two agents that is not started yet."""
    settings = {"port": free_block(3), "agents": 2, "ping_timeout_seconds": 1.0, **options}
    return DevCluster(folder, **settings)


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    """A cluster for the tests that leave it whole."""
    # The path is longer than a socket address may be, on purpose.
    folder = tmp_path_factory.mktemp("dev") / ("long" * 20) / "data"
    with new_cluster(folder) as cluster:
        yield cluster


def agent_journal(cluster: DevCluster, agent: str, *task_ids: str) -> list[Json]:
    """What an agent's journal says of the tasks."""
    lines = read_journal(cluster.config.root / agent / "journal.jsonl")
    return [line for line in lines if line.get("task_id") in task_ids]


def home_of(cluster: DevCluster, status: Json) -> str:
    """The name of the agent that a status comes from."""
    zones = {v: k for k, v in agents(cluster.config.port).items()}
    return "agent" + zones[status["agent_id"]["value"]][1:]


def started_pid(cluster: DevCluster, agent: str, task_id: str) -> int:
    """The process of a task, by the agent's journal."""
    (line,) = [x for x in agent_journal(cluster, agent, task_id) if x["what"] == "STARTED"]
    return int(line["pid"])


def sandbox(cluster: DevCluster, framework: Framework, status: Json, name: str) -> str:
    """A file of a task's sandbox, over HTTP."""
    port = cluster.config.port_of(home_of(cluster, status))
    task_id = status["task_id"]["value"]
    path = f"/frameworks/{framework.framework_id}/executors/{task_id}/runs/latest/{name}"
    reply = request(port, "GET", f"/files/read?path={path}&offset=0")
    assert reply.status == 200, reply.text
    return str(reply.json["data"])


def test_output_and_environment_of_a_task(dev: DevCluster) -> None:
    with Framework(dev.config.port) as framework:
        status = framework.run("talker", "env | sort; echo oops >&2; exec sleep 600")
        wait_until(
            lambda: sandbox(dev, framework, status, "stderr") == "oops\n", "the task has spoken"
        )
        lines = sandbox(dev, framework, status, "stdout").splitlines()
        names = {line.partition("=")[0] for line in lines}
        # Nothing of the environment in which the cluster was started reaches a task.
        assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {
            "PATH",
            "MESOS_AGENT_ENDPOINT",
            "MESOS_AGENT_ID",
            "MESOS_ALLOCATION_ROLE",
            "MESOS_CHECKPOINT",
            "MESOS_CONTAINER_IP",
            "MESOS_DIRECTORY",
            "MESOS_EXECUTOR_ID",
            "MESOS_FRAMEWORK_ID",
            "MESOS_SANDBOX",
            "MESOS_SLAVE_ID",
            "MESOS_TASK_ID",
        }
        assert "MESOS_TASK_ID=talker" in lines


def test_journals_tell_who_was_launched_started_and_ended(dev: DevCluster) -> None:
    with Framework(dev.config.port) as framework:
        offer = framework.offers()[0]
        framework.launch([offer], [task("noted", offer, "exit 5")])
        status = framework.await_state("noted", "TASK_FAILED")
        lines = read_journal(dev.config.root / "journal.jsonl")
        (launch,) = [x for x in lines if x["what"] == "LAUNCH" and x["task_id"] == "noted"]
        assert launch["offer_ids"] == [offer["id"]["value"]]
        assert launch["agent_id"] == offer["agent_id"]["value"]
        assert launch["stream_id"] == framework.stream.stream_id
        assert launch["framework_id"] == framework.framework_id
        started, ended = agent_journal(dev, home_of(dev, status), "noted")
        assert (started["what"], ended["what"], ended["exit"]) == ("STARTED", "ENDED", 5)
        assert started["pid"] == ended["pid"]
        assert launch["at_ms"] <= started["at_ms"] <= ended["at_ms"]
        framework.acknowledge(status)
        framework.kill("ghost")
        framework.reconcile(("ghost", None))
        framework.call("TEARDOWN")
    mine = [
        x["what"]
        for x in read_journal(dev.config.root / "journal.jsonl")
        if x.get("framework_id") == framework.framework_id
    ]
    assert mine[0] == "SUBSCRIBE"
    assert mine[-3:] == ["KILL", "RECONCILE", "TEARDOWN"]
    assert mine.count("ACKNOWLEDGE") == 3


def test_journals_tell_of_custom_executors_apart_from_tasks(dev: DevCluster) -> None:
    with Framework(dev.config.port) as framework:
        offer = framework.offers()[0]
        info = executor_info("scribe", "exit 3")
        framework.launch([offer], [task("of-scribe", offer, command=None, executor=info)])
        status = framework.await_state("of-scribe", "TASK_FAILED")
        home = dev.config.root / home_of(dev, status)
        lines = read_journal(home / "journal.jsonl")
        mine = [x for x in lines if x.get("executor_id") == "scribe"]
        assert [x["what"] for x in mine] == ["EXECUTOR_STARTED", "EXECUTOR_ENDED"]
        assert mine[1]["exit"] == 3
        assert agent_journal(dev, home.name, "of-scribe", "scribe") == []


def test_tasks_outlive_their_agent_and_keep_their_process(dev: DevCluster) -> None:
    with Framework(dev.config.port) as framework:
        status = framework.run("survivor")
        agent = home_of(dev, status)
        pid = started_pid(dev, agent, "survivor")
        dev.kill(agent)
        assert not is_gone(pid)
        dev.start_node(agent)
        await_agents(dev.config.port, AGENTS)
        framework.kill("survivor")
        framework.await_state("survivor", "TASK_KILLED")
        assert is_gone(pid)
        assert [x["what"] for x in agent_journal(dev, agent, "survivor")] == ["STARTED", "ENDED"]


def test_tasks_without_checkpoint_end_with_their_agent(dev: DevCluster) -> None:
    with Framework(dev.config.port, checkpoint=False) as framework:
        status = framework.run("mortal", "trap '' TERM; while :; do sleep 0.1; done")
        agent = home_of(dev, status)
        pid = started_pid(dev, agent, "mortal")
        dev.kill(agent)
        framework.await_state("mortal", "TASK_LOST")
        wait_until(lambda: is_gone(pid), "the task has ended")
        dev.start_node(agent)
        await_agents(dev.config.port, AGENTS)


def test_a_master_that_dies_takes_no_task_along(dev: DevCluster) -> None:
    with Framework(dev.config.port) as framework:
        status = framework.run("unmoved")
        agent = home_of(dev, status)
        pid = started_pid(dev, agent, "unmoved")
        ids = agents(dev.config.port)
        dev.kill("master")
        dev.start_node("master")
        wait_until(lambda: _answers(dev), "the master answers")
        assert await_agents(dev.config.port, AGENTS) == ids
        framework.subscribe()
        framework.reconcile()
        assert framework.await_update("unmoved")["state"] == "TASK_RUNNING"
        assert not is_gone(pid)


def _answers(cluster: DevCluster) -> bool:
    try:
        return request(cluster.config.port, "GET", "/health").status == 200
    except OSError:
        return False


def test_a_paused_agent_is_lost_and_comes_back(dev: DevCluster) -> None:
    with Framework(dev.config.port) as framework:
        status = framework.run("frozen")
        agent = home_of(dev, status)
        dev.pause(agent)
        lost = framework.await_state("frozen", "TASK_UNREACHABLE")
        assert lost["reason"] == "REASON_AGENT_REMOVED"
        dev.resume(agent)
        back = framework.await_state("frozen", "TASK_RUNNING")
        assert back["reason"] == "REASON_AGENT_REREGISTERED"
        await_agents(dev.config.port, AGENTS)


def test_nothing_of_a_task_stays_behind(dev: DevCluster, tmp_path: Path) -> None:
    # One that stays in the group, and one that tries to escape into a session of its own.
    script = f"""
        sleep 600 & echo $! > "{tmp_path}/left"
        setsid sh -c 'sleep 600 & echo $! > "{tmp_path}/escaped"; exit 0'
        while [ ! -s "{tmp_path}/escaped" ]; do sleep 0.01; done
    """
    with Framework(dev.config.port) as framework:
        offer = framework.offers()[0]
        framework.launch([offer], [task("litterer", offer, script)])
        framework.await_state("litterer", "TASK_FINISHED")
        pids = [int((tmp_path / name).read_text()) for name in ("left", "escaped")]
        wait_until(lambda: all(is_gone(pid) for pid in pids), "its children have ended")


def test_an_executor_that_is_killed_fails_its_task(dev: DevCluster) -> None:
    with Framework(dev.config.port) as framework:
        status = framework.run("orphaned")
        pid = started_pid(dev, home_of(dev, status), "orphaned")
        os.kill(status["container_status"]["executor_pid"], signal.SIGKILL)
        failed = framework.await_state("orphaned", "TASK_FAILED")
        assert failed["reason"] == "REASON_EXECUTOR_TERMINATED"
        assert (failed["source"], failed["message"]) == ("SOURCE_AGENT", "Executor terminated")
        wait_until(lambda: is_gone(pid), "the task has ended with its keeper")


def test_what_a_task_had_started_ends_with_its_executor(dev: DevCluster, tmp_path: Path) -> None:
    script = f'sleep 600 & echo $! > "{tmp_path}/left"; wait'
    with Framework(dev.config.port) as framework:
        offer = framework.offers()[0]
        framework.launch([offer], [task("parent", offer, script)])
        status = framework.await_state("parent", "TASK_RUNNING")
        framework.acknowledge(status)
        left = tmp_path / "left"
        wait_until(lambda: left.exists() and left.read_text().endswith("\n"), "its child runs")
        os.kill(status["container_status"]["executor_pid"], signal.SIGKILL)
        framework.await_state("parent", "TASK_FAILED")
        wait_until(lambda: is_gone(int(left.read_text())), "its child has ended")


def test_a_task_that_takes_too_long_is_ended(dev: DevCluster) -> None:
    with Framework(dev.config.port) as framework:
        offer = framework.offers()[0]
        limit = {"nanoseconds": 300_000_000}
        framework.launch([offer], [task("endless", offer, max_completion_time=limit)])
        failed = framework.await_state("endless", "TASK_FAILED")
        assert failed["reason"] == "REASON_MAX_COMPLETION_TIME_REACHED"


def test_a_command_that_cannot_run_says_so_in_its_sandbox(dev: DevCluster) -> None:
    command = {"shell": False, "value": "/no/such/program"}
    with Framework(dev.config.port) as framework:
        offer = framework.offers()[0]
        framework.launch([offer], [task("hopeless", offer, command=command)])
        failed = framework.await_state("hopeless", "TASK_FAILED")
        assert failed["message"] == "Command exited with status 1"
        assert "No such file" in sandbox(dev, framework, failed, "stderr")


def test_only_the_clusters_own_agents_are_let_in(dev: DevCluster) -> None:
    port = dev.config.port
    for path in ("/inner/agents", "/inner/links/x"):
        for token in ("", "wrong"):
            headers = {"X-Flumina-Dev-Cluster-Token": token}
            assert request(port, path=path, body="{}", headers=headers).status == 403


def test_a_call_that_is_too_large_is_refused(dev: DevCluster) -> None:
    headers = {"Content-Type": "application/json"}
    reply = request(dev.config.port, body=b" " * (17 * 1024 * 1024), headers=headers)
    assert reply.status == 413
    assert _answers(dev)


def say(*words: str) -> subprocess.CompletedProcess[str]:
    """What the command answers."""
    command = [sys.executable, "-m", "streams.cli.dev_cluster", *words]
    return subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60
    )


def test_the_commands_of_a_person(dev: DevCluster) -> None:
    where = ("--data-dir", str(dev.config.root))
    status = json.loads(say("status", "--json", *where).stdout)
    assert [n["node"] for n in status["nodes"]] == ["master", "agent1", "agent2"]
    assert all(n["pid"] for n in status["nodes"])
    assert say("kill", "agent2", *where).stdout.startswith("agent2 is dead\n")
    again = say("kill", "agent2", *where)
    assert (again.returncode, "does not run" in again.stderr) == (2, True)
    # By the port alone: the running cluster has left a note of where it lives.
    started = say("start", "agent2", "--port", str(dev.config.port)).stdout
    assert started.startswith("agent2 is back\n")
    unknown = say("kill", "agent9", *where)
    assert (unknown.returncode, "there is no 'agent9' here" in unknown.stderr) == (2, True)
    nowhere = say("status", "--port", "1")
    assert (nowhere.returncode, "no development cluster answers" in nowhere.stderr) == (2, True)


def test_nonsense_on_the_control_socket_harms_nobody(dev: DevCluster) -> None:
    for line in (b"{\n", b"[]\n", b"\xff\n", b'{"verb": []}\n', b'{"verb": "kill"}\n', b""):
        with control.control_socket(dev.config.root, listen=False) as asking:
            asking.sendall(line)
            asking.shutdown(socket.SHUT_WR)
            answer = asking.recv(4096)
        assert answer == b"" if not line else not json.loads(answer)["ok"]
    assert dev.status()["ok"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--agents", "0"), "out of range"),
        (("--port", "65535"), "leaves no ports"),
        (("--host", "0.0.0.0"), "can be reached by others"),  # noqa: S104 - it is refused
        (("--resources", "cpus=4"), "name:value"),
        (("--attributes", "zone"), "name:value"),
        (("--attributes", "res:ResourceSet-ENIs-3"), "attribute res"),
        (("--cpu-sets", "--simulate", "9"), "with --simulate there are none"),
        (("--ping-timeout", "soon"), "is not a duration"),
        (("--isolation", "walls"), "possible are auto, none, memory"),
        (("--data-dir", "/dev/null"), "cannot be used"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(words: tuple[str, ...], part: str) -> None:
    answer = say(*words)
    assert answer.returncode == 2
    assert part in answer.stderr


def pids_of(cluster: DevCluster) -> list[int]:
    """All processes that belong to a cluster: they have its data directory in their words."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                words = (path / "cmdline").read_bytes()
            except OSError:
                continue
            if str(cluster.config.root).encode() in words and not is_gone(int(path.name)):
                found.append(int(path.name))
    return found


BUSY = """
    trap '' TERM
    setsid sh -c 'trap "" TERM; echo $$ > "{0}/escaped"; exec sleep 600' &
    while :; do sleep 0.1; done
"""


@pytest.mark.parametrize("way", ["stop", "kill -9 the supervisor", "interrupt"])
def test_however_it_ends_nothing_is_left(tmp_path: Path, way: str) -> None:
    with new_cluster(tmp_path / "data") as cluster:
        port = cluster.config.port
        framework = Framework(port).subscribe()
        status = framework.run("stubborn", BUSY.format(tmp_path))
        pid = started_pid(cluster, home_of(cluster, status), "stubborn")
        # An agent that was killed before does not take its executors out of the supervisor's hands.
        cluster.kill(home_of(cluster, status))
        trace = tmp_path / "escaped"
        wait_until(lambda: trace.exists() and trace.read_text() != "", "a process has escaped")
        escaped = int((tmp_path / "escaped").read_text())
        assert len(pids_of(cluster)) >= 5
        supervisor_pid = cluster.status()["pid"]
        if way == "stop":
            cluster.stop()
        else:
            number = signal.SIGINT if way == "interrupt" else signal.SIGKILL
            os.kill(supervisor_pid, number)
        wait_until(lambda: not pids_of(cluster), "every process of the cluster has ended")
        assert is_gone(pid)
        wait_until(lambda: is_gone(escaped), "the escaped process has ended")
        framework.stream.close()


def test_it_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    cluster = new_cluster(tmp_path / "data")
    program = f"""
import pathlib, time
from tests.support.dev_cluster import DevCluster
DevCluster(pathlib.Path({str(tmp_path / "data")!r}), port={cluster.config.port}, agents=2).start()
print("up", flush=True)
time.sleep(600)
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        assert len(pids_of(cluster)) >= 5
        owner.kill()
        wait_until(lambda: not pids_of(cluster), "every process of the cluster has ended")


def test_a_cluster_started_again_knows_its_agents_and_owns_up_to_its_tasks(tmp_path: Path) -> None:
    cluster = new_cluster(tmp_path / "data")
    with cluster:
        port = cluster.config.port
        ids = agents(port)
        framework = Framework(port).subscribe()
        framework.run("interrupted")
    framework.stream.close()
    with cluster:
        assert await_agents(port, AGENTS) == ids
        framework.subscribe()
        status = framework.await_state("interrupted", "TASK_FAILED")
        assert status["message"] == "Command terminated with signal Terminated"
        framework.call("TEARDOWN")
        framework.stream.close()


def test_two_clusters_cannot_share_a_folder_or_a_port(tmp_path: Path) -> None:
    with new_cluster(tmp_path / "data") as cluster:
        port = cluster.config.port
        other_port = str(free_block(3))
        answer = say("--data-dir", str(cluster.config.root), "--port", other_port)
        assert (answer.returncode, "already runs on" in answer.stderr) == (2, True)
        assert f"stop --data-dir {cluster.config.root}" in answer.stderr
        # The loser has not touched the winner's configuration.
        assert ClusterConfig.read(cluster.config.root) == cluster.config
        answer = say("--data-dir", str(tmp_path / "other"), "--port", str(port))
        assert (answer.returncode, f"cannot listen on port {port}" in answer.stderr) == (2, True)
        assert await_agents(port, AGENTS)


def test_an_agent_that_was_marked_gone_may_not_come_back(tmp_path: Path) -> None:
    with new_cluster(tmp_path / "data") as cluster:
        port = cluster.config.port
        with Framework(port) as framework:
            status = framework.run("taken-along")
            agent = home_of(cluster, status)
            pid = started_pid(cluster, agent, "taken-along")
            answer = say("gone", agent, "--data-dir", str(cluster.config.root))
            assert answer.returncode == 0, answer.stderr
            assert answer.stdout.startswith(f"{agent} is gone for good\n")
            framework.await_state("taken-along", "TASK_GONE_BY_OPERATOR")
            wait_until(lambda: is_gone(pid), "the task has ended")
            cluster.kill(agent)
            refused = say("start", agent, "--data-dir", str(cluster.config.root))
            assert (refused.returncode, "was marked gone" in refused.stderr) == (2, True)
            log = cluster.config.root / f"{agent}.log"
            refusal = "why=Agent has been marked gone"
            wait_until(lambda: log.read_text().count(refusal) == 2, "it was refused again")
            assert len(agents(port)) == 1
        for verb in ("gone", "drain", "maintenance"):
            answer = say(verb, "agent7", "--data-dir", str(cluster.config.root))
            assert (answer.returncode, "was ever registered" in answer.stderr) == (2, True)


def test_the_window_after_a_masters_death_can_be_short(tmp_path: Path) -> None:
    with new_cluster(tmp_path / "data", reregister_timeout_seconds=2.0) as cluster:
        port = cluster.config.port
        z2 = agents(port)["z2"]
        with Framework(port) as framework:
            cluster.kill("agent2")
            cluster.kill("master")
            cluster.start_node("master")
            wait_until(lambda: _answers(cluster), "the master answers")
            framework.subscribe()
            failure = framework.await_event("FAILURE")
            assert failure["failure"]["agent_id"]["value"] == z2
            framework.reconcile(("anything", z2))
            assert framework.await_update("anything")["state"] == "TASK_UNREACHABLE"
