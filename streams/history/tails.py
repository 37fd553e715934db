"""What Kafka has behind the archive, read once for a question.

The one thing to know: this is what the archiving process would put into its next ranges. It has a
limit of bytes, and says so when the archive is too far behind for it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from connectors.archive.archive import Archive
from connectors.archive.ranges import Series
from connectors.archive.rows import ArchivedChange, ArchivedMessage, ArchivedRecord
from connectors.cancelling import to_its_end
from scheduler.model.address import parse_address
from scheduler.model.codec import Undecodable, decode_change
from streams.errors import OperatorError
from streams.history.folding import row_of_change
from streams.history.heads import archived_record
from streams.history.joined_log import JoinedLog
from streams.history.partitions import Message, archived_message, series_in_kafka
from streams.history.resuming import resume_at
from streams.kafka.headers import header_texts
from streams.kafka.patience import REQUEST_TIMEOUT_MS
from streams.kafka.security import client_options

TAIL_BYTES_MAX: Final = 256 * 1024 * 1024
POLL_MS: Final = 500
SILENCE_S_MAX: Final = 30.0
EARLIER_MS: Final = 120_000
"""A change is published after its record; clocks of producers differ by less than this."""


class TailTooLong(OperatorError):
    """So much is not archived yet that it cannot be held for a question."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"More than {TAIL_BYTES_MAX >> 20} MiB of {what} are not archived yet.",
            "The history process is not running, or cannot write to the store.",
            "Start `flumina history`, and ask again when it has caught up.",
        )


async def tail_of_cell(log: JoinedLog) -> list[ArchivedRecord]:
    """The records of the cell log behind the archive, as its rows."""
    archived = await log.archived.bounds()
    end = (await log.kafka.ends()).end
    begin = max(archived.end_offset, (await log.kafka.ends()).begin)
    at_ms_max = await log.archived.at_ms_max() or 0
    rows: list[ArchivedRecord] = []
    total = 0
    async for batch in log.kafka.records(begin, end):
        for record in batch:
            row = archived_record(record.offset, record.value, at_ms_max)
            at_ms_max = row.at_ms_max
            rows.append(row)
            total += len(record.value)
        if total > TAIL_BYTES_MAX:
            raise TailTooLong("the cell log")
    return rows


@asynccontextmanager
async def _reading(bootstrap: str, place: TopicPartition) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **client_options(bootstrap),
        client_id="flumina-tail",
        enable_auto_commit=False,
        auto_offset_reset="none",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    await consumer.start()
    try:
        consumer.assign([place])
        yield consumer
    finally:
        await to_its_end(consumer.stop())


async def tail_of_partition(
    archive: Archive, bootstrap: str, place: TopicPartition, name: str
) -> tuple[Series, list[ArchivedMessage]] | None:
    """Which series the partition is, and its records behind the archive; None if it is empty."""
    async with _reading(bootstrap, place) as consumer:
        begin = (await consumer.beginning_offsets([place]))[place]
        end = (await consumer.end_offsets([place]))[place]
        if begin >= end:
            return None

        async def fetch(offset: int) -> Message:
            consumer.seek(place, offset)
            async with asyncio.timeout(SILENCE_S_MAX):
                return await consumer.getone(place)

        series = await series_in_kafka(archive, (name, place.partition), (begin, end), fetch)
        resume = await asyncio.to_thread(resume_at, archive, series, begin, end)
        found = await _read(consumer, place, resume.next_offset, end)
    return series, [archived_message(each) for each in found]


async def _read(
    consumer: AIOKafkaConsumer, place: TopicPartition, first: int, end: int
) -> list[Message]:
    found: list[Message] = []
    total, position = 0, first
    consumer.seek(place, first)
    async with asyncio.timeout(None) as deadline:
        loop = asyncio.get_running_loop()
        while position < end:
            deadline.reschedule(loop.time() + SILENCE_S_MAX)
            batch = (await consumer.getmany(place, timeout_ms=POLL_MS)).get(place, ())
            found += batch
            total += sum(len(each.value or b"") for each in batch)
            position = await consumer.position(place)
            if total > TAIL_BYTES_MAX:
                raise TailTooLong(place.topic)
    return [each for each in found if each.offset < end]


async def tail_of_changes(
    bootstrap: str, place: TopicPartition, generation: str, records: list[ArchivedRecord], end: int
) -> list[ArchivedChange]:
    """The changes at ``end`` of their archive and behind it, as the leader published them.

    ``records`` is the log from there on: it tells the times.
    """
    times = {each.offset: each.at_ms_max for each in records}
    if not times:
        return []
    since_ms = max(0, min(times.values()) - EARLIER_MS)
    async with _reading(bootstrap, place) as consumer:
        began = (await consumer.offsets_for_times({place: since_ms})).get(place)
        if began is None:
            return []
        last = (await consumer.end_offsets([place]))[place]
        found = await _read(consumer, place, began.offset, last)
    rows: dict[tuple[int, int, bytes], ArchivedChange] = {}
    places: dict[tuple[int, int], int] = {}
    for each in found:
        try:
            spot = parse_address(header_texts(each.headers).get("ce_id", ""))
            change = decode_change(each.value or b"")
        except (ValueError, Undecodable):
            continue  # A stranger's record; the leader's have an address each.
        if spot.generation != generation or spot.offset < end or spot.offset not in times:
            continue
        # Published at least once: what came again after a change of leaders is left out.
        key = (spot.offset, spot.index, each.value or b"")
        if key not in rows:
            place_of = places.setdefault(key[:2], 0)
            places[key[:2]] = place_of + 1
            rows[key] = row_of_change((*key[:2], place_of), times[spot.offset], change)
    return sorted(rows.values(), key=lambda row: (row.offset, row.index, row.place))
