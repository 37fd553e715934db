"""Questions in SQL over archive and Kafka together, and the archive's own commands.

Proves: a table has every record once, archived or not; what the archive proves of itself is true,
and a flipped bit is found; a continued fold at a snapshot archives nothing twice.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from scheduler.model.changes import TaskChanged
from scheduler.model.codec import decode_record, encode_change
from streams.cell.writer import cloud_event_headers, our_producer
from streams.errors import OperatorError
from streams.history.opening import open_archive
from streams.history.verifying import verify
from tests.integration.history.conftest import Place, a_day, question, until_archived
from tests.support.cell import CellInMemory

pytestmark = pytest.mark.integration


async def publish_changes(place: Place, cell: CellInMemory) -> None:
    """Publish the cell's changes as its leader does, some of them twice."""
    producer = our_producer(place.kafka, "test-changes")
    await producer.start()
    try:
        for offset, index, change in [*cell.changes, *cell.changes[-5:]]:
            address = f"test/{cell.state.generation}:{offset}[{index}]"
            headers = cloud_event_headers("flumina.change", "/flumina/cells/test", address)
            await producer.send(
                place.prefix + "job-events",
                encode_change(change),
                partition=0,
                headers=headers,
                timestamp_ms=cell.now_ms,
            )
        await producer.flush()
    finally:
        await producer.stop()


def flumina(place: Place, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "KAFKA_BROKERS": place.kafka,
        "FLUMINA_TOPIC_PREFIX": place.prefix,
        "FLUMINA_CELL": "test",
        "FLUMINA_DATA": str(place.settings.data_dir),
        "PYTHONPATH": str(Path.cwd()),
    }
    return subprocess.run(
        [sys.executable, "-m", "streams.cli.main", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_question_sees_archive_and_kafka_as_one(place: Place, tmp_path: Path) -> None:
    cell = a_day()
    archived = len(cell.log) - 40

    async def scenario() -> None:
        await place.begin()
        await place.publish("cell", cell.log[:archived])
        async with place.running() as process:
            await until_archived(process)
        await place.publish("cell", cell.log[archived:])
        await publish_changes(place, cell)
        await place.drop("cell", archived - 10)

        found = await question(place, "SELECT log_offset, body FROM records ORDER BY log_offset")
        assert found.rows == tuple((n, each.decode()) for n, each in enumerate(cell.log))

        found = await question(place, "SELECT kind, count(*) AS n FROM events GROUP BY kind")
        assert dict(found.rows) == events_of(cell)

        found = await question(
            place,
            "SELECT log_offset, event_index, task_id, state FROM changes "
            "WHERE kind = 'TaskChanged' ORDER BY log_offset, event_index, place",
        )
        assert list(found.rows) == [
            (offset, index, each.task_id, each.state)
            for offset, index, each in cell.changes
            if isinstance(each, TaskChanged)
        ]
        for bad in ("SELECT * FROM read_text('/etc/passwd')", "DROP TABLE records", "SELECT nope"):
            with pytest.raises(OperatorError):
                await question(place, bad)

    asyncio.run(scenario())
    told = flumina(place, "archive", "now", "--json")
    assert json.loads(told.stdout)["cell_end"] == len(cell.log), told.stderr
    told = flumina(place, "sql", "--json", "SELECT count(*) AS n, max(at_time) AS t FROM records")
    assert json.loads(told.stdout)["items"][0]["n"] == len(cell.log), told.stderr
    file = tmp_path / "log.jsonl"
    assert flumina(place, "archive", "export", str(file)).returncode == 0
    assert file.read_bytes().splitlines() == cell.log
    check_verify(place)


def events_of(cell: CellInMemory) -> Counter[str]:
    names: Counter[str] = Counter()
    for value in cell.log:
        for event in decode_record(value).events:
            name = type(event).__name__
            body = getattr(event, "body", None)
            names[f"{name}:{type(body).__name__}" if body is not None else name] += 1
    return names


def check_verify(place: Place) -> None:
    archive = open_archive(place.settings)
    reports = verify(archive)
    assert reports
    assert all(each.is_sound for each in reports), reports
    file = max((place.settings.data_dir / "store").rglob("records/*.parquet"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(bytes(data))
    told = flumina(place, "archive", "verify")
    assert told.returncode == 1
    assert file.name in told.stderr
