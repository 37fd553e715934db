"""History without end on a real Kafka: archived, dropped by Kafka, and read as if nothing had been.

Proves: what Kafka drops is in the archive byte for byte, a reader sees no seam, a restart archives
nothing twice, and a store that is away costs nothing but time.
"""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from connectors.archive.archive import Archive
from connectors.archive.ranges import Series
from connectors.archive.rows import ArchivedChange, ArchivedMessage
from projections.travel.notes import Note, Noted
from projections.travel.wanted import NewestSpots, Wanted
from scheduler.chain import Chain
from scheduler.model.changes import Change
from scheduler.model.codec import decode_record, digest_of, encode_change
from scheduler.model.inbound import RecordSkipped
from streams.history.derived import DerivedReader
from streams.history.limits import HistoryLimits
from streams.history.notes import ArchivedNotes
from streams.history.opening import open_archive, open_archived, open_log
from streams.history.verifying import verify
from streams.kafka.retention import retentions_ms
from streams.snapshots.shelf import Shelf
from streams.snapshots.taking import SnapshotTaker
from tests.integration.history.conftest import Place, a_day, question, until, until_archived
from tests.support.cell import GENERATION, service
from tests.support.metric_page import unnamed

pytestmark = pytest.mark.integration

JOBS = [b'{"n":%d}' % n for n in range(100)]


async def read_all(place: Place) -> list[bytes]:
    log = await open_log(place.settings)
    try:
        bounds = await log.bounds()
        assert (bounds.generation, bounds.first_offset) == (GENERATION, 0)
        return [each.value async for batch in log.records(0, bounds.end_offset) for each in batch]
    finally:
        await log.close()


def spans_of(archive: Archive) -> dict[str, list[tuple[int, int]]]:
    return {
        str(series): [(each.first_offset, each.last_offset) for each in archive.spans(series)]
        for series in archive.series()
    }


def test_what_kafka_drops_is_read_as_before_and_a_restart_goes_on_behind_it(place: Place) -> None:
    cell = a_day()

    async def scenario() -> None:
        await place.begin()
        await place.publish("cell", cell.log)
        await place.publish("jobs", JOBS, key=b"a job")
        async with place.running() as process:
            await until_archived(process)
            archive = process.archive
        before = spans_of(archive)
        await place.drop("cell", len(cell.log) - 30)
        await place.drop("jobs", 90)
        assert await read_all(place) == cell.log
        cell.tick(1_000, times=25)
        await place.publish("cell", cell.log[-25:])
        assert await read_all(place) == cell.log
        async with place.running() as process:
            await until_archived(process)
        after = spans_of(archive)
        for series, spans in before.items():
            assert after[series][: len(spans)] == spans, "nothing is archived again"
            for one, two in pairwise(after[series]):
                assert two[0] == one[1] + 1
        await place.drop("cell", len(cell.log))
        log = await open_log_of_archive(place)
        check_whole(archive, cell.log)
        assert log == cell.log
        check_changes(await changes_of(archive, len(cell.log)), cell.changes)
        check_jobs(archive)
        assert place.pages == []

    async def open_log_of_archive(place: Place) -> list[bytes]:
        reader = await open_archived(place.settings, open_archive(place.settings))
        bounds = await reader.bounds()
        return [e.value async for batch in reader.records(0, bounds.end_offset) for e in batch]

    asyncio.run(scenario())


async def changes_of(archive: Archive, end: int) -> list[ArchivedChange]:
    reader = DerivedReader(archive, "test", GENERATION, "changes")
    assert await reader.end() == end
    return await reader.rows(0, end)


def check_whole(archive: Archive, log: list[bytes]) -> None:
    chain = Chain()
    for value in log:
        chain.take(value)
    last = list(archive.manifests(Series("records", "test", GENERATION)))[-1]
    assert last.chain_after == chain.hex


def check_changes(rows: list[ArchivedChange], wanted: list[tuple[int, int, Change]]) -> None:
    found = [(each.offset, each.index, each.body) for each in rows]
    assert found == [(offset, index, encode_change(change)) for offset, index, change in wanted]


def check_jobs(archive: Archive) -> None:
    series = [each for each in archive.series() if each.name == "jobs"]
    assert len(series) == 1
    rows = [row for each in archive.manifests(series[0]) for row in archive.rows(each)]
    messages = [each for each in rows if isinstance(each, ArchivedMessage)]
    assert [each.value for each in messages] == JOBS
    assert {(each.key, each.headers) for each in messages} == {(b"a job", (("h", b"\xff"),))}


def test_while_the_store_is_away_kafka_keeps_and_somebody_is_paged(
    place: Place, tmp_path: Path
) -> None:
    cell = a_day(hours=1)
    limits = HistoryLimits(
        range_records_max=40, range_age_ms=300, page_age_ms=1, retry_ms=50, watch_ms=100
    )
    stone = tmp_path / "store"
    stone.write_text("a file where the store's folder should be")

    async def scenario() -> None:
        await place.begin()
        await place.publish("cell", cell.log)
        async with place.running(limits) as process:
            lag = f'flumina_history_lag_records{{partition="0",topic="{place.prefix}cell"}}'
            wanted = ("flumina_history_store_failing 1.0", f"{lag} {float(len(cell.log))}")

            async def is_told() -> bool:
                metrics = process.metrics.text().decode()
                is_paged = any(what == "archive-behind" for what, _ in place.pages)
                return is_paged and all(each in metrics for each in wanted)

            await until(is_told, "the age of what is not archived is paged and measured")
            stone.unlink()
            await until_archived(process)
            assert "flumina_history_store_failing 0.0" in process.metrics.text().decode()
            assert unnamed(process.metrics.text().decode()) == []
        assert await read_all(place) == cell.log

    asyncio.run(scenario())


