"""A small control plane, each process as a user of its own that may do what the table says.

On a broker with TLS, SCRAM and access control: a cell, its api and a dev cluster run a job. What
another user of the same broker may not do is in `test_access.py`.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.devcluster.agent.isolation import probe
from streams.supervise.ports import free_block
from tests.integration.kafka_security.conftest import allow
from tests.support.api_process import ApiProcess
from tests.support.secured_kafka import SecuredKafka
from tests.support.world import World

pytestmark = pytest.mark.integration
PREFIX = "plane."
"""Topics of its own: other tests write to those of the others what no cell would."""
JOB: dict[str, Any] = {
    "owner": {"teamEmail": "team@example.com"},
    "applicationName": "secured",
    "container": {
        "resources": {"cpu": 0.1, "memoryMB": 128, "diskMB": 10},
        "image": {"name": "none", "tag": "1"},
    },
    "batch": {"size": 1},
}


class _World(World):
    """A world whose test looks as an operator, and whose cell is the component ``cell``."""

    def __init__(self, secured: SecuredKafka, home: Path) -> None:
        super().__init__(secured.brokers("operator"), PREFIX, home)
        self._secured = secured

    def cell_environment(self, name: str, crash_at: str = "") -> dict[str, str]:
        return super().cell_environment(name, crash_at) | self._secured.environment("cell")


TRIES = """
import socket, sys
reached = []
for host, port in PORTS:
    try:
        socket.create_connection((host, port), timeout=2).close()
        reached.append((host, port))
    except OSError:
        pass
sys.exit(len(reached))
"""


def _job(ports: list[tuple[str, int]]) -> dict[str, Any]:
    """A job whose task ends well if it reaches none of these."""
    program = TRIES.replace("PORTS", repr(ports))
    container = JOB["container"] | {"entryPoint": ["python3", "-c"], "command": [program]}
    return JOB | {"container": container}


def _place(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def test_a_job_runs_where_everybody_may_only_do_its_own_work(
    secured: SecuredKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its task, which has a network of its own, reaches none of them."""
    allow(secured, PREFIX)
    world = _World(secured, tmp_path)
    has_networks = not probe("flumina-test-", "network").why_no_network
    try:
        world.start_cluster(free_block(3), isolation="auto,users,network")
        world.start_cell("first")
        with monkeypatch.context() as told:
            for name, value in secured.environment("api").items():
                told.setenv(name, value)
            api = ApiProcess(str(world.kafka), PREFIX, tmp_path)
        try:
            api.until_ready().until_healthy()
            addresses = (world.kafka, world.master, api.address)
            # The API's port is also where its metrics are. Where tasks share our network, the job
            # shows the rest: the broker refuses whoever has no name (`test_let_in.py`).
            made = api.ask("POST", "/api/v3/jobs", _job([*map(_place, addresses)] * has_networks))
            assert made.status == 201, made
            job_id = json.loads(made.body)["id"]
            world.until(lambda: world.is_normal(job_id), "the job has ended well")
        finally:
            api.close()
    finally:
        world.close()
