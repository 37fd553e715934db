"""Slices of the inbound topics and of answers, by time: from the archive, and from Kafka behind it.

The one thing to know: a slice says what was published in the time of the incident. It is for people
and programs that look; what was decided by stands in the cell log.
"""

import asyncio
from collections.abc import Collection
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from connectors.archive.archive import Archive, DamagedRange
from connectors.archive.rows import ArchivedMessage
from connectors.cancelling import to_its_end
from connectors.ports import NoSuchObject, StoreFailed
from streams.kafka.patience import REQUEST_TIMEOUT_MS
from streams.kafka.security import client_options
from streams.kafka.topics import TOPICS
from streams.travel.bundle_file import SliceRecord

SLICED_TOPICS: Final = tuple(
    each.name for each in TOPICS if each.name not in {"cell", "leaders", "metrics"}
)
"""Metrics are many, and nothing is decided by them."""
RECORDS_MAX: Final = 1_000_000
"""Of one partition."""
BYTES_MAX: Final = 512 * 1024 * 1024
POLL_MS: Final = 500
SILENT_POLLS_MAX: Final = 20


class TopicSlices:
    """Reads slices of topics."""

    def __init__(
        self,
        archive: Archive,
        bootstrap: str | None,
        prefix: str,
        *,
        topics: Collection[str] = SLICED_TOPICS,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        """``bytes_max``: of one partition in Kafka."""
        self._archive = archive
        self._topics = topics
        self._bytes_max = bytes_max
        self._bootstrap = bootstrap
        self._prefix = prefix
        self.missing: list[str] = []
        """What could not be read, and why."""

    async def slices(self, first_ms: int, end_ms: int) -> dict[tuple[str, int], list[SliceRecord]]:
        """Records from ``first_ms`` up to and with ``end_ms``, by topic and partition."""
        found: dict[tuple[str, int], dict[int, SliceRecord]] = {}
        await asyncio.to_thread(self._archived, first_ms, end_ms, found)
        if self._bootstrap is not None:
            try:
                await self._from_kafka(self._bootstrap, first_ms, end_ms, found)
            except (KafkaError, OSError) as error:
                self.missing.append(f"Kafka could not be read: {error!r}")
        return {
            place: [records[offset] for offset in sorted(records)]
            for place, records in sorted(found.items())
            if records
        }

    def _archived(
        self, first_ms: int, end_ms: int, found: dict[tuple[str, int], dict[int, SliceRecord]]
    ) -> None:
        try:
            every = self._archive.series("archive/topics/")
        except StoreFailed as error:
            self.missing.append(f"the archive could not be read: {error}")
            return
        for series in every:
            if series.name not in self._topics:
                continue
            records = found.setdefault((series.name, series.partition), {})
            try:
                for manifest in self._archive.manifests(series):
                    if manifest.at_ms_max < first_ms or manifest.at_ms_min > end_ms:
                        continue
                    for row in self._archive.rows(manifest):
                        if isinstance(row, ArchivedMessage) and first_ms <= row.at_ms <= end_ms:
                            one = SliceRecord(row.offset, row.at_ms, row.key, row.value)
                            records[row.offset] = one
            except (DamagedRange, NoSuchObject, StoreFailed) as error:
                self.missing.append(f"{series} in the archive: {error}")

    async def _from_kafka(
        self,
        bootstrap: str,
        first_ms: int,
        end_ms: int,
        found: dict[tuple[str, int], dict[int, SliceRecord]],
    ) -> None:
        partitions = await _partitions(bootstrap)
        consumer = AIOKafkaConsumer(
            **client_options(bootstrap),
            client_id="flumina-bundle",
            enable_auto_commit=False,
            auto_offset_reset="none",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        await consumer.start()
        try:
            places = {
                TopicPartition(self._prefix + name, number): (name, number)
                for name in self._topics
                for number in partitions.get(self._prefix + name, ())
            }
            # All at once, before anything is read: behind a fetch each question waits for it.
            begins = await consumer.offsets_for_times(dict.fromkeys(places, first_ms))
            ends = await consumer.end_offsets(list(places))
            for place, key in places.items():
                begin = begins.get(place)
                if begin is not None and begin.offset < ends[place]:
                    stretch = (begin.offset, ends[place])
                    records = found.setdefault(key, {})
                    await self._partition(consumer, place, stretch, (first_ms, end_ms), records)
        finally:
            await to_its_end(consumer.stop())

    async def _partition(
        self,
        consumer: AIOKafkaConsumer,
        place: TopicPartition,
        stretch: tuple[int, int],
        times_ms: tuple[int, int],
        records: dict[int, SliceRecord],
    ) -> None:
        begin, end = stretch
        consumer.assign([place])
        consumer.seek(place, begin)
        position, silent, taken = begin, 0, 0
        while position < end and silent < SILENT_POLLS_MAX:
            batch = (await consumer.getmany(place, timeout_ms=POLL_MS)).get(place, [])
            silent = 0 if batch else silent + 1
            for each in batch:
                position = each.offset + 1
                if times_ms[0] <= each.timestamp <= times_ms[1]:
                    one = SliceRecord(each.offset, each.timestamp, each.key, each.value)
                    records[each.offset] = one
                    taken += len(each.value or b"")
            if len(records) > RECORDS_MAX or taken > self._bytes_max:
                self.missing.append(f"{place.topic}[{place.partition}] from offset {position} on")
                return
        if position < end:
            self.missing.append(f"{place.topic}[{place.partition}] from offset {position} on")


async def _partitions(bootstrap: str) -> dict[str, list[int]]:
    """The partitions of every topic that Kafka has."""
    client = AIOKafkaAdminClient(**client_options(bootstrap), client_id="flumina-bundle")
    await client.start()
    try:
        return {
            each["topic"]: sorted(one["partition"] for one in each["partitions"])
            for each in await client.describe_topics()
        }
    finally:
        await to_its_end(client.close())
