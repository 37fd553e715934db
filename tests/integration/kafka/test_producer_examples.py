"""The producers of docs/examples, compiled and run: what they publish to a real Kafka is a job.

Java is run where a JDK is there, with the client's jars that our own Kafka has; Go where it is
there and its modules can be had. Go compiles for half a minute at first: only under ``-m soak``.
"""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from scheduler.model.foreign import decode_jobs_record
from scheduler.model.ids import JobId
from scheduler.model.inbound import JobSubmitted
from streams.kafka.installation import ensure_installed
from streams.kafka.topic_admin import ensure_topics
from streams.setting_rows.keeping import default_cache_dir
from streams.settings import settings_of

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
JOB = EXAMPLES / "batch-20.json"
RUN_S_MAX = 60.0
BUILD_S_MAX = 300.0


def _record(kafka: str, topic: str, printed: str) -> tuple[bytes | None, bytes | None]:
    """Key and value of the record at the place that the example has printed."""
    _, partition, offset = printed.strip().split(":")
    place = TopicPartition(topic, int(partition))

    async def read() -> tuple[bytes | None, bytes | None]:
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
        async with consumer:
            consumer.assign([place])
            consumer.seek(place, int(offset))
            async with asyncio.timeout(RUN_S_MAX):
                record = await consumer.getone(place)
        return record.key, record.value

    return asyncio.run(read())


def _check_submits(kafka: str, prefix: str, command: list[str]) -> None:
    """Run it with a job's id and file; what it has published asks for that job."""
    settings = settings_of({"KAFKA_BROKERS": kafka, "FLUMINA_TOPIC_PREFIX": prefix})
    asyncio.run(ensure_topics(kafka, settings))
    done = subprocess.run(
        [*command, "titus-12345", str(JOB)],
        env=os.environ | {"KAFKA_BROKERS": kafka, "TOPIC": f"{prefix}jobs"},
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    key, value = _record(kafka, f"{prefix}jobs", done.stdout)
    asked = decode_jobs_record(key, value)
    assert isinstance(asked, JobSubmitted), asked
    assert (asked.job_id, asked.actor) == (JobId("titus-12345"), "ada")


def test_the_example_in_java(kafka: str, topic_prefix: str) -> None:
    java, javac = shutil.which("java"), shutil.which("javac")
    if java is None or javac is None:
        pytest.skip("there is no JDK here: java and javac are needed")
    jars = ensure_installed(default_cache_dir()).class_path
    source = str(EXAMPLES / "java" / "SubmitJob.java")
    _check_submits(kafka, topic_prefix, [java, "-cp", jars, source])


@pytest.mark.soak
def test_the_example_in_go(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    go, program = shutil.which("go"), tmp_path / "submit"
    if go is None:
        pytest.skip("there is no Go here")
    built = subprocess.run(
        [go, "build", "-o", str(program), "."],
        cwd=EXAMPLES / "go",
        capture_output=True,
        text=True,
        timeout=BUILD_S_MAX,
        check=False,
    )
    if built.returncode and "dial tcp" in built.stderr:
        pytest.skip("the modules of the Go example cannot be had from here")
    assert built.returncode == 0, built.stderr
    _check_submits(kafka, topic_prefix, [str(program)])
