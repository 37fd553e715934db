"""Kafka's disk is full, cannot be written, or comes back shorter than it was.

Real brokers on a small file system of their own, where this computer lets us mount one. What was
acknowledged is there afterwards, what was not is refused with a sentence, and a log that lost
acknowledged records is never folded on.
"""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.errors import OperatorError
from streams.kafka.embedded import EmbeddedKafka
from tests.support.api_process import ApiProcess
from tests.support.stand_in import lead_once
from tests.support.world import batch_of

pytestmark = pytest.mark.integration

JOBS = "/api/v3/jobs"
DISK_BYTES = 24 * 1024 * 1024
"""Room for a broker with our topics, whose indexes are sparse, and little more."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few MiB, mounted for this test."""
    place = tmp_path / "disk"
    place.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", place)
    try:
        yield place
    finally:
        subprocess.run(["/bin/umount", "-l", str(place)], check=True)


def _mount(*words: object) -> None:
    program = shutil.which("mount")
    if program is None:
        pytest.skip("this computer has no mount program, so there is no small disk to fill")
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")


async def _values(bootstrap: str, topic: str) -> list[bytes]:
    """Every record of a topic that Kafka has."""
    place = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        values: list[bytes] = []
        while len(values) < end:
            found = await consumer.getmany(place, timeout_ms=500)
            values += [each.value for each in found.get(place, ())]
        return values
    finally:
        await consumer.stop()


def _fill(disk: Path) -> Path:
    """A file that takes what is left of the disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as opened:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    opened.write(b"x" * size)
            except OSError:
                continue
    return filler


def test_a_full_disk_refuses_writes_and_loses_nothing_that_was_taken(
    small_disk: Path, tmp_path: Path
) -> None:
    kafka = EmbeddedKafka(small_disk / "kafka")
    bootstrap = kafka.start()
    asyncio.run(lead_once(bootstrap))
    api = ApiProcess(bootstrap, "", tmp_path).until_ready()
    try:
        api.until("/health", lambda each: each.json["leader"] == "stand-in", "a leader is known")
        # A loaded computer may have needed so long for that, that the stand-in is silent too long.
        tick = asyncio.run(lead_once(bootstrap))
        api.until(f"{JOBS}?atLeast=cell:0:{tick}", lambda each: each.status == 200, "it leads")
        taken = api.ask("POST", f"{JOBS}?jobId=taken", batch_of(1, "true"))
        assert taken.status == 202  # Nobody copies it, for the leader is a stand-in.
        filler = _fill(small_disk)
        # The last page of the open segment may have room for some; then there is none.
        statuses: list[int] = []
        while 503 not in statuses and len(statuses) < 20:
            statuses.append(api.ask("POST", JOBS, batch_of(1, "true")).status)
        assert set(statuses[:-1]) <= {202}
        assert statuses[-1] == 503
        assert kafka.wait(30) != 0  # A broker without a directory it can write to ends itself.
        assert api.ask("GET", f"{JOBS}/x").status == 404  # Reads are answered all the same.
        filler.unlink()
        assert kafka.start() == bootstrap
        api.until_healthy()
        # The stand-in of before is silent for too long to be a leader.
        tick = asyncio.run(lead_once(bootstrap))
        api.until(f"{JOBS}?atLeast=cell:0:{tick}", lambda each: each.status == 200, "it leads")
        again = api.ask("POST", f"{JOBS}?jobId=after", batch_of(1, "true"))
        assert again.status == 202, again
        there = asyncio.run(_values(bootstrap, "jobs"))
        for job in (b'"taken"', b'"after"'):
            assert sum(job in value for value in there) == 1
    finally:
        api.close()
        kafka.stop()


def test_a_directory_that_cannot_be_written_is_refused_with_a_sentence(small_disk: Path) -> None:
    kafka = EmbeddedKafka(small_disk / "kafka")
    try:
        asyncio.run(lead_once(kafka.start()))
        kafka.stop()
        _mount("-o", "remount,ro", small_disk)
        with pytest.raises(OperatorError, match="cannot be used: Read-only file system"):
            kafka.start()
        _mount("-o", "remount,rw", small_disk)
        assert len(asyncio.run(_values(kafka.start(), "cell"))) == 3
    finally:
        kafka.stop()


def test_a_log_that_comes_back_shorter_halts_whoever_has_folded_more(
    own_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    """What an unclean election does to a partition: its newest acknowledged records are gone."""
    bootstrap = own_kafka.start()
    asyncio.run(lead_once(bootstrap))
    own_kafka.stop()
    partition = own_kafka.data_dir / "broker-1" / "kafka" / "cell-0"
    shutil.copytree(partition, tmp_path / "older")
    own_kafka.start()
    api = ApiProcess(bootstrap, "", tmp_path).until_ready()
    try:
        known = asyncio.run(lead_once(bootstrap, ticks=5))
        api.until(f"{JOBS}?atLeast=cell:0:{known}", lambda each: each.status == 200, "it is folded")
        own_kafka.kill()
        shutil.rmtree(partition)
        shutil.copytree(tmp_path / "older", partition)
        own_kafka.start()
        health = api.until("/health", lambda each: bool(each.json["halt"]), "the fold halts", 60)
        assert health.status == 503
        assert f"below offset {known + 1} that was folded" in health.json["halt"]
        assert "Kafka lost acknowledged records" in health.json["halt"]
        assert api.ask("POST", JOBS, batch_of(1, "true")).status == 503
        assert '"page": true' in api.log.read_text("utf-8")
        # It does not go on when other records take the place of those that are gone.
        asyncio.run(lead_once(bootstrap, ticks=10))
        assert api.ask("GET", "/health").json["halt"] == health.json["halt"]
    finally:
        api.close()
