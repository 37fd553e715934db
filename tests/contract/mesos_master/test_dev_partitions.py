"""Network cuts by command: what each side notices, when, and how it ends.

The one thing to know: a real Mesos has no such command; but what its master does when an agent is
silent on open connections is tested on both in ``test_silence.py``, with SIGSTOP.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from streams.supervise.ports import free_block
from tests.contract.mesos_master.master_client import (
    PATIENCE_S,
    QUIET_S,
    Framework,
    Json,
    await_agents,
    request,
    task,
)
from tests.contract.mesos_master.test_dev_processes import say
from tests.processes import wait_until
from tests.support.dev_cluster import DevCluster

pytestmark = pytest.mark.integration

AGENTS = {"z1", "z2"}


@pytest.fixture(scope="module")
def one_for_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    """A cluster of two agents, which miss four pings of a second."""
    options = {"ping_timeout_seconds": 1.0, "missed_pings_max": 4}
    folder = tmp_path_factory.mktemp("cut") / "data"
    with DevCluster(folder, port=free_block(4), agents=2, **options) as cluster:
        yield cluster


@pytest.fixture
def dev(one_for_all: DevCluster) -> Iterator[DevCluster]:
    """The cluster, which is healed again after the test."""
    yield one_for_all
    one_for_all.heal()
    await_agents(one_for_all.config.port, AGENTS)


def started_on(framework: Framework, agent_id: str, task_id: str, script: str = "") -> None:
    """Run a task on this agent."""
    offer = framework.offer_of(agent_id)
    framework.launch([offer], [task(task_id, offer, script or "exec sleep 600")])
    framework.acknowledge(framework.await_state(task_id, "TASK_RUNNING"))


def updates_in(events: list[Json]) -> list[tuple[str, str]]:
    """Task and state of the updates among these events."""
    found = [e["update"]["status"] for e in events if e["type"] == "UPDATE"]
    return [(s["task_id"]["value"], s["state"]) for s in found]


def test_an_agent_cut_off_too_long_is_lost_and_returns_with_all_that_happened(
    dev: DevCluster, tmp_path: Path
) -> None:
    port = dev.config.port
    z1 = await_agents(port, AGENTS)["z1"]
    over = tmp_path / "over"
    with Framework(port) as framework:
        started_on(framework, z1, "endures")
        script = f'while [ ! -e "{over}" ]; do sleep 0.05; done; exit 3'
        started_on(framework, z1, "ends", script)
        dev.partition("master", "agent1")
        # The connection is open, so nobody is told anything before the pings have failed.
        assert updates_in(framework.events_for(QUIET_S)) == []
        framework.reconcile(("endures", z1))
        assert framework.await_update("endures")["state"] == "TASK_RUNNING"
        over.touch()
        lost = framework.await_state("endures", "TASK_UNREACHABLE")
        assert lost["reason"] == "REASON_AGENT_REMOVED"
        dev.heal("master", "agent1")
        back = framework.await_update("endures")
        assert (back["state"], back["reason"]) == ("TASK_RUNNING", "REASON_AGENT_REREGISTERED")
        failed = framework.await_state("ends", "TASK_FAILED")
        while "uuid" not in failed:  # the master's own word on its return comes first
            failed = framework.await_state("ends", "TASK_FAILED")
        framework.acknowledge(failed)
        assert await_agents(port, AGENTS)["z1"] == z1


def test_a_short_cut_between_master_and_agent_changes_nothing(dev: DevCluster) -> None:
    port = dev.config.port
    z1 = await_agents(port, AGENTS)["z1"]
    with Framework(port) as framework:
        started_on(framework, z1, "killed-meanwhile")
        dev.partition("agent1", "master")
        framework.kill("killed-meanwhile")
        assert updates_in(framework.events_for(QUIET_S)) == []
        dev.heal()
        framework.await_state("killed-meanwhile", "TASK_KILLED")
        framework.reconcile(("nothing-else", z1))
        assert framework.await_update("nothing-else")["state"] == "TASK_GONE"


def test_a_launch_on_an_agent_that_is_cut_off_arrives_later(dev: DevCluster) -> None:
    port = dev.config.port
    z1 = await_agents(port, AGENTS)["z1"]
    with Framework(port) as framework:
        offer = framework.offer_of(z1)
        dev.partition("master", "agent1", one_way=True)  # the agent hears nothing, and is heard
        framework.launch([offer], [task("late", offer)])
        framework.reconcile(("late", z1))
        assert framework.await_update("late")["state"] == "TASK_STAGING"
        dev.heal()
        framework.await_state("late", "TASK_RUNNING")


def test_a_framework_that_is_cut_off_hears_nothing_until_it_is_healed(dev: DevCluster) -> None:
    port = dev.config.port
    with Framework(port) as framework:
        framework.run("witness")
        framework.call("SUPPRESS")
        framework.events_for(QUIET_S)
        dev.partition("scheduler", "master")
        # A call on a new connection: nobody answers, and it is not done.
        body = json.dumps({"type": "GET_HEALTH"})
        with closing(socket.create_connection(("127.0.0.1", port), timeout=QUIET_S)) as waiting:
            head = f"POST /api/v1 HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n"
            waiting.sendall((head + body).encode())
            with pytest.raises(TimeoutError):
                waiting.recv(1)
        # The commands of this cluster get through.
        status = json.loads(say("status", "--json", "--data-dir", str(dev.config.root)).stdout)
        assert {(c["from"], c["to"]) for c in status["cuts"]} == {
            ("master", "scheduler"),
            ("scheduler", "master"),
        }
        assert all(n["active"] for n in status["nodes"] if "active" in n)
        dev.kill("agent1", host=True)
        dev.kill("agent2", host=True)
        # Whichever had the task: it is lost, and that is not heard. The stream stays open.
        assert not framework.events_for(7.0)
        assert not framework.stream.has_ended.is_set()
        dev.heal()
        unreachable = framework.await_state("witness", "TASK_UNREACHABLE")
        assert unreachable["reason"] == "REASON_AGENT_REMOVED"
        for node in ("agent1", "agent2"):
            dev.start_node(node)
        # Its executor ended with the host: the agent says so when it is back.
        failed = framework.await_state("witness", "TASK_FAILED", 2 * PATIENCE_S)
        assert failed["reason"] in ("REASON_EXECUTOR_TERMINATED", "REASON_AGENT_REREGISTERED")
    await_agents(port, AGENTS)


def test_the_verbs_of_a_person(dev: DevCluster) -> None:
    where = ("--data-dir", str(dev.config.root))
    done = say("partition", "master", "agent1", "--for", "30s", *where)
    assert done.returncode == 0, done.stderr
    assert "master and agent1 are cut off from each other for 30 s" in done.stdout
    assert "4 missed pings of 1 s: in about 4 s the agent's tasks are" in done.stdout
    shown = say("status", *where).stdout
    assert "cut: agent1 hears nothing from master, for" in shown
    answer = json.loads(say("heal", "master", "agent1", "--json", *where).stdout)
    assert sorted(answer["cuts_healed"]) == [["agent1", "master"], ["master", "agent1"]]
    assert say("heal", *where).stdout == "nothing is cut off\n"
    for words, part in (
        (("partition", "agent1", "agent2"), "agents do not speak"),
        (("partition", "master", "nobody"), "nothing here is called 'nobody'"),
        (("heal", "master", "agent1"), "are not cut off from each other"),
        (("heal", "master"), "heal takes two names"),
        (("partition", "master", "agent1", "--for", "soon"), "is not a duration"),
        (("kill", "master", "--host"), "runs no tasks"),
        (("start", "agent9"), "the next new one would be agent3"),
    ):
        refused = say(*words, *where)
        assert refused.returncode == 2, words
        assert part in " ".join(refused.stderr.replace("│", " ").split()), words


def test_a_cut_heals_by_itself_and_a_new_process_obeys_it(dev: DevCluster) -> None:
    port = dev.config.port
    dev.partition("agent1", "scheduler")
    dev.kill("agent1")
    dev.start_node("agent1")
    await_agents(port, AGENTS)
    agent_port = dev.config.port_of("agent1")
    with closing(socket.create_connection(("127.0.0.1", agent_port), timeout=QUIET_S)) as waiting:
        waiting.sendall(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
        with pytest.raises(TimeoutError):
            waiting.recv(1)
    # What is asked again has a new end.
    words = ("partition", "agent1", "scheduler", "--for", "1s")
    assert say(*words, "--data-dir", str(dev.config.root)).returncode == 0
    wait_until(lambda: dev.status()["cuts"] == [], "the cut has ended")
    assert request(agent_port, "GET", "/health").status == 200


def test_a_new_agent_joins(tmp_path: Path) -> None:
    with DevCluster(tmp_path / "data", port=free_block(4), agents=1) as cluster:
        where = ("--data-dir", str(cluster.config.root))
        assert "agent2 is back" in say("start", "agent2", *where).stdout
        assert await_agents(cluster.config.port, AGENTS)
        assert [n["node"] for n in cluster.status()["nodes"]] == ["master", "agent1", "agent2"]


def test_an_operators_verbs(tmp_path: Path) -> None:
    """Drain, reactivate, maintenance and gone, as a person says them, until the master obeys."""
    port = free_block(4)
    with (
        DevCluster(tmp_path / "data", port=port, agents=2, ping_timeout_seconds=1.0) as cluster,
        Framework(port) as there,
    ):
        where = ("--data-dir", str(cluster.config.root))
        z1 = await_agents(cluster.config.port, AGENTS)["z1"]

        def state_of(node: str) -> str:
            nodes = json.loads(say("status", "--json", *where).stdout)["nodes"]
            return str(next(n["drain"] for n in nodes if n["node"] == node))

        started_on(there, z1, "drained")
        done = say("drain", "agent1", "--grace", "1s", *where)
        assert done.returncode == 0, done.stderr
        assert "with at most 1s of grace" in done.stdout
        killed = there.await_state("drained", "TASK_KILLED")
        assert killed["reason"] == "REASON_AGENT_DRAINING"
        there.acknowledge(killed)
        wait_until(lambda: state_of("agent1") == "DRAINED", "the agent is drained")
        assert "DRAINED" in say("status", *where).stdout
        # A drained agent that is started again is back, though nothing of it is offered.
        assert say("kill", "agent1", *where).returncode == 0
        assert "agent1 is back" in say("start", "agent1", *where).stdout
        assert "agent1 is active again" in say("reactivate", "agent1", *where).stdout
        there.offer_of(z1)

        scheduled = say("maintenance", "agent2", "--in", "30s", "--for", "10mins", *where)
        assert scheduled.returncode == 0, scheduled.stderr
        both = say("maintenance", "agent2", "--down", "--up", *where)
        assert (both.returncode, "exclude each other" in both.stderr) == (2, True)
        assert say("maintenance", "agent2", "--down", *where).returncode == 0
        await_agents(cluster.config.port, {"z1"})
        assert say("maintenance", "agent2", "--up", *where).returncode == 0
        cleared = say("maintenance", "agent2", "--clear", *where)
        assert cleared.returncode == 0, cleared.stderr
