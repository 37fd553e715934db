"""The small parts of history: what a record says of itself, open ranges, retention, series."""

import asyncio

import pytest
from aiokafka import ConsumerRecord

from connectors.archive.archive import Archive, NewRange
from connectors.archive.ranges import Series, Span
from connectors.archive.rows import NO_TIME_MS
from scheduler.chain import Chain
from scheduler.model.address import Source
from scheduler.model.codec import encode_mesos, encode_record
from scheduler.model.events import CellRecord, Copied, Tick
from scheduler.model.ids import Generation
from scheduler.model.inbound import PartitionBegan
from streams.cell.follower import LogRecord
from streams.history.heads import archived_record, at_ms_of
from streams.history.limits import HistoryLimits
from streams.history.partitions import Message, archived_message, series_in_kafka
from streams.history.tracks import Made, RecordTrack
from streams.kafka.retention import Standing, retention_faults
from tests.support.kept_log import RECORDS, MemoryStore, log_of

HOUR_MS = 3_600_000
LOG = log_of(range(1_000, 1_100))


def test_a_record_is_named_after_what_it_holds_and_copies_after_what_they_copy() -> None:
    copied = Copied(
        source=Source("jobs", Generation("0a0b0c0d"), 0, 0, -1), body=PartitionBegan("0a0b0c0d")
    )
    value = encode_record(CellRecord(version=1, epoch=7, at_ms=1_000, events=(Tick(), copied)))
    row = archived_record(3, value, 2_000)
    assert (row.kinds, row.epoch) == (("Tick", "Copied:PartitionBegan"), 7)
    assert (row.at_ms, row.at_ms_max) == (1_000, 2_000), "time never runs backwards"
    assert row.value == value


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"epoch":1,"at_ms":-5,"events":[]}',
        b'{"epoch":1,"at_ms":99999999999999999999999,"events":[]}',
        b'{"epoch":1,"at_ms":"now","events":[]}',
    ],
)
def test_what_cannot_be_read_is_archived_all_the_same(value: bytes) -> None:
    row = archived_record(3, value, 2_000)
    assert (row.value, row.at_ms, row.at_ms_max, row.kinds) == (value, NO_TIME_MS, 2_000, ())
    assert at_ms_of(value) == NO_TIME_MS


@pytest.mark.parametrize(
    ("limits", "now_ms", "is_due"),
    [
        (HistoryLimits(), 0, False),
        (HistoryLimits(range_records_max=100), 0, True),
        (HistoryLimits(range_bytes_max=1_000), 0, True),
        (HistoryLimits(range_age_ms=60_000), 59_999, False),
        (HistoryLimits(range_age_ms=60_000), 60_000, True),
    ],
)
def test_a_range_closes_by_records_bytes_or_age(
    limits: HistoryLimits, now_ms: int, is_due: bool
) -> None:
    track = RecordTrack(RECORDS, 0, 0, Chain())
    assert not track.is_due(limits, now_ms)
    track.take([LogRecord(n, value) for n, value in enumerate(LOG)], 0)
    assert track.is_due(limits, now_ms) == is_due


def test_behind_a_gap_the_chain_is_another() -> None:
    track = RecordTrack(RECORDS, 0, 0, Chain())
    track.take([LogRecord(0, LOG[0])], 0)
    first = track.range(Made(1, "test"))
    track.archived()
    track.jump(10)
    track.take([LogRecord(10, LOG[10])], 0)
    second = track.range(Made(1, "test"))
    assert (first.span, second.span) == (Span(0, 0), Span(10, 10))
    assert first.chain_before == Chain().hex
    assert second.chain_before == ""


@pytest.mark.parametrize(
    ("begin", "needed", "lag_ms", "retention_ms", "words"),
    [
        (0, 10, 0, -1, []),
        (10, 10, 0, 168 * HOUR_MS, []),
        (11, 10, 0, -1, ["they are lost"]),
        (0, 10, 0, 4 * HOUR_MS, []),
        (0, 10, 0, 4 * HOUR_MS - 1, ["keeps records for"]),
        (0, 10, 50 * HOUR_MS, 168 * HOUR_MS, ["at least 200.0 h are wanted"]),
        (11, 10, 50 * HOUR_MS, HOUR_MS, ["they are lost", "keeps records for 1.0 h"]),
    ],
)
def test_retention_is_held_against_what_is_needed(
    begin: int, needed: int, lag_ms: int, retention_ms: int, words: list[str]
) -> None:
    faults = retention_faults(
        [Standing("mesos", 0, begin, needed, lag_ms)], {"mesos": retention_ms}, []
    )
    assert len(faults) == len(words)
    assert all(word in fault for word, fault in zip(words, faults, strict=True))
    assert retention_faults([], {}, ["mesos is missing"]) == ["mesos is missing"]


def message(offset: int, value: bytes) -> Message:
    return ConsumerRecord("t", 0, offset, 1_000 + offset, 0, None, value, 0, 0, len(value), ())


def series_of(archive: Archive, kafka: list[bytes], begin: int = 0) -> Series:
    async def fetch(offset: int) -> Message:
        return message(offset, kafka[offset])

    return asyncio.run(series_in_kafka(archive, ("metrics", 0), (begin, len(kafka)), fetch))


def test_a_partition_is_known_by_its_last_archived_record() -> None:
    archive = Archive(MemoryStore())
    kafka = [b"%d" % n for n in range(10)]
    first = series_of(archive, kafka)
    rows = [archived_message(message(n, value)) for n, value in enumerate(kafka[:5])]
    archive.put(
        NewRange(series=first, span=Span(0, 4), rows=rows, at_ms_max=1, made_at_ms=1, build="test")
    )
    assert series_of(archive, kafka, begin=3) == first, "compared with what Kafka still has"
    assert series_of(archive, kafka, begin=7) == first, "nothing is left to compare"
    assert series_of(archive, [b"x%d" % n for n in range(10)]) != first, "other records"
    assert series_of(archive, kafka[:3]) != first, "it ends before what was archived"
    named = [encode_mesos(PartitionBegan("cafecafe")), *kafka]
    assert series_of(archive, named).generation == "cafecafe"
