"""What a task reaches of the control plane where it has a network of its own: nothing.

Real listeners on real ports of this computer; the task tries each, and its own metadata endpoint.
"""

import contextlib
import json
import socket
from collections.abc import Iterator

import pytest

from tests.contract.mesos_master.master_client import request
from tests.integration.identity.conftest import ROLE, Hosted, labels
from tests.integration.identity.test_metadata import ASKS

pytestmark = pytest.mark.integration
PYTHON = "python3"
"""The computer's own: a task of another user may not read a checkout in somebody's home."""


@pytest.fixture
def doors() -> Iterator[list[int]]:
    """Ports on which something listens: they stand for Kafka, the API and metrics."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                contextlib.closing(socket.create_server(("127.0.0.1", 0)))
            ).getsockname()[1]
            for _ in range(3)
        ]


def test_a_task_reaches_its_metadata_and_nothing_of_the_control_plane(
    apart: Hosted, doors: list[int], aws: str
) -> None:
    config = apart.cluster.config
    rows = request(config.port_of("agent1"), "GET", "/state").json["flumina_isolation"]
    (row,) = [each for each in rows if each["kind"] == "network"]
    if row["by"] is None:
        pytest.skip(f"tasks have no network of their own here: {row['text']}")
    moto = int(aws.rpartition(":")[2])
    ports = [config.port, config.port_of("agent1"), moto, *doors]
    for port in ports:  # They are there, for who is not in the task.
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    program = (
        ASKS
        + f"""
import socket
reached = []
for port in {ports!r}:
    for address in ("127.0.0.1", "127.1.0.1", {socket.gethostname()!r}):
        try:
            socket.create_connection((address, port), timeout=2).close()
            reached.append([address, port])
        except OSError:
            pass
role = json.loads(get("/latest/meta-data/iam/security-credentials/worker")[1])
print(json.dumps({{
    "reached": reached,
    "instance": get("/latest/meta-data/instance-id")[1],
    "zone": get("/latest/meta-data/placement/availability-zone")[1],
    "role": role["Code"],
    "privileges": open("/proc/self/status").read().split("NoNewPrivs:")[1].split()[0],
    "uid_outside": open("/proc/self/uid_map").read().split()[1],
}}), flush=True)
"""
    )
    apart.begin("apart", program, labels(iamRole=ROLE), {}, PYTHON)
    found = apart.printed("apart")
    assert found["reached"] == []
    assert (found["instance"], found["zone"], found["role"]) == ("apart", "eu-west-1b", "Success")
    assert found["privileges"] == "1"
    assert int(found["uid_outside"]) >= 1_000_000, "or the host shifts no users"


def test_a_task_that_has_no_role_has_a_network_all_the_same(apart: Hosted) -> None:
    program = """
import json, socket
found = []
for address in (("127.0.0.1", 1), ("169.254.169.254", 80)):
    try:
        socket.create_connection(address, timeout=2)
        found.append("reached")
    except OSError as error:
        found.append(type(error).__name__)
print(json.dumps(found), flush=True)
"""
    apart.begin("bare", program, labels(job="job"), {}, PYTHON)
    assert apart.printed("bare") == ["ConnectionRefusedError", "ConnectionRefusedError"]
    assert json.dumps(apart.cluster.config.isolation)
