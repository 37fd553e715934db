"""Logs for tests of history: records in memory, a Kafka that has a part of them, and a store.

`KafkaInMemory` is `KafkaLog` with its two questions to a broker answered from a list; everything
that is built on those questions is the real one.
"""

from collections.abc import AsyncIterator, Iterator, Sequence

from connectors.archive.archive import Archive, NewRange
from connectors.archive.ranges import Series, Span
from connectors.ports import NoSuchObject, ObjectExists, ObjectFacts, StoreFailed
from scheduler.chain import Chain
from scheduler.model.codec import encode_record
from scheduler.model.events import CellCreated, CellRecord, Tick
from scheduler.model.ids import CellName, CellUuid, Generation
from streams.cell.follower import LogRecord
from streams.history.heads import archived_record
from streams.history.kafka_log import Ends, KafkaLog
from streams.history.reading import LogHole

CELL = "main"
GENERATION = "0a0b0c0d"
RECORDS = Series("records", CELL, GENERATION)


class MemoryStore:
    """A store of objects in a dict, which fails when it is told to."""

    url = "memory:"

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.is_failing = False

    def put_new(self, key: str, data: bytes) -> None:
        self._answer()
        if key in self.objects:
            raise ObjectExists(key)
        self.objects[key] = data

    def put_new_file(self, key: str, path: object) -> None:
        raise NotImplementedError

    def get(self, key: str) -> bytes:
        self._answer()
        try:
            return self.objects[key]
        except KeyError:
            raise NoSuchObject(key) from None

    def get_range(self, key: str, first: int, count: int) -> bytes:
        return self.get(key)[first : first + count]

    def get_to_file(self, key: str, path: object) -> None:
        raise NotImplementedError

    def facts(self, prefix: str) -> Iterator[ObjectFacts]:
        self._answer()
        found = [each for each in sorted(self.objects) if each.startswith(prefix)]
        return iter([ObjectFacts(each, len(self.objects[each]), 0) for each in found])

    def delete(self, key: str) -> None:
        self._answer()
        self.objects.pop(key, None)

    def _answer(self) -> None:
        if self.is_failing:
            raise StoreFailed("the store does not answer")


class KafkaInMemory(KafkaLog):
    """A partition of which some first records were dropped."""

    def __init__(self, log: Sequence[bytes], begin: int = 0) -> None:
        super().__init__("none:0", "cell", 0)
        self.log = log
        self.begin = begin
        self.reads = 0

    async def ends(self) -> Ends:
        return Ends(self.begin, len(self.log))

    async def records(
        self, first_offset: int, end_offset: int
    ) -> AsyncIterator[Sequence[LogRecord]]:
        for offset in range(first_offset, end_offset):
            if not self.begin <= offset < len(self.log):
                raise LogHole(f"no record {offset}")
            self.reads += 1
            yield [LogRecord(offset, self.log[offset])]


def log_of(times_ms: Sequence[int]) -> list[bytes]:
    """A cell's log whose records have these times; the first one begins the cell."""
    created = CellCreated(
        cell=CellName(CELL), cell_uuid=CellUuid("u" * 32), generation=Generation(GENERATION)
    )
    return [
        encode_record(
            CellRecord(version=1, epoch=-1, at_ms=at_ms, events=(Tick() if n else created,))
        )
        for n, at_ms in enumerate(times_ms)
    ]


def archive_range(archive: Archive, log: Sequence[bytes], first: int, last: int) -> None:
    """Archive these records, as a historian would that had read all before them."""
    chain, at_ms_max = Chain(), 0
    before = chain.hex
    rows = []
    for offset in range(last + 1):
        row = archived_record(offset, log[offset], at_ms_max)
        at_ms_max = row.at_ms_max
        if offset == first:
            before = chain.hex
        chain.take(log[offset])
        if offset >= first:
            rows.append(row)
    archive.put(
        NewRange(
            series=RECORDS,
            span=Span(first, last),
            rows=rows,
            at_ms_max=at_ms_max,
            chain_before=before,
            chain_after=chain.hex,
            made_at_ms=1,
            build="test",
        )
    )
