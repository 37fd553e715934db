"""A thousand secrets through real parts, and none of them anywhere but in its task.

Jobs with 1,000 marked values are submitted to the real API on a real Kafka, and run: each task
writes a digest of what it was given, so that it is known to have had all of it. Then every topic,
everything that the control plane wrote to a disk (Kafka's own segments among it), and every page
and export are looked through for each of the values, as it is and in base64.
"""

import asyncio
import base64
import hashlib
import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import cramjam
import pyarrow.parquet
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from connectors.secrets.providers import write_key_file
from projections.snapshot.format import read_header
from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from scheduler.model.task import Finished
from streams.kafka.topics import planned_topics
from tests.support.api_process import ApiProcess
from tests.support.part_process import part_running
from tests.support.world import World, batch_of

pytestmark = pytest.mark.integration

CANARIES, JOBS = 1_000, 5
MARK = "cAnArY"
SHELL = "env | grep ^CANARY_ | LC_ALL=C sort | sha256sum"
ADA = {"X-Flumina-Actor": "ada"}


def _values(job: int) -> dict[str, str]:
    count = CANARIES // JOBS
    return {
        f"CANARY_{each:04}": f"{MARK}-{os.urandom(8).hex()}"
        for each in range(job * count, (job + 1) * count)
    }


def _job(values: dict[str, str]) -> dict[str, Any]:
    made = batch_of(1, SHELL)
    made["container"]["env"] = {**values, "PLAIN": "seen"}
    made["container"]["attributes"] = {"flumina.secretEnvironment": ",".join(values)}
    return made


def _digest(values: dict[str, str]) -> str:
    text = "".join(f"{name}={values[name]}\n" for name in sorted(values))
    return hashlib.sha256(text.encode()).hexdigest()


def _command(world: World, *words: str) -> None:
    environment = os.environ | world.cell_environment("one")
    command = [sys.executable, "-m", "streams.cli.main", *words]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)


def _found(data: bytes) -> bool:
    """Whether any canary stands there: as it is, or in base64 at any of its three shifts."""
    return any(each in data for each in _FORMS)


def _base64_forms(word: bytes) -> list[bytes]:
    """What base64 makes of a word wherever it begins, without what its neighbours decide."""
    shifted = (base64.b64encode(b"\0" * shift + word) for shift in range(3))
    return [each[begin:-4] for each, begin in zip(shifted, (0, 2, 3), strict=True)]


_FORMS = (MARK.encode(), *_base64_forms(MARK.encode() + b"-"))


