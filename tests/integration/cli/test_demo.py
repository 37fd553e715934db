"""`flumina demo --once`: exits with 0 only if all happened, and leaves nothing behind.

The demo judges itself, with functions that `tests/unit/cli/test_demo_checks.py` turns red one by
one; here it runs as a person runs it.
"""

import asyncio
import json
import urllib.request
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from tests.contract.mesos_client.clusters import real_mesos
from tests.support.command_line import process, processes_naming

pytestmark = pytest.mark.integration

HURT = (
    "is dead for good: its agent and",
    "run on other hosts",
    "master1 was ended with kill -9; master2 leads now",
    "The cell has subscribed with the new master",
    "was ended with kill -9, its tasks were not; it was back",
    "tasks of the restarted agent went on all the time",
)
ALWAYS = (
    "POST batch-20.json → job batch-20-again",
    "The control plane (cell-1) was ended with kill -9",
    "leads the cell, elected at main/",
    "POST batch-20.json",
    "POST service-5.json",
    "POST fails-and-retries.json",
    "each of them exists in the log",
    "$ flumina why ",
    "All happened as it should.",
)


def test_once(tmp_path: Path) -> None:
    """The command of the README; it judges itself, and here its words are read as well."""
    done = process(tmp_path / "data", "demo", "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    for text in (*ALWAYS, *HURT, "0 unaccounted for, 0 twice, 0 lost"):
        assert text in done.stdout
    table = [line for line in done.stdout.splitlines() if "-worker-" in line]
    assert sum("Finished lost" in line and "service-5" in line for line in table) >= 1
    assert any("in place of service-5-worker-" in line for line in table)
    assert not processes_naming(str(tmp_path))
    assert list((tmp_path / "data").iterdir()) == []


async def _topics(bootstrap: str) -> list[str]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        return list(await client.list_topics())
    finally:
        await client.close()


@pytest.mark.real_mesos
def test_once_on_somebody_elses_kafka_and_a_real_mesos(tmp_path: Path, kafka: str) -> None:
    """No host of it is killed, and nothing of the demo stays in either."""
    with real_mesos(tmp_path / "mesos") as mesos:
        master = f"127.0.0.1:{mesos.port}"
        done = process(
            tmp_path / "data", "demo", "--once", KAFKA_BROKERS=kafka, MESOS_MASTER=master
        )
        assert done.returncode == 0, done.stdout + done.stderr
        for text in (*ALWAYS, "No host is ended: the hosts of Mesos at", "service-5 was ended"):
            assert text in done.stdout
        with urllib.request.urlopen(f"http://{master}/frameworks", timeout=10) as answer:
            (framework,) = json.load(answer)["frameworks"]
        assert framework["tasks"] == []
        assert len(framework["completed_tasks"]) == 47
    assert not [name for name in asyncio.run(_topics(kafka)) if name.startswith("demo-")]
    assert not processes_naming(str(tmp_path / "data"))
