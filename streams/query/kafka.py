"""Kafka as queries read it: offsets of topics, and readers of records merged by their time.

The one thing to know: nothing here is made before somebody asks. A reader of its own reads only as
fast as its client takes; records of several partitions come in the order of their time, as far as
each partition has them in that order.
"""

import heapq
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from connectors.cancelling import to_its_end
from streams.kafka.security import client_options
from streams.query.places import Lane, Spots
from streams.query.ports import History
from streams.query.record import Record
from streams.query.sources import PARTITIONS

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

REQUEST_TIMEOUT_MS: Final = 15_000
FETCH_BYTES_MAX: Final = 1024 * 1024
"""Of one answer of Kafka; a larger record comes all the same, alone."""
PARTITION_BYTES_MAX: Final = 128 * 1024
"""Of one partition in it: a client keeps that of each until it is taken."""
BATCH_RECORDS_MAX: Final = 500
HELD_RECORDS_MAX: Final = 1_000
"""Of one partition that waits for the others."""
HELD_BYTES_MAX: Final = 1024 * 1024
"""Of all partitions; beyond, only those are read on that the others wait for."""
POLL_MS: Final = 200


class Kafka:
    """One Kafka and one installation's topics in it."""

    def __init__(self, bootstrap: str, prefix: str, cells: int) -> None:
        self.bootstrap, self.prefix, self.cells = bootstrap, prefix, cells

    def lanes(self, topics: Iterable[str]) -> list[Lane]:
        """All partitions of these topics."""
        return [
            (topic, number) for topic in topics for number in range(PARTITIONS[topic] or self.cells)
        ]

    def place(self, lane: Lane) -> "TopicPartition":
        """The partition as Kafka's client names it."""
        from aiokafka import TopicPartition  # noqa: PLC0415 - half a second and 20 MiB

        return TopicPartition(self.prefix + lane[0], lane[1])

    @asynccontextmanager
    async def consumer(self) -> AsyncIterator["AIOKafkaConsumer"]:
        """A consumer of no group, for as long as it is needed."""
        from aiokafka import AIOKafkaConsumer  # noqa: PLC0415 - half a second and 20 MiB

        consumer = AIOKafkaConsumer(
            **client_options(self.bootstrap),
            client_id="flumina-query",
            enable_auto_commit=False,
            auto_offset_reset="none",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            max_partition_fetch_bytes=PARTITION_BYTES_MAX,
            fetch_max_bytes=FETCH_BYTES_MAX,
            fetch_max_wait_ms=POLL_MS,
        )
        try:
            await consumer.start()
            yield consumer
        finally:
            await to_its_end(consumer.stop())

    async def bounds(self, lanes: Sequence[Lane]) -> dict[Lane, tuple[int, int]]:
        """Of each partition the first offset that Kafka has, and its end."""
        async with self.consumer() as consumer:
            places = {lane: self.place(lane) for lane in lanes}
            begins = await consumer.beginning_offsets(list(places.values()))
            ends = await consumer.end_offsets(list(places.values()))
        return {lane: (begins[place], ends[place]) for lane, place in places.items()}

    async def offsets_at(self, lanes: Sequence[Lane], at_ms: int) -> dict[Lane, int | None]:
        """Of each partition the first offset of this time or later; None where there is none."""
        async with self.consumer() as consumer:
            places = {lane: self.place(lane) for lane in lanes}
            found = await consumer.offsets_for_times(dict.fromkeys(places.values(), at_ms))
        offsets: dict[Lane, int | None] = {}
        for lane, place in places.items():
            each = found.get(place)
            offsets[lane] = None if each is None else each.offset
        return offsets


def record_of(found: "ConsumerRecord[bytes, bytes]") -> Record:
    """The record as queries take it."""
    return Record(
        found.partition, found.offset, found.timestamp or 0, found.key, found.value or b""
    )


