"""The shared readers: one consumer and one decoding for each topic that somebody asks of now.

The one thing to know: a hub reads what comes, for all its readers at once, and waits for none of
them. It begins with its first reader and ends some seconds after its last. Who reads for himself
from earlier on gets in where the hub's short memory begins, and so misses and repeats nothing.
"""

import asyncio
import heapq
from collections import deque
from typing import TYPE_CHECKING, Final

import structlog

from connectors.cancelling import end_all
from projections.query.sampling import Draw
from projections.query.syntax import Query
from streams.query.inbox import Inbox
from streams.query.kafka import Kafka, record_of
from streams.query.masking import EventMasker
from streams.query.matching import LaneRecord, Matcher
from streams.query.places import Lane, Spots

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

logger = structlog.get_logger(__name__)

RECORDS_MAX: Final = 500
POLL_MS: Final = 500
REMEMBERED_RECORDS_MAX: Final = 2_000
REMEMBERED_BYTES_MAX: Final = 8 * 1024 * 1024
LINGER_S: Final = 5.0
"""A page that is loaded anew finds its readers still there."""


class Hub:
    """Reads one topic for all who want what comes."""

    def __init__(self, kafka: Kafka, topic: str, masker: EventMasker, draw: Draw) -> None:
        self.topic = topic
        self._kafka = kafka
        self._matcher = Matcher(masker, draw)
        self._inboxes: dict[str, Inbox] = {}
        self._remembered: deque[LaneRecord] = deque()
        self._remembered_bytes = 0
        self._begins: dict[Lane, int] = {}
        """From which offset on the memory has everything."""
        self.ends: dict[Lane, int] = {}
        self._started = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._idle_since_s: float | None = None
        self.records = 0

    def __len__(self) -> int:
        return len(self._inboxes)

    @property
    def is_running(self) -> bool:
        """Whether it has a consumer now."""
        return self._running is not None and not self._running.done()

    @property
    def matcher(self) -> Matcher:
        """What its readers ask, with its counts."""
        return self._matcher

    async def start(self) -> None:
        """Read, from now on; raises what Kafka's client raises."""
        self.touch()
        if not self.is_running:
            self._started.clear()
            self._running = asyncio.create_task(self._run())
        assert self._running is not None
        waiting = asyncio.create_task(self._started.wait())
        await asyncio.wait((waiting, self._running), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._running.done():
            self._running.result()

    def touch(self) -> None:
        """Somebody wants it: without readers it goes on for some seconds more."""
        self._idle_since_s = asyncio.get_running_loop().time()

    def can_take(self, spots: Spots) -> bool:
        """Whether it has all from these spots on, of its own lanes."""
        if not self.is_running or not self.ends:
            return False
        return all(spots[lane][0] >= begin for lane, begin in self._begins.items())

    def add(self, name: str, query: Query, spots: Spots, inbox: Inbox) -> None:
        """Hand a reader all from its spots on; only where `can_take` says so."""
        # What is remembered goes to this reader alone, by a matcher of its own.
        own = self._matcher.alone(name, query, self.topic)
        since = [(lane, each) for lane, each in self._remembered if each.offset >= spots[lane][0]]
        inbox.put(own.found(since, (name,))[name])
        self._matcher.add(name, query, self.topic)
        self._inboxes[name] = inbox

    def remove(self, name: str) -> None:
        """A reader goes."""
        if self._inboxes.pop(name, None) is not None:
            self._matcher.remove(name)
        self.touch()

    async def close(self) -> None:
        """End; readers hear no more."""
        if self._running is not None:
            await end_all(self._running)

    async def _run(self) -> None:
        lanes = self._kafka.lanes([self.topic])
        places = {self._kafka.place(lane): lane for lane in lanes}
        try:
            async with self._kafka.consumer() as consumer:
                consumer.assign(list(places))
                ends = await consumer.end_offsets(list(places))
                for place, lane in places.items():
                    consumer.seek(place, ends[place])
                    self.ends[lane] = self._begins[lane] = ends[place]
                self._started.set()
                while not self._is_over():
                    await self._read(consumer)
        finally:
            self._forget()

    async def _read(self, consumer: "AIOKafkaConsumer") -> None:
        from aiokafka.errors import OffsetOutOfRangeError  # noqa: PLC0415 - see `Kafka.place`

        try:
            found = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
        except OffsetOutOfRangeError:
            # Kafka has dropped what was not read yet, or the topic was made anew: the readers
            # find out by their own offsets, for the hub has none of theirs to give.
            logger.warning("a topic does not have what was to be read", topic=self.topic)
            raise
        if not found:
            return
        each_lane = [
            [((self.topic, place.partition), record_of(each)) for each in there]
            for place, there in found.items()
        ]
        # By time, and each lane in its own order, whatever its times are.
        records = list(heapq.merge(*each_lane, key=lambda pair: pair[1].at_ms))
        self._hand_out(records)
        await asyncio.sleep(0)

    def _hand_out(self, records: list[LaneRecord]) -> None:
        self.records += len(records)
        for lane, record in records:
            self.ends[lane] = max(self.ends[lane], record.offset + 1)
        if records and self._inboxes:
            found = self._matcher.found(records, self._inboxes)
            for name, inbox in self._inboxes.items():
                inbox.put(found[name])
        self._remember(records)

    def _remember(self, records: list[LaneRecord]) -> None:
        self._remembered += records
        self._remembered_bytes += sum([len(record.value) for _, record in records])
        while (
            len(self._remembered) > REMEMBERED_RECORDS_MAX
            or self._remembered_bytes > REMEMBERED_BYTES_MAX
        ):
            lane, record = self._remembered.popleft()
            self._remembered_bytes -= len(record.value)
            self._begins[lane] = record.offset + 1

    def _is_over(self) -> bool:
        since_s = self._idle_since_s
        if self._inboxes or since_s is None:
            return False
        return asyncio.get_running_loop().time() - since_s > LINGER_S

    def _forget(self) -> None:
        self._started.clear()
        self.ends.clear()
        self._begins.clear()
        self._remembered.clear()
        self._remembered_bytes = 0
