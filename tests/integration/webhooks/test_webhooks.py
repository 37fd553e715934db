"""Each receiver is told everything, in order, whatever the others do and though the sender dies.

How: a real Kafka, a dev cluster that runs the tasks, a cell and an api process, the webhooks
process as `up` starts it, and receivers on loopback: good, dead, slow, failing for a while, leading
elsewhere, and with an answer without end.
"""

import hmac
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from scheduler.model.address import parse_address
from streams.supervise.ports import free_block
from tests.support.api_process import ApiProcess
from tests.support.webhook import Receiver, Sent, receiver
from tests.support.world import World, batch_of

pytestmark = pytest.mark.integration

PATH = "/api/flumina/webhooks"
OPERATOR = {"X-Flumina-Actor": "ada"}
SECRET = "a-secret-of-some-length"
WAIT_S = 20.0


class Sending:
    """The process, as `up` starts it."""

    def __init__(self, world: World, api: ApiProcess) -> None:
        variables = {
            "KAFKA_BROKERS": world.kafka,
            "FLUMINA_TOPIC_PREFIX": world.prefix,
            "FLUMINA_API": f"http://{api.address}",
            "FLUMINA_WEBHOOK_NETWORKS": "127.0.0.0/8",
            "WEBHOOK_SECRET_CI": SECRET,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", "webhook", "run"],
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("ready ")

    def kill(self) -> None:
        """End it as a crash does; again is nothing."""
        self.process.kill()
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


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
def start(world: World, api: ApiProcess) -> Iterator[Callable[[], Sending]]:
    started: list[Sending] = []

    def starting() -> Sending:
        started.append(Sending(world, api))
        return started[-1]

    yield starting
    for each in started:
        each.kill()


def until(what: Callable[[], Any], words: str) -> Any:
    ends_s = time.monotonic() + WAIT_S
    while not (found := what()):
        assert time.monotonic() < ends_s, words
        time.sleep(0.05)
    return found


def ends(sent: list[Sent]) -> set[str]:
    """The jobs whose end was told."""
    return {
        each.json["data"]["job_id"]
        for each in sent
        if each.json["type"] == "flumina.JobChanged" and each.json["data"]["state"] == "Finished"
    }


def check_in_order(sent: list[Sent]) -> None:
    """Of each job every new event stands behind the one before it in the log."""
    by_job: defaultdict[str, list[Any]] = defaultdict(list)
    for each in sent:
        address = parse_address(each.headers["Flumina-Event-Id"])
        of_job = by_job[each.json.get("subject", "")]
        if address not in of_job:
            of_job.append(address)
    for job, addresses in by_job.items():
        assert addresses == sorted(addresses), job


def test_every_receiver_is_told_whatever_the_others_do(
    world: World, api: ApiProcess, start: Callable[[], Sending]
) -> None:
    with ExitStack() as stack:
        kinds = ("good", "slow", "failing", "leading", "endless")
        there: dict[str, Receiver] = {each: stack.enter_context(receiver()) for each in kinds}
        there["slow"].delay_s = 1.0
        there["failing"].statuses = [500, None]
        there["leading"].statuses = [302] * 1_000
        there["endless"].endless.set()
        stack.callback(there["endless"].endless.clear)
        urls = {name: each.url for name, each in there.items()}
        urls["dead"] = f"http://127.0.0.1:{free_block(1)}/"
        for name, url in urls.items():
            body: dict[str, Any] = {"name": name, "url": url, "secret": "env:CI"}
            if name == "failing":
                body["filter"] = {"applications": ["test"], "kinds": ["JobChanged"]}
            assert api.ask("POST", f"{PATH}?why=test", body, OPERATOR).status == 201

        first = start()
        world.submit("one", batch_of(3, "true"))
        healthy = [there[name] for name in ("good", "endless", "failing")]
        until(lambda: all("one" in ends(each.sent) for each in healthy), "they are told of an end")
        first.kill()
        world.submit("two", batch_of(1, "true"))
        start()
        both = {"one", "two"}
        until(lambda: all(both <= ends(each.sent) for each in healthy), "they are told on")

        sent = there["good"].sent
        check_in_order(sent)
        tasks = {each.json["data"]["task_id"] for each in sent if "task_id" in each.json["data"]}
        assert len(tasks) == 4
        for each in sent:
            signed = each.headers["X-Flumina-Time"].encode() + b"." + each.body
            expected = hmac.new(SECRET.encode(), signed, sha256).hexdigest()
            assert each.headers["X-Flumina-Signature"] == f"sha256={expected}"
        assert {each.json["type"] for each in there["failing"].sent} == {"flumina.JobChanged"}
        # Slowly, and still from the first: nobody else waits for it.
        assert 0 < len(there["slow"].sent) < len(sent)
        assert len({each.headers["Flumina-Event-Id"] for each in there["leading"].sent}) <= 4

        def shown(name: str) -> Any:
            return api.ask("GET", f"{PATH}/{name}").json

        until(lambda: shown("dead")["standing"] == "failing", "the cell knows who is dead")
        assert "refused" in shown("dead")["detail"]
        assert shown("good")["standing"] == "delivering"
        for name in ("good", "dead"):
            api.ask("POST", f"{PATH}/{name}/test?why=try", None, OPERATOR)
        names = ("good", "dead")
        until(
            lambda: "asked" not in [shown(each)["test"]["state"] for each in names],
            "both tests have been sent",
        )
        assert [shown(each)["test"]["state"] for each in names] == ["good", "bad"]
        assert sent[-1].json["type"] == "flumina.Test"
