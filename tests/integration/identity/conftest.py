"""A dev cluster of one agent whose STS is moto, and a way to run a task there and read it."""

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.supervise.ports import free_block
from tests.contract.mesos_master.master_client import Framework, Json, request, scalars, task
from tests.processes import wait_until
from tests.support.dev_cluster import DevCluster
from tests.support.moto import environment_of, moto_endpoint

__all__ = ["moto_endpoint"]
ROLE = "arn:aws:iam::123456789012:role/worker"


def labels(**given: str) -> Json:
    """Labels of a TaskInfo, their names without `flumina.` and with dots for underlines."""
    found = [{"key": f"flumina.{k.replace('_', '.')}", "value": v} for k, v in given.items()]
    return {"labels": found}


class Hosted:
    """One agent, and one framework that runs short programs on it."""

    def __init__(self, cluster: DevCluster, framework: Framework) -> None:
        self.cluster = cluster
        self.framework = framework

    def begin(
        self,
        name: str,
        program: str,
        told: Json,
        variables: dict[str, str],
        python: str = sys.executable,
    ) -> None:
        """Start a Python program as a task that has these labels."""
        offer = self.framework.offers()[0]
        given = " ".join(f"{key}={shlex.quote(value)}" for key, value in variables.items())
        script = f"exec env {given} {python} -c {shlex.quote(program)}"
        info = task(name, offer, script, labels=told, resources=scalars(mem=512))
        self.framework.launch([offer], [info])

    def printed(self, name: str) -> Any:
        """The JSON value that a task has written as its first whole line; waits for it."""
        wait_until(lambda: "\n" in self._output(name), f"{name} has written", 60)
        return json.loads(self._output(name).partition("\n")[0])

    def _output(self, name: str) -> str:
        path = f"/frameworks/{self.framework.framework_id}/executors/{name}/runs/latest/stdout"
        port = self.cluster.config.port_of("agent1")
        answer = request(port, "GET", f"/files/read?path={path}&offset=0")
        return str(answer.json["data"]) if answer.status == 200 else ""


def hosted(folder: Path, isolation: str) -> Iterator[Hosted]:
    """The agent with this isolation, and a framework."""
    options = {"isolation": isolation, "attributes": "zone:eu-west-1b"}
    with (
        DevCluster(folder, port=free_block(2), agents=1, **options) as cluster,
        Framework(cluster.config.port) as framework,
    ):
        yield Hosted(cluster, framework)


@pytest.fixture(scope="module")
def aws(moto_endpoint: str) -> Iterator[str]:
    """The address of moto, which agents that are started meanwhile take for AWS."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(moto_endpoint).items():
            patch.setenv(name, value)
        yield moto_endpoint


@pytest.fixture(scope="module")
def shared(aws: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    """Tasks are in the computer's network, as by default."""
    assert aws
    yield from hosted(tmp_path_factory.mktemp("shared"), "auto")


@pytest.fixture(scope="module")
def apart(aws: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    """Every task has a network of its own, and a user id of its own."""
    assert aws
    yield from hosted(tmp_path_factory.mktemp("apart"), "auto,users,network")
