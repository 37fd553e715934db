"""The past over a real Kafka that dropped most of it, and a bundle that is replayed without either.

Proves: states, timelines and differences are those of a fold from zero when the records come from
archive and Kafka joined; a bundle made of both, with slices of the topics, replays offline.
"""

import asyncio
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from projections.cost.ledger import Costs
from projections.travel.diff import Difference
from projections.travel.questions import CostOf, DiffOf, TimelineOf
from scheduler.digest import canonical_bytes
from streams.history.opening import open_archive
from streams.travel.answering import Answering
from streams.travel.bundling import Bundling
from streams.travel.opening import opened_travel
from streams.travel.topic_slices import TopicSlices
from streams.travel.traveller import TimelinePage
from tests.integration.history.conftest import Place, a_day, until_archived
from tests.support.cell import CellInMemory, service
from tests.support.log_in_memory import LogInMemory

pytestmark = pytest.mark.integration

COMMAND = (sys.executable, "-m", "streams.cli.main")

SUBMISSIONS = [b'{"container":{"env":{"TOKEN":"hush-4711"}},"n":%d}' % n for n in range(20)]


def test_archive_and_kafka_are_one_past_and_a_bundle_of_both_replays_offline(
    place: Place, tmp_path: Path
) -> None:
    cell = a_day()
    path = tmp_path / "incident.zip"

    async def scenario() -> None:
        await place.begin()
        await place.publish("cell", cell.log)
        await place.publish("jobs", SUBMISSIONS[:15])
        async with place.running() as process:
            await until_archived(process)
        archived = len(cell.log)
        await place.drop("cell", archived - 10)
        await place.drop("jobs", 10)
        cell.run(service(2), "late")
        await place.publish("cell", cell.log[archived:])
        await place.publish("jobs", SUBMISSIONS[15:])
        async with opened_travel(place.settings) as answers:
            await check_past(answers, cell)
            archive = open_archive(place.settings)
            slices = TopicSlices(archive, place.kafka, place.prefix)
            bundling = Bundling(answers, slices, is_masked=True, build="test")
            manifest = await bundling.write(path, str(archived - 50), "now")
        assert manifest.end_offset == len(cell.log)
        assert manifest.original_digest == cell.machine.digest.value()
        found = await slices.slices(0, 1 << 52)
        assert slices.missing == []
        values = [each.value for each in found["jobs", 0]]
        assert values == SUBMISSIONS, "the archive has what Kafka dropped, Kafka what is newer"

    asyncio.run(scenario())
    check_offline(path, tmp_path)


async def check_past(answers: Answering, cell: CellInMemory) -> None:
    """Answers over the joined log are those over all of its records in memory."""
    wanted = Answering(LogInMemory(cell.log))
    for end in (5, len(cell.log) // 2, len(cell.log)):
        view = await answers.machine.view_at(end)
        assert canonical_bytes(view.state) == canonical_bytes(
            (await wanted.machine.view_at(end)).state
        )
    task_id = cell.tasks("job-0")[0].task_id
    for question in (TimelineOf(task_id), TimelineOf("late"), DiffOf("20", "now")):
        found = await answers.answer(question)
        assert found == await wanted.answer(question)
        assert isinstance(found, TimelinePage | Difference)
    costs = await answers.answer(CostOf("0", "now", "job", None))
    assert costs == await wanted.answer(CostOf("0", "now", "job", None))
    assert isinstance(costs, Costs)
    assert costs.total.cpu_milli_ms > 0


def check_offline(path: Path, folder: Path) -> None:
    """The command proves the bundle and decides by another policy; no Kafka, no store."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "KAFKA_BROKERS" and not name.startswith("FLUMINA_")
    }
    done = subprocess.run(
        [*COMMAND, "replay", str(path), "--policy", "spread", "--json"],
        env=environment | {"FLUMINA_DATA": str(folder / "none"), "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    with zipfile.ZipFile(path) as bundle:
        manifest = json.loads(bundle.read("manifest.json"))
        assert b"hush-4711" not in b"".join(map(bundle.read, bundle.namelist()))
    assert told["isProven"]
    assert told["digest"] == manifest["digest"]
    assert told["comparison"]["rounds"] >= 1
