"""A store of objects in memory, and the log as its readers see it, for one simulated cell.

The one thing to know: an object can be spoilt as disks and networks spoil it: a bit turned, the
rest cut off, nothing left, the store not answering. Who loads a snapshot has to notice.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from connectors.ports import NoSuchObject, ObjectExists, ObjectFacts, StoreFailed
from scheduler.model.codec import Undecodable, decode_record
from streams.cell.follower import LogRecord
from streams.history.reading import LogBounds, LogHole
from streams.simulation.kafka import Partition

BATCH_RECORDS: Final = 500


class MemoryStore:
    """An `ObjectStore` without a disk."""

    def __init__(self, wall_ms: Callable[[], int]) -> None:
        self._wall_ms = wall_ms
        self._objects: dict[str, tuple[bytes, int]] = {}
        self.fails_until_ms = 0

    @property
    def url(self) -> str:
        """How people name this store."""
        return "memory:"

    def _check(self) -> None:
        if self._wall_ms() < self.fails_until_ms:
            raise StoreFailed("the simulated store does not answer")

    def put_new(self, key: str, data: bytes) -> None:
        """Write an object that must not exist yet; raises `ObjectExists` else."""
        self._check()
        if key in self._objects:
            raise ObjectExists(key)
        self._objects[key] = (data, self._wall_ms())

    def put_new_file(self, key: str, path: Path) -> None:
        """The same with a file's content."""
        self.put_new(key, path.read_bytes())

    def get(self, key: str) -> bytes:
        """The object's bytes; raises `NoSuchObject`."""
        self._check()
        if key not in self._objects:
            raise NoSuchObject(key)
        return self._objects[key][0]

    def get_range(self, key: str, first: int, count: int) -> bytes:
        """At most ``count`` bytes from byte ``first`` on."""
        return self.get(key)[first : first + count]

    def get_to_file(self, key: str, path: Path) -> None:
        """Write the object's bytes into this file."""
        path.write_bytes(self.get(key))

    def facts(self, prefix: str) -> Iterator[ObjectFacts]:
        """All objects whose key begins so, in the order of their keys."""
        self._check()
        for key in sorted(self._objects):
            if key.startswith(prefix):
                data, at_ms = self._objects[key]
                yield ObjectFacts(key, len(data), at_ms)

    def delete(self, key: str) -> None:
        """Remove the object."""
        self._check()
        self._objects.pop(key, None)

    def spoil(self, which: int, how: int) -> None:
        """Damage one of the newest objects: a bit, its end, all of it, or the word in its head."""
        keys = sorted(self._objects, reverse=True)
        if not keys:
            return
        key = keys[which % min(2, len(keys))]
        data, at_ms = self._objects[key]
        if not data:
            return  # There is nothing left to spoil.
        middle = len(data) // 2
        spoilt = (
            data[:middle] + bytes((data[middle] ^ 0x10,)) + data[middle + 1 :],
            data[:middle],
            b"",
            bytes((data[0] ^ 0xFF,)) + data[1:],
        )
        self._objects[key] = (spoilt[how % len(spoilt)], at_ms)


class PartitionReader:
    """A `LogReader` of the simulated cell log."""

    def __init__(self, partition: Partition, generation: str) -> None:
        self._partition = partition
        self._generation = generation

    async def bounds(self) -> LogBounds:
        """What there is now."""
        return LogBounds(self._generation, self._partition.begins, self._partition.ends)

    async def records(
        self, first_offset: int, end_offset: int
    ) -> AsyncIterator[Sequence[LogRecord]]:
        """The records from ``first_offset`` up to, and without, ``end_offset``."""
        partition = self._partition
        if first_offset < partition.begins or end_offset > partition.ends:
            raise LogHole(f"records {first_offset} to {end_offset} are not all there")
        for begin in range(first_offset, end_offset, BATCH_RECORDS):
            end = min(begin + BATCH_RECORDS, end_offset)
            found = partition.records[begin - partition.begins : end - partition.begins]
            yield [LogRecord(each.offset, each.value or b"") for each in found]

    async def offset_at(self, at_ms: int) -> int:
        """The first offset whose record is not before this time; the end if none."""
        for each in self._partition.records:
            try:
                if decode_record(each.value or b"").at_ms >= at_ms:
                    return each.offset
            except Undecodable:
                continue
        return self._partition.ends

    async def close(self) -> None:
        """Nothing to give back."""