def test_a_halted_fold_delays_changes_and_no_record(place: Place) -> None:
    cell = a_day(hours=1)
    poison = b'{"version":1,"epoch":0,"at_ms":1,"events":[{"type":"Unheard"}]}'
    offset = len(cell.log)
    cell.log.append(poison)
    cell.machine.pass_over(offset)
    cell.tick(1_000, times=60)
    before_skip = len(cell.log)
    cell.copy("commands", RecordSkipped(offset, digest_of(poison), actor="op", why="test"))
    cell.run(service(desired=2), "later")

    async def scenario() -> None:
        await place.begin()
        await place.publish("cell", cell.log[:before_skip])
        async with place.running() as process:

            async def is_archived() -> bool:
                return process.cell.is_archived_to(before_skip)

            await until(is_archived, "the records are archived although the fold is halted")
            assert process.cell.follower is not None
            assert process.cell.follower.halt is not None
            archive = process.archive
            assert await DerivedReader(archive, "test", GENERATION, "changes").end() == offset
            await place.publish("cell", cell.log[before_skip:])
            await until_archived(process)
            assert process.cell.follower.halt is None
        assert await read_all(place) == cell.log
        check_changes(await changes_of(archive, len(cell.log)), cell.changes)
        assert all(each.is_sound for each in verify(archive))

    asyncio.run(scenario())


def test_a_restart_folds_from_a_snapshot_and_notes_go_on(place: Place) -> None:
    cell = a_day(hours=2)

    async def scenario() -> None:
        await place.begin()
        await place.publish("cell", cell.log)
        async with place.running() as process:
            await until_archived(process)
            follower = process.cell.follower
            assert follower is not None
            whole = follower.events_folded
            await SnapshotTaker(Shelf(process.archive.store, "test"), follower).take()
        first = len(cell.log)
        cell.run(service(desired=2), "later")
        await place.publish("cell", cell.log[first:])
        async with place.running() as process:
            await until_archived(process)
            follower = process.cell.follower
            assert follower is not None
            assert 0 < follower.events_folded < whole
            assert follower.machine.digest.value() == cell.machine.digest.value()
            notes = ArchivedNotes(process.archive, "test", GENERATION)
        noted = Noted()
        wanted = [
            row
            for offset, data in enumerate(cell.log)
            for row in noted.take(offset, decode_record(data))
        ]
        assert await notes.notes_end() == len(cell.log)
        found = await notes.notes(0, len(cell.log))
        assert [place_of(each) for each in found] == [place_of(each) for each in wanted]
        # Behind a restart a note may not name a cause that lies before the snapshot.
        assert list(found[: len(found) // 2]) == wanted[: len(found) // 2]
        of_job = await notes.notes(0, len(cell.log), Wanted(job_id="job-1"))
        assert list(of_job) == [each for each in found if each.job_id == "job-1"]
        of_table, of_rows = (
            NewestSpots({("job", "job-0"), ("host", "host1"), ("task", found[-1].task_id)}, 4)
            for _ in range(2)
        )
        await notes.find(0, len(cell.log), of_table)
        of_rows.take_notes(wanted)
        assert vars(of_table) == vars(of_rows)

    asyncio.run(scenario())


def place_of(note: Note) -> tuple[object, ...]:
    return (note.offset, note.index, note.kind, note.job_id, note.task_id, note.host_id)


def test_a_topic_that_keeps_too_little_is_paged(place: Place) -> None:
    async def scenario() -> None:
        await place.begin()
        jobs = f"{place.prefix}jobs"
        await place.set_config("jobs", {"retention.ms": "60000"})

        async def is_set() -> bool:
            return (await retentions_ms(place.kafka, [jobs]))[jobs] == 60_000

        await until(is_set, "the broker knows its topic's new setting")
        async with place.running():

            async def is_paged() -> bool:
                return any(what == "retention" for what, _ in place.pages)

            await until(is_paged, "the guard pages")
        assert f"{jobs} keeps records for 0.0 h" in dict(place.pages)["retention"]

    asyncio.run(scenario())


def test_a_topic_made_anew_is_another_series(place: Place) -> None:
    async def archived() -> list[str]:
        async with place.running() as process:
            await until_archived(process)
            return [str(each) for each in process.archive.series() if each.name == "metrics"]

    async def scenario() -> None:
        await place.begin()
        await place.publish("metrics", [b"old %d" % n for n in range(9)])
        first = await archived()
        assert await archived() == first
        await place.remove("metrics")
        await place.begin()
        await place.publish("metrics", [b"new %d" % n for n in range(20)])
        assert len(await archived()) == 2
        found = await question(place, "SELECT body FROM metrics")
        assert len(found.rows) == 29

    asyncio.run(scenario())