def test_a_thousand_canaries(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_key_file(tmp_path / "secret.key")
    monkeypatch.setenv("FLUMINA_SECRET_KEYS", (tmp_path / "ring").as_uri())
    monkeypatch.setenv("FLUMINA_SECRET_PROVIDER", f"file:{tmp_path / 'secret.key'}")
    monkeypatch.setenv("FLUMINA_STORE", (tmp_path / "store").as_uri())
    monkeypatch.setenv("FLUMINA_ARCHIVE_AGE_S", "1")
    jobs = {f"job-{number}": _values(number) for number in range(JOBS)}
    world.start_cell("one")
    api = ApiProcess(world.kafka, world.prefix, tmp_path).until_ready()
    looked: dict[str, bytes] = {}
    try:
        api.until_healthy()
        with part_running(["history"], world, api, world.cell_environment("one")):
            for job_id, values in jobs.items():
                answer = api.ask("POST", f"/api/v3/jobs?jobId={job_id}", _job(values), ADA)
                assert answer.status in {201, 202}, answer
                looked[f"submit {job_id}"] = answer.body
            world.until(lambda: all(world.are(each, Finished, 1) for each in jobs), "all have run")
            for job_id, values in jobs.items():
                (task,) = world.tasks(job_id)
                path = f"/api/v3/tasks/{task.task_id}"
                log = api.until(f"{path}/log", lambda answer: len(answer.body) > 64, "its output")
                assert log.body.decode().split()[0] == _digest(values), "the task had every value"
                for each in (path, f"{path}/why", f"{path}/events", f"/api/v3/jobs/{job_id}"):
                    looked[each] = api.ask("GET", each).body
            forget = {"jobId": "job-0", "why": "the customer has left"}
            forgotten = api.ask("POST", "/api/flumina/secrets/forget", forget, ADA)
            assert forgotten.json["jobKeys"] == 1
            again = api.ask("POST", "/api/v3/jobs?jobId=job-0", _job(jobs["job-0"]), ADA)
            assert again.status in {400, 409}, again
            for each in (
                "/metrics",
                "/api/flumina/state",
                "/api/flumina/incident?from=-10m&to=now",
                "/api/flumina/incident/page?from=-10m&to=now",
                "/api/flumina/incident/slice?from=-10m&to=now",
            ):
                answer = api.ask("GET", each)
                assert answer.status == 200, (each, answer)
                looked[each] = answer.body
            _command(world, "snapshots", "take")
            store = tmp_path / "store"
            api.until(
                "/health", lambda _: len(list(store.rglob("*"))) > 5, "the archive has something"
            )
        looked |= _every_topic(world)
    finally:
        api.close()
    _check_replay(world)
    for name in list(world.cells):
        world.kill_cell(name)
    bare = [name for name, data in looked.items() if _found(data)]
    assert bare == [], "no page, export or topic has one"
    assert looked["cell"].count(b"flumina-sealed:1:") >= CANARIES
    hosts = [each for each in (tmp_path / "mesos").glob("agent*") if each.is_dir()]
    files = {str(each): _plain(each) for each in _files_of(tmp_path, *hosts)}
    assert [name for name, data in files.items() if _found(data)] == [], "no file has one"
    for kind in (".parquet", ".snapshot"):
        of_kind = [data for name, data in files.items() if name.endswith(kind)]
        assert any(b"flumina-sealed:1:" in data for data in of_kind), f"looks into {kind}"
    journals = [each / "journal.jsonl" for each in hosts]
    assert not [str(each) for each in journals if _found(each.read_bytes())]


def _every_topic(world: World) -> dict[str, bytes]:
    """Every record of every topic of this test: keys, values and headers."""

    async def fetch() -> dict[str, bytes]:
        consumer = AIOKafkaConsumer(bootstrap_servers=world.kafka, enable_auto_commit=False)
        await consumer.start()
        try:
            plans = planned_topics(1, world.prefix, 1)
            places = [TopicPartition(p.name, n) for p in plans for n in range(p.partitions)]
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            ends = await consumer.end_offsets(places)
            found = {each.name.removeprefix(world.prefix): b"" for each in plans}
            for place in places:
                while await consumer.position(place) < ends[place]:
                    for record in (await consumer.getmany(place, timeout_ms=500)).get(place, ()):
                        head = b"".join(value for _, value in record.headers)
                        parts = (record.key or b"", record.value or b"", head)
                        found[place.topic.removeprefix(world.prefix)] += b"\n".join(parts)
            return found
        finally:
            await consumer.stop()

    return asyncio.run(fetch())


def _check_replay(world: World) -> None:
    """What was forgotten is of no matter to a fold: it never opens anything."""
    machine = Machine()
    for offset, data in enumerate(world.log):
        machine.apply(offset, decode_record(data))
    assert machine.digest.value() == world.machine.digest.value()


def _plain(path: Path) -> bytes:
    """The file's bytes, and what is compressed in it."""
    data = path.read_bytes()
    if path.suffix == ".parquet":
        rows = pyarrow.parquet.read_table(path).to_pylist()
        return data + b"".join(_bytes_of(each) for row in rows for each in row.values())
    if path.suffix == ".snapshot":
        end = len(data)
        _, at = read_header(data)
        while at < end:
            raw_bytes, packed_bytes = struct.unpack(">II", data[at : at + 8])
            packed = data[at + 8 : at + 8 + packed_bytes]
            data += bytes(cramjam.zstd.decompress(packed, output_len=raw_bytes))
            at += 8 + packed_bytes
    return data


def _bytes_of(value: object) -> bytes:
    return value if isinstance(value, bytes) else repr(value).encode()


def _files_of(folder: Path, *but: Path) -> list[Path]:
    """Every file below, but for those of hosts: a task's own is where its values belong."""
    found = [each for each in folder.rglob("*") if each.is_file()]
    return [each for each in found if not any(each.is_relative_to(no) for no in but)]


def test_the_search_finds_what_it_looks_for() -> None:
    """The test above can fail: each form is found, at each shift of base64."""
    value = f"{MARK}-{os.urandom(8).hex()}".encode()
    assert _found(b'{"value":"' + value + b'"}')
    for shift in range(3):
        assert _found(base64.b64encode(b"x" * shift + value + b"yy")), shift
    assert not _found(re.sub(MARK.encode(), b"", value))
