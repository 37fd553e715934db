"""History without end on a real Kafka: archived, dropped by Kafka, and read as if nothing had been.

Proves: what Kafka drops is in the archive byte for byte, a reader sees no seam, a restart archives
nothing twice, and a store that is away costs nothing but time.
"""

import asyncio
from pathlib import Path

import pytest

from connectors.archive.archive import Archive
from connectors.archive.ranges import Series
from connectors.archive.rows import ArchivedChange, ArchivedMessage
from scheduler.chain import Chain
from scheduler.model.changes import Change
from scheduler.model.codec import encode_change
from streams.history.derived import DerivedReader
from streams.history.limits import HistoryLimits
from streams.history.opening import open_archive, open_archived, open_log
from tests.integration.history.conftest import Place, a_day, until, until_archived
from tests.support.cell import GENERATION

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
            for one, two in zip(after[series], after[series][1:], strict=False):
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

            async def is_paged() -> bool:
                return any(what == "archive-behind" for what, _ in place.pages)

            await until(is_paged, "the age of what is not archived is paged")
            metrics = process.metrics.text().decode()
            assert "flumina_history_store_failing 1.0" in metrics
            lag = f'flumina_history_lag_records{{partition="0",topic="{place.prefix}cell"}}'
            assert f"{lag} {float(len(cell.log))}" in metrics
            stone.unlink()
            await until_archived(process)
            assert "flumina_history_store_failing 0.0" in process.metrics.text().decode()
        assert await read_all(place) == cell.log

    asyncio.run(scenario())
