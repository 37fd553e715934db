"""The archive in a store: what counts as archived, what is refused, and what damage is found."""

from itertools import pairwise

import pytest

from connectors.archive.archive import Archive, DamagedRange, NewRange, RangeDiffers
from connectors.archive.ranges import Series, Span, covering, gaps, series_of, span_of
from connectors.archive.rows import ArchivedMessage
from connectors.objects.opening import open_store
from connectors.ports import StoreFailed
from scheduler.chain import Chain
from streams.history.resuming import NO_CHAIN, resume_at
from streams.history.verifying import verify
from tests.support.kept_log import RECORDS, MemoryStore, archive_range, log_of

JOBS = Series("messages", "jobs", "0a0b0c0d")
LOG = log_of([*range(1_000, 1_010), 900, *range(1_010, 1_020)])


def jobs(*values: bytes) -> NewRange:
    rows = [ArchivedMessage(n, 1_000 + n, b"key", value) for n, value in enumerate(values)]
    return NewRange(
        series=JOBS,
        span=Span(0, len(rows) - 1),
        rows=rows,
        at_ms_max=2_000,
        made_at_ms=1,
        build="test",
    )


def test_a_range_is_there_once_its_manifest_is() -> None:
    store = MemoryStore()
    archive = Archive(store)
    manifest = archive.put(jobs(b"a", b"b"))
    del store.objects[f"{JOBS.prefix}{manifest.span.name}.json"]
    fresh = Archive(store)
    assert fresh.spans(JOBS) == []
    assert fresh.series() == []
    fresh.put(jobs(b"a", b"b"))
    assert fresh.spans(JOBS) == [Span(0, 1)]


def test_the_same_range_twice_is_once_and_another_in_its_place_is_refused() -> None:
    store = MemoryStore()
    first = Archive(store).put(jobs(b"a", b"b"))
    assert Archive(store).put(jobs(b"a", b"b")) == first
    with pytest.raises(RangeDiffers):
        Archive(store).put(jobs(b"a", b"c"))
    assert [
        row.value for row in Archive(store).rows(first) if isinstance(row, ArchivedMessage)
    ] == [
        b"a",
        b"b",
    ]


def test_a_store_that_fails_leaves_no_range() -> None:
    store = MemoryStore()
    store.is_failing = True
    with pytest.raises(StoreFailed):
        Archive(store).put(jobs(b"a"))
    store.is_failing = False
    assert Archive(store).spans(JOBS) == []


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_file_is_never_read_as_if_it_were_whole(damage: str) -> None:
    store = MemoryStore()
    manifest = Archive(store).put(jobs(*[b"%d" % n for n in range(100)]))
    data = store.objects[manifest.file]
    if damage == "remove":
        del store.objects[manifest.file]
    else:
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]
        store.objects[manifest.file] = flipped if damage == "flip" else data[:middle]
    with pytest.raises(DamagedRange):
        Archive(store).rows(manifest)
    report = verify(Archive(store))[0]
    assert not report.is_sound
    assert report.gaps == (Span(0, 99),)


def test_a_manifest_of_another_version_is_refused() -> None:
    store = MemoryStore()
    manifest = Archive(store).put(jobs(b"a"))
    key = f"{JOBS.prefix}{manifest.span.name}.json"
    store.objects[key] = store.objects[key].replace(b'"version":1', b'"version":2')
    with pytest.raises(DamagedRange, match="version 2"):
        Archive(store).manifest(JOBS, manifest.span)


def test_names_say_what_they_name() -> None:
    for series in (JOBS, RECORDS, Series("notes", "main", "ffffffff")):
        key = f"{series.prefix}{Span(3, 17).name}.json"
        assert series_of(key) == series
        assert span_of(key) == Span(3, 17)
        assert span_of(key.replace(".json", "-0123456789abcdef.parquet")) is None


@pytest.mark.parametrize(
    ("spans", "pieces", "missing"),
    [
        ([(0, 9)], [(0, 10)], []),
        ([(0, 4), (5, 9)], [(0, 5), (5, 10)], []),
        ([(0, 6), (2, 3), (5, 9)], [(0, 7), (7, 10)], []),
        ([(0, 9), (0, 3), (4, 9)], [(0, 10)], []),
        ([(0, 2), (6, 12)], [(0, 3), (6, 10)], [(3, 5)]),
        ([(3, 5)], [(3, 6)], [(0, 2), (6, 9)]),
        ([], [], [(0, 9)]),
    ],
)
def test_ranges_are_taken_so_that_each_offset_is_there_once(
    spans: list[tuple[int, int]], pieces: list[tuple[int, int]], missing: list[tuple[int, int]]
) -> None:
    given = [Span(*each) for each in spans]
    found = covering(given, 0, 10)
    assert [(each.first_offset, each.end_offset) for each in found] == pieces
    assert gaps(given, 0, 10) == [Span(*each) for each in missing]


def test_a_chain_that_does_not_go_on_is_found() -> None:
    archive = Archive(MemoryStore())
    other = log_of(range(5_000, 5_020))
    archive_range(archive, LOG, 0, 9)
    archive_range(archive, other, 10, 15)
    report = verify(archive)[0]
    assert not report.gaps
    assert "two logs" in report.faults[0]


def test_two_historians_leave_one_log() -> None:
    archive = Archive(MemoryStore())
    for first, last in [(0, 9), (0, 6), (7, 14), (10, 19)]:
        archive_range(archive, LOG, first, last)
    report = verify(archive)[0]
    assert report.is_sound
    chain = Chain()
    for value in LOG[:20]:
        chain.take(value)
    assert report.chain == chain.hex


@pytest.mark.parametrize(
    ("ranges", "kafka", "resume"),
    [
        ([], (0, 20), 0),
        ([(0, 9)], (0, 20), 10),
        ([(0, 9)], (5, 20), 10),
        ([(0, 9)], (15, 20), 15),
        ([], (5, 20), 5),
        # A range was removed that Kafka still has: it is archived anew.
        ([(0, 4), (8, 12)], (3, 20), 5),
        # What nobody has any more is not waited for.
        ([(0, 4), (8, 12)], (9, 20), 13),
    ],
)
def test_archiving_goes_on_where_something_is_missing_that_kafka_has(
    ranges: list[tuple[int, int]], kafka: tuple[int, int], resume: int
) -> None:
    archive = Archive(MemoryStore())
    for first, last in ranges:
        archive_range(archive, LOG, first, last)
    found = resume_at(archive, RECORDS, *kafka)
    assert found.next_offset == resume
    is_after_gap = resume > 0 and not any(last == resume - 1 for _, last in ranges)
    assert (found.chain == NO_CHAIN) == is_after_gap


def test_ranges_in_s3_are_ranges(s3_url: str) -> None:
    archive = Archive(open_store(s3_url))
    archive_range(archive, LOG, 0, 9)
    archive_range(archive, LOG, 10, 20)
    archive.put(jobs(b"a", b"b"))
    with pytest.raises(RangeDiffers):
        archive.put(jobs(b"a", b"c"))
    fresh = Archive(open_store(s3_url))
    assert [str(each) for each in fresh.series()] == ["jobs/0a0b0c0d:0", "main/0a0b0c0d records"]
    assert all(each.is_sound for each in verify(fresh))
    spans = fresh.spans(RECORDS)
    assert all(two.first_offset == one.last_offset + 1 for one, two in pairwise(spans))
