"""What the fold says has changed, published to topic ``job-events`` for producers and people.

The one thing to know: at least once, with an id of each change's own, made of its address. How far
it has got is in the leader's ticks, so the next leader goes on from there and repeats at most a
little. Whatever is behind is published piece by piece, with a rest after each: a leader that has
just launched ten thousand tasks has more urgent things to do than to tell of them.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from scheduler.model.address import Address, change_id
from scheduler.model.changes import Change
from scheduler.model.codec import encode_change
from scheduler.model.events import CellRecord, Tick
from scheduler.state import State
from streams.cell.follower import Changes, Follower
from streams.cell.writer import cloud_event_headers

logger = structlog.get_logger(__name__)

UNPUBLISHED_MAX: Final = 1_000_000
"""Changes kept for publication, some 300 bytes each; a leader that is further behind than this has
another problem, and says so."""
TOGETHER_MAX: Final = 1_000
"""Changes of a piece: 6 ms of processor time, and as many as one batch of the producer holds. Each
piece waits for its acknowledgement, and on a loop that is busy for 20 ms of 30 that takes a tenth
of a second: 8,000 changes a second then."""
REST_S: Final = 0.01
"""After a whole piece. With it and the acknowledgement, 20,000 changes a second take a quarter of a
core; 1,500 launches a second make 12,000."""
_PARTITIONER: Final = DefaultPartitioner()
"""The producer's own: a job's changes have always been in the partition of its id."""


def identified(state: State, offset: int, changes: Changes) -> Iterator[tuple[str, Change]]:
    """The changes of a record, each with its id: an event may make many, of many tasks."""
    numbers: dict[int, int] = {}
    for index, change in changes:
        number = numbers[index] = numbers.get(index, -1) + 1
        yield change_id(Address(state.cell, state.generation, offset, index), number), change


class Publisher:
    """Keeps the changes that nobody has published yet, and publishes them when it leads."""

    def __init__(self, follower: Follower, producer: AIOKafkaProducer, topic: str) -> None:
        self._follower = follower
        self._producer = producer
        self._topic = topic
        self._unpublished: deque[tuple[int, Changes]] = deque()
        self._kept = 0
        """Changes in ``_unpublished``: a record may have made a thousand."""
        self._is_dropping = False
        self._has_more = asyncio.Event()
        self.published_offset = -1
        follower.listeners.append(self._listen)

    def _listen(self, offset: int, record: CellRecord, changes: Changes) -> None:
        if changes:
            self._unpublished.append((offset, changes))
            self._kept += len(changes)
            self._has_more.set()
            if self._kept > UNPUBLISHED_MAX:
                self._drop_oldest()
        for event in record.events:
            if type(event) is Tick:
                self._forget(self._follower.machine.state.published_offset)

    def _forget(self, published_offset: int) -> None:
        waiting = self._unpublished
        while waiting and waiting[0][0] <= published_offset:
            self._kept -= len(waiting.popleft()[1])
        if not waiting:
            self._is_dropping = False

    def _drop_oldest(self) -> None:
        """Make room: what goes is in the cell log, and will not be told."""
        first = self._unpublished[0][0]
        while self._kept > UNPUBLISHED_MAX and len(self._unpublished) > 1:
            self._kept -= len(self._unpublished.popleft()[1])
        if not self._is_dropping:
            logger.critical(
                "changes are dropped unpublished",
                page=True,
                why=f"more than {UNPUBLISHED_MAX:,} wait for topic {self._topic}; those of record "
                f"{first} and of some behind it will not be told there, the cell log has them",
            )
        self._is_dropping = True

    async def run(self) -> None:
        """Publish until cancelled; the caller leads."""
        self.published_offset = self._follower.machine.state.published_offset
        while True:
            await self._has_more.wait()
            self._has_more.clear()
            while piece := self._piece():
                await self._publish(piece)
                self.published_offset = piece[-1][0]
                if sum(len(changes) for _, changes in piece) >= TOGETHER_MAX:
                    await asyncio.sleep(REST_S)

    def _piece(self) -> list[tuple[int, Changes]]:
        """What is published next; a log that is folded anew has much that was told before."""
        self._forget(self.published_offset)
        piece: list[tuple[int, Changes]] = []
        last, count = self.published_offset, 0
        for offset, changes in self._unpublished:
            if offset > last:
                piece.append((offset, changes))
                last, count = offset, count + len(changes)
                if count >= TOGETHER_MAX:
                    break
        return piece

    async def _publish(self, piece: list[tuple[int, Changes]]) -> None:
        """Return when all replicas have the changes of these records.

        In batches of our own: the producer's ``send`` takes 25 µs for each record.
        """
        state, producer = self._follower.machine.state, self._producer
        source = f"/flumina/cells/{state.cell}"
        partitions = sorted(await producer.partitions_for(self._topic))
        batches: dict[int, Any] = {}
        sent = []
        for offset, changes in piece:
            for event_id, change in identified(state, offset, changes):
                key = (getattr(change, "job_id", None) or "").encode()
                partition = _partition_of(key, partitions)
                headers = cloud_event_headers(f"flumina.{type(change).__name__}", source, event_id)
                record = {"key": key, "value": encode_change(change), "headers": headers}
                batch = batches.get(partition)
                if batch is None:
                    batch = batches[partition] = producer.create_batch()
                if batch.append(timestamp=None, **record) is None:  # It is full.
                    sent.append(await producer.send_batch(batch, self._topic, partition=partition))
                    batch = batches[partition] = producer.create_batch()
                    batch.append(timestamp=None, **record)
        for partition, batch in batches.items():
            sent.append(await producer.send_batch(batch, self._topic, partition=partition))
        await asyncio.gather(*sent)


def _partition_of(key: bytes, partitions: list[int]) -> int:
    if len(partitions) == 1:
        return partitions[0]  # The partitioner looks at each byte of the key, in Python.
    return int(_PARTITIONER(key, partitions, partitions))
