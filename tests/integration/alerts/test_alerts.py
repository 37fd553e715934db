"""A queue's alert fires and is over; and when the API is killed somebody outside pages.

How: a real Kafka, a dev cluster that runs tasks, a cell, an api process with a file of rules, the
black-box prober as a process of its own, and receivers on loopback.
"""

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.supervise.ports import free_block
from tests.support.api_process import ApiProcess
from tests.support.part_process import part_running
from tests.support.webhook import Receiver, receiver
from tests.support.world import World, batch_of

pytestmark = pytest.mark.integration

WAIT_S = 90.0
OPERATOR = {"X-Flumina-Actor": "ada"}
RULES = """version: 1
delivered: false
receivers:
  - {{name: ops, kind: webhook, url: "{url}"}}
rules:
  - {{name: queue, measure: tasks_queued, above: 3, clear: 1, summary: tasks wait}}
"""


@pytest.fixture
def world(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[World]:
    there = World(kafka, topic_prefix, tmp_path)
    try:
        there.start_cluster(free_block(2), agents=1)
        there.start_cell("cell-1")
        yield there
    finally:
        there.close()


@pytest.fixture
def ops() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


@pytest.fixture
def pager() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


def started(world: World, port: int) -> ApiProcess:
    options = ("--port", str(port))
    return ApiProcess(world.kafka, world.prefix, world.home, *options).until_ready()


def metrics_of(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_a_queue_is_alerted_of_and_a_dead_api_is_paged_from_outside(
    world: World,
    ops: Receiver,
    pager: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rules = tmp_path / "alerts.yaml"
    rules.write_text(RULES.format(url=ops.url))
    monkeypatch.setenv("FLUMINA_ALERTS", str(rules))
    monkeypatch.setenv("FLUMINA_WEBHOOK_NETWORKS", "127.0.0.0/8")
    monkeypatch.setenv("FLUMINA_DATA", str(tmp_path / "data"))
    port, probed = free_block(1), free_block(1)
    apis = [started(world, port)]
    try:
        apis[0].until_healthy()
        words = ["blackbox", "run", "--interval", "0.5", "--step-max", "20", "--failures", "2"]
        words += ["--page-url", pager.url, "--port", str(probed)]
        with part_running(words, world, apis[0]):
            world.until(lambda: "flumina_blackbox_up 1.0" in metrics_of(probed), "a good round")

            world.submit("many", batch_of(8, "true", cpu=50))
            fired = ops.until(1, WAIT_S)[0].json["data"]
            assert (fired["rule"], fired["state"]) == ("queue", "firing")
            assert int(fired["value"]) >= 8, "a probe's task may wait, too"
            shown = apis[0].ask("GET", "/api/flumina/alerts").json["items"]
            assert [each["key"] for each in shown if each["state"] == "firing"] == ["queue"]
            apis[0].ask("DELETE", "/api/v3/jobs/many?why=enough", None, OPERATOR)
            over = ops.until(2, WAIT_S)[1].json["data"]
            assert (over["rule"], over["state"]) == ("queue", "resolved")
            assert not pager.sent, "all was well, seen from outside"

            apis[0].close()
            down = pager.until(1, WAIT_S)[0].json
            assert down["kind"] == "blackbox"
            assert "does not do what it is asked" in down["what"]

            apis.append(started(world, port))
            apis[1].until_healthy()
            assert "is over" in pager.until(2, WAIT_S)[1].json["what"]
            slo = apis[1].ask("GET", "/api/flumina/slo").json
            assert slo["gaps"] == 0
            starts = next(each for each in slo["items"] if each["slo"] == "start-latency")
            assert starts["total"] >= 1, "what the first api counted is kept"
        assert len(ops.sent) == 2, "nothing was told twice"
    finally:
        for each in apis:
            each.close()