class OwnReader:
    """Reads some lanes from some spots on, merged by time; first the archive, then Kafka."""

    def __init__(
        self, kafka: Kafka, history: History, spots: Spots, ends: Mapping[Lane, int] | None = None
    ) -> None:
        """``ends``: where to stop; None to stop nowhere."""
        self._kafka, self._history = kafka, history
        self._spots = spots
        self._bounded = ends
        self._ends: dict[Lane, int] = dict(ends or {})
        self._next = {lane: spot[0] for lane, spot in spots.items()}
        self._held: dict[Lane, deque[Record]] = {lane: deque() for lane in spots}
        self._archived: dict[Lane, AsyncIterator[Sequence[Record]]] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._opened = kafka.consumer()
        self._places: dict[TopicPartition, Lane] = {}

    async def open(self, bounds: Mapping[Lane, tuple[int, int]]) -> None:
        """Go to the spots; ``bounds`` are Kafka's as they were found."""
        self._consumer = await self._opened.__aenter__()
        self._places = {self._kafka.place(lane): lane for lane in self._spots}
        self._consumer.assign(list(self._places))
        for place, lane in self._places.items():
            begin, end = bounds[lane]
            wanted = self._next[lane]
            if self._bounded is None:
                self._ends[lane] = end
            if wanted < begin:
                self._archived[lane] = self._history.records(lane[0], lane[1], wanted, begin)
            self._consumer.seek(place, max(wanted, begin))

    async def close(self) -> None:
        """Give back the connection."""
        if self._consumer is not None:
            self._consumer = None
            await self._opened.__aexit__(None, None, None)

    async def next(self) -> list[tuple[Lane, Record]]:
        """The next records in the order of their time; none at the end, for now or for good."""
        merged: list[tuple[Lane, Record]] = []
        while not merged:
            behind = self._behind()
            if behind:
                await self._fetch(behind)
            elif not any(self._held.values()):
                if self._bounded is not None or not await self._has_more():
                    return []
                continue
            merged = self._merge()
        return merged

    def _behind(self) -> list[Lane]:
        """The lanes of which no record is held although there is one."""
        return [
            lane
            for lane, held in self._held.items()
            if not held and self._next[lane] < self._ends[lane]
        ]

    async def _has_more(self) -> bool:
        assert self._consumer is not None
        ends = await self._consumer.end_offsets(list(self._places))
        self._ends = {lane: ends[place] for place, lane in self._places.items()}
        return bool(self._behind())

    async def _fetch(self, behind: list[Lane]) -> None:
        assert self._consumer is not None
        for lane in behind:
            if lane in self._archived:
                await self._fetch_archived(lane)
        if all(self._held[lane] or self._next[lane] >= self._ends[lane] for lane in behind):
            return
        is_much = sum(len(each.value) for held in self._held.values() for each in held) > (
            HELD_BYTES_MAX
        )
        full = [
            place
            for place, lane in self._places.items()
            if lane in self._archived
            or len(self._held[lane]) >= HELD_RECORDS_MAX
            or (is_much and self._held[lane])
        ]
        if full:
            self._consumer.pause(*full)
        try:
            found = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH_RECORDS_MAX)
        finally:
            if full:
                self._consumer.resume(*full)
        for place, records in found.items():
            lane = self._places[place]
            end = self._ends[lane] if self._bounded is not None else None
            self._held[lane] += [
                record_of(each) for each in records if end is None or each.offset < end
            ]
            self._next[lane] = records[-1].offset + 1
        for place, lane in self._places.items():
            if lane in behind and place not in found and place not in full:
                # Of offsets without a record, such as those of a transaction's end.
                self._next[lane] = max(self._next[lane], await self._consumer.position(place))

    async def _fetch_archived(self, lane: Lane) -> None:
        records = await anext(self._archived[lane], None)
        if records is None:
            del self._archived[lane]
            return
        end = self._ends[lane]
        self._held[lane] += [each for each in records if each.offset < end]
        if records:
            self._next[lane] = records[-1].offset + 1

    def _merge(self) -> list[tuple[Lane, Record]]:
        """Records up to where a lane would have to be asked first."""
        heads = [(held[0].at_ms, lane) for lane, held in self._held.items() if held]
        if self._behind():
            return []
        heapq.heapify(heads)
        merged: list[tuple[Lane, Record]] = []
        while heads and len(merged) < BATCH_RECORDS_MAX:
            _, lane = heapq.heappop(heads)
            held = self._held[lane]
            merged.append((lane, held.popleft()))
            if held:
                heapq.heappush(heads, (held[0].at_ms, lane))
            elif self._next[lane] < self._ends[lane]:
                break
        return merged
