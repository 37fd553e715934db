"""Archive and Kafka joined are the log, wherever one ends and however ranges overlap.

Proves, for random logs, random ranges of an archive and any place where Kafka begins: each read of
each part gives the log's own bytes and no other, or names a hole that is really there; and the
offset of an instant is the one that a look at every record finds.
"""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.archive.archive import Archive, DamagedRange
from streams.cell.follower import LogRecord
from streams.history.archived_log import ArchivedLog
from streams.history.joined_log import JoinedLog, generation_in_kafka
from streams.history.reading import LogBounds, LogHole
from tests.support.kept_log import (
    CELL,
    GENERATION,
    KafkaInMemory,
    MemoryStore,
    archive_range,
    log_of,
)

TIMES = st.lists(st.integers(1_000, 1_030), min_size=1, max_size=40)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[bytes], list[tuple[int, int]], int]:
    log = log_of(draw(TIMES))
    bounds = st.tuples(*[st.integers(0, len(log) - 1)] * 2).map(lambda two: (min(two), max(two)))
    return log, draw(st.lists(bounds, max_size=6)), draw(st.integers(0, len(log)))


def joined(
    log: Sequence[bytes], ranges: Sequence[tuple[int, int]], begin: int, *, is_kafka_first: bool
) -> JoinedLog:
    archive = Archive(MemoryStore())
    for first, last in ranges:
        archive_range(archive, log, first, last)
    kafka = KafkaInMemory(log, begin)
    return JoinedLog(ArchivedLog(archive, CELL, GENERATION), kafka, is_kafka_first=is_kafka_first)


async def read(reader: JoinedLog, first: int, end: int) -> tuple[list[LogRecord], bool]:
    found: list[LogRecord] = []
    try:
        async for batch in reader.records(first, end):
            found += batch
    except LogHole:
        return found, True
    return found, False


@given(world=worlds(), part=st.tuples(st.integers(0, 40), st.integers(0, 40)), first=st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_log_itself_is_read_or_a_hole_is_named(
    world: tuple[list[bytes], list[tuple[int, int]], int], part: tuple[int, int], first: bool
) -> None:
    log, ranges, begin = world
    there = {each for one, last in ranges for each in range(one, last + 1)}
    there |= set(range(begin, len(log)))
    low, high = min(part), min(max(part), len(log))
    found, is_hole = asyncio.run(read(joined(log, ranges, begin, is_kafka_first=first), low, high))
    wanted = list(range(low, high))
    whole = [offset for n, offset in enumerate(wanted) if set(wanted[: n + 1]) <= there]
    assert [each.offset for each in found] == whole
    assert [each.value for each in found] == [log[each] for each in whole]
    assert is_hole == (whole != wanted)


@given(world=worlds(), at_ms=st.integers(998, 1_033), is_kafka_first=st.booleans())
@settings(max_examples=60, deadline=None)
def test_an_instant_is_where_the_running_maximum_reaches_it(
    world: tuple[list[bytes], list[tuple[int, int]], int], at_ms: int, is_kafka_first: bool
) -> None:
    log, ranges, _ = world
    reader = joined(
        log, [(0, len(log) // 2), *ranges], len(log) // 3, is_kafka_first=is_kafka_first
    )
    times = [int(each.partition(b'"at_ms":')[2].partition(b",")[0]) for each in log]
    wanted = next((n for n, each in enumerate(times) if each >= at_ms), len(log))
    assert asyncio.run(reader.offset_at(at_ms)) == wanted
    assert asyncio.run(reader.offset_at(at_ms)) == wanted, "asked again, by the index"
    assert asyncio.run(KafkaInMemory(log).offset_at(at_ms)) == wanted


@given(world=worlds())
@settings(max_examples=50, deadline=None)
def test_a_log_is_known_by_its_first_record_or_by_what_was_archived(
    world: tuple[list[bytes], list[tuple[int, int]], int],
) -> None:
    log, ranges, begin = world
    archive = Archive(MemoryStore())
    for first, last in ranges:
        archive_range(archive, log, first, last)
    is_known = begin == 0 or any(first <= begin <= last for first, last in ranges)
    if begin < len(log) and is_known:
        found = asyncio.run(generation_in_kafka(archive, CELL, KafkaInMemory(log, begin)))
        assert found == GENERATION


@given(
    count=st.integers(5, 40),
    flipped=st.integers(0, 10_000),
    begin=st.integers(0, 40),
)
@settings(max_examples=60, deadline=None)
def test_a_flipped_bit_is_told_or_made_good_by_kafka(count: int, flipped: int, begin: int) -> None:
    log = log_of([10_000 + n for n in range(count)])
    store = MemoryStore()
    archive_range(Archive(store), log, 0, count - 1)
    key = next(each for each in store.objects if each.endswith(".parquet"))
    data = bytearray(store.objects[key])
    data[flipped % len(data)] ^= 1
    store.objects[key] = bytes(data)
    kafka = KafkaInMemory(log, min(begin, count))
    reader = JoinedLog(ArchivedLog(Archive(store), CELL, GENERATION), kafka)
    try:
        found, is_hole = asyncio.run(read(reader, begin, count))
    except DamagedRange:
        raise AssertionError("Kafka has all that was asked for") from None
    assert not is_hole
    assert [each.value for each in found] == log[begin:]
    with pytest.raises(DamagedRange):
        asyncio.run(
            read(
                JoinedLog(ArchivedLog(Archive(store), CELL, GENERATION), KafkaInMemory(log, count)),
                0,
                count,
            )
        )


def test_a_log_that_was_empty_when_it_was_opened_is_named_by_its_first_record() -> None:
    log: list[bytes] = []
    archive = Archive(MemoryStore())
    kafka = KafkaInMemory(log)

    async def scenario() -> None:
        generation = await generation_in_kafka(archive, CELL, kafka)
        reader = JoinedLog(ArchivedLog(archive, CELL, generation), kafka)
        assert await reader.bounds() == LogBounds("", 0, 0)
        assert await reader.offset_at(1) == 0
        log.extend(log_of([1, 2, 3]))
        assert await reader.bounds() == LogBounds(GENERATION, 0, 3)
        assert await reader.offset_at(2) == 1

    asyncio.run(scenario())
