"""From a line in a file to a verdict, on a real Kafka: tail agent, rules, restart, bad records.

How: the real processes run as `up` runs them. Records are written as our tail agent, Fluent Bit and
Vector write them, some of them broken; what is then on `verdicts` and `dead-letters` is read.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from scheduler.model.codec import decode_verdict
from scheduler.model.health import HostJudged
from streams.health.records import HostLines, encode_lines
from streams.kafka.topic_admin import ensure_topics
from streams.settings import settings_of

pytestmark = pytest.mark.integration

RULES = """
rules:
  - id: disk
    pattern: 'I/O error'
    severity: sick
    threshold: 2
"""


@contextmanager
def process(
    arguments: Sequence[str], environment: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """One of our processes, from its ready line to its end."""
    with subprocess.Popen(
        [sys.executable, "-m", "streams.cli.main", "health", *arguments],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        try:
            assert running.stdout.readline().startswith("ready ")
            yield running
        finally:
            running.terminate()
            running.wait(20)


class Topics:
    """Writes host logs, and reads what follows from them."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix

    def write(self, *values: bytes, key: bytes = b"h1") -> None:
        """Write records, to one partition."""

        async def send() -> None:
            async with AIOKafkaProducer(bootstrap_servers=self.bootstrap) as producer:
                for value in values:
                    await producer.send_and_wait(
                        self.prefix + "host-logs", value, key=key, partition=3
                    )

        asyncio.run(send())

    def until(
        self,
        topic: str,
        is_enough: Callable[[list[ConsumerRecord[bytes, bytes]]], bool],
        timeout_s: float = 20.0,
    ) -> list[ConsumerRecord[bytes, bytes]]:
        """All records of a partition 0, as soon as they are enough."""

        async def read() -> list[ConsumerRecord[bytes, bytes]]:
            place = TopicPartition(self.prefix + topic, 0)
            found: list[ConsumerRecord[bytes, bytes]] = []
            async with AIOKafkaConsumer(bootstrap_servers=self.bootstrap) as consumer:
                consumer.assign([place])
                await consumer.seek_to_beginning(place)
                deadline = time.monotonic() + timeout_s
                while not is_enough(found):
                    assert time.monotonic() < deadline, f"{topic} has only {found}"
                    batch = await consumer.getmany(place, timeout_ms=100)
                    found += batch.get(place, [])
            return found

        return asyncio.run(read())

    def verdicts(self, count: int) -> list[HostJudged]:
        """The verdicts, as soon as there are so many."""
        records = self.until("verdicts", lambda found: len(found) > count)
        bodies = [decode_verdict(each.value or b"") for each in records]
        return [each for each in bodies if isinstance(each, HostJudged)]


@pytest.fixture
def environment(kafka: str, topic_prefix: str, tmp_path: Path) -> dict[str, str]:
    """The environment of the processes, with topics that are there."""
    found = {"FLUMINA_TOPIC_PREFIX": topic_prefix, "FLUMINA_DATA": str(tmp_path)}
    asyncio.run(ensure_topics(kafka, settings_of(found)))
    return {**found, "KAFKA_BROKERS": kafka}


def test_from_a_line_to_a_verdict(
    kafka: str, topic_prefix: str, environment: dict[str, str], tmp_path: Path
) -> None:
    topics = Topics(kafka, topic_prefix)
    own_rules = tmp_path / "health" / "rules.yaml"
    own_rules.parent.mkdir()
    own_rules.write_text(RULES)
    line = "kernel: Buffer I/O error on dev sda1"
    with process(["run"], environment) as health:
        # Ours, one of Fluent Bit's by its key, an array as Vector writes it; and two broken ones.
        fluent_bit = {"@timestamp": time.time(), "log": line}
        vector = [{"message": "all is well", "host": "h1"}, {"message": "so it is", "host": "h2"}]
        topics.write(
            encode_lines(HostLines("h1", ["all is well", line])),
            b"\xff no JSON",
            json.dumps(fluent_bit).encode(),
            json.dumps({"lines": 7}).encode(),
            json.dumps(vector).encode(),
        )
        (sick,) = topics.verdicts(1)
        assert (sick.host_id, sick.standing, sick.detector) == ("h1", "sick", "lines")
        assert [each.source for each in sick.evidence] == ["host-logs:3:0:1", "host-logs:3:2:0"]
        assert sick.evidence[0].text == f"disk: {line}"
        dead = topics.until("dead-letters", lambda found: len(found) >= 2)
        assert [each.value for each in dead] == [b"\xff no JSON", b'{"lines": 7}']
        assert all(dict(each.headers)["flumina-why"] for each in dead)
        # Another rule counts at once, and a file with a fault changes nothing.
        own_rules.write_text(RULES + "  - {id: fan, pattern: fan stopped, severity: suspect}\n")
        said = encode_lines(HostLines("h2", ["fan stopped"]))
        for _ in range(50):
            topics.write(said)
            if len(topics.until("verdicts", lambda found: len(found) > 1)) > 2:
                break
            time.sleep(0.1)
        assert topics.verdicts(2)[1].host_id == "h2"
        health.kill()
        health.wait(10)
    # Killed in the middle: the next one reads on, and tells at least once what it has seen.
    log = tmp_path / "kernel.log"
    log.write_text("old\n")
    tail = ["tail", str(log), "--host-id", "h3", "--from-start"]
    with process(["run"], environment), process(tail, environment):
        log.write_text("old\n" + f"{line}\n" * 3)
        found = topics.until(
            "verdicts", lambda found: any(b'"h3"' in (each.value or b"") for each in found)
        )
        last = decode_verdict(found[-1].value or b"")
        assert isinstance(last, HostJudged)
        assert (last.host_id, last.standing) == ("h3", "sick")
    # The same lines again, by the same rules, out of what the topic has.
    told = subprocess.run(
        [sys.executable, "-m", "streams.cli.main", "health", "backtest", str(own_rules)],
        env=os.environ | environment,
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    ).stdout
    *verdicts, summary = map(json.loads, told.splitlines())
    assert {(each["host_id"], each["standing"]) for each in verdicts} == {
        *(("h1", "sick"), ("h2", "suspect"), ("h3", "sick"))
    }
    assert verdicts[0]["evidence"][1]["source"] == "host-logs:3:2:0"
    assert summary["unreadable"] == 2
    assert summary["rules"]["disk"] == 5
