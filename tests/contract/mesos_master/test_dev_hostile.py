"""What many, half and monstrous requests do to the dev master: nothing, to its other frameworks.

The one thing to know: a witness asks and is answered all the while, and every case demands that it
never waited for more than a second of the master's work. A real Mesos is not treated like that: it
is not ours to mend.
"""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.contract.mesos_client.clusters import Cluster
from tests.contract.mesos_master.master_client import (
    PATIENCE_S,
    SCHEDULER,
    Framework,
    Json,
    Reply,
    request,
)
from tests.processes import wait_until

pytestmark = pytest.mark.integration

WAIT_S_MAX = 1.0
GROWTH_MB_MAX = 80
# Connections of the agents and of other tests come and go meanwhile.
OTHERS_MAX = 8


@pytest.fixture
def dev_master(cluster: Cluster, is_real: bool) -> Cluster:
    """The dev cluster."""
    if is_real:
        pytest.skip("a real master is not made for this, and not ours to mend")
    return cluster


@contextmanager
def witnessed(cluster: Cluster) -> Iterator[None]:
    """Demand that a framework's questions are answered in time, and that all is given back.

    In time is told by how long the master computed meanwhile: others may keep the computer busy.
    """
    pid = cluster.pid("master")
    before = open_files(pid)
    waits: list[float] = []
    is_over = threading.Event()
    with Framework(cluster.port, name="witness") as witness:

        def ask() -> None:
            while not (is_over.wait(0.02) and waits):
                worked_s = cpu_s(pid)
                witness.reconcile(("nobody's", None))
                witness.await_update("nobody's")
                waits.append(cpu_s(pid) - worked_s)

        asking = threading.Thread(target=ask)
        asking.start()
        grown_from = memory_mb(pid)
        try:
            yield
        finally:
            is_over.set()
            asking.join()
        assert memory_mb(pid) - grown_from < GROWTH_MB_MAX
    assert max(waits) < WAIT_S_MAX
    wait_until(
        lambda: open_files(pid) <= before + OTHERS_MAX, "the master has closed every connection"
    )
    assert cluster.pid("master") == pid


def open_files(pid: int) -> int:
    """How many files and connections a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def cpu_s(pid: int) -> float:
    """How long a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> int:
    """How much memory a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1024


def head(length: int) -> bytes:
    """The head of a scheduler call."""
    return (
        f"POST {SCHEDULER} HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


HALF = {
    "nothing": b"",
    "half a line": b"POST /api/v1/sched",
    "half a body": head(1_000_000) + b'{"type"',
    "half a chunk": head(1).replace(b"Content-Length: 1", b"Transfer-Encoding: chunked")
    + b"ff\r\n{",
    "something else": b"\x16\x03\x01\x02\x00\x01\x00\x01",
}


@pytest.mark.parametrize("name", HALF)
def test_connections_that_say_half_and_leave(dev_master: Cluster, name: str) -> None:
    with witnessed(dev_master), ExitStack() as left:
        for _ in range(400):
            connection = socket.create_connection(("127.0.0.1", dev_master.port))
            left.enter_context(connection)
            connection.sendall(HALF[name])


def test_500_subscriptions_of_one_framework(dev_master: Cluster) -> None:
    with witnessed(dev_master), Framework(dev_master.port, name="storm") as storm:
        body = json.dumps(storm.subscription()).encode()
        evicting = []
        with ExitStack() as left:
            for _ in range(500):
                connection = socket.create_connection(("127.0.0.1", dev_master.port))
                left.enter_context(connection)
                connection.sendall(head(len(body)) + body)
                evicting.append(connection)
            for connection in evicting:
                connection.settimeout(PATIENCE_S)
                assert connection.recv(12) == b"HTTP/1.1 200"
        assert storm.stream.has_ended.wait(PATIENCE_S)
        storm.subscribe()
        assert storm.call("REVIVE").status == 202


def test_a_question_about_10_000_tasks(dev_master: Cluster) -> None:
    with witnessed(dev_master), Framework(dev_master.port, name="curious") as framework:
        framework.reconcile(*[(f"task-{number}", None) for number in range(10_000)])
        answers = {
            framework.await_event("UPDATE")["update"]["status"]["task_id"]["value"]
            for _ in range(10_000)
        }
        assert len(answers) == 10_000


def a_call(framework: Framework, invented: str) -> Reply:
    """The answer to a REVIVE that carries something that nobody knows, as it is written."""
    call: Json = {"type": "REVIVE", "framework_id": {"value": framework.framework_id}}
    body = json.dumps(call)[:-1] + f',"invented":{invented}}}'
    headers = {
        "Content-Type": "application/json",
        "Mesos-Stream-Id": framework.stream.stream_id,
    }
    return request(framework.port, body=body, headers=headers)


MONSTROUS = {
    "5 MB of labels": (json.dumps([{"key": "k" * 50, "value": "v" * 450}] * 10_000), 202),
    "a text of 15 MB": ('"' + "a" * 15_000_000 + '"', 202),
    "a text of 17 MB": ('"' + "a" * 17_000_000 + '"', 413),
    "100,000 levels": ("[" * 100_000 + "]" * 100_000, 400),
    "never closed": ('{"a":' * 500_000, 400),
    "a number without end": ("1" * 1_000_000, 400),
}


@pytest.mark.parametrize("name", MONSTROUS)
def test_a_monstrous_call(dev_master: Cluster, name: str) -> None:
    invented, status = MONSTROUS[name]
    with witnessed(dev_master), Framework(dev_master.port, name="monster") as framework:
        assert a_call(framework, invented).status == status
