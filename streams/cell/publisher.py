"""What the fold says has changed, published to topic ``job-events`` for producers and people.

The one thing to know: at least once, with an id of each change's own, made of its address. How far
it has got is in the leader's ticks, so the next leader goes on from there and repeats at most a
little.
"""

import asyncio
from collections import deque
from collections.abc import Iterator

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from scheduler.model.address import Address, change_id
from scheduler.model.changes import Change
from scheduler.model.codec import encode_change
from scheduler.model.events import CellRecord, Tick
from scheduler.state import State
from streams.cell.follower import Changes, Follower
from streams.cell.writer import cloud_event_headers

UNPUBLISHED_MAX = 1_000_000
"""Changes kept for publication; a leader that is further behind than this has another problem."""


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
        self._unpublished: deque[tuple[int, Changes]] = deque(maxlen=UNPUBLISHED_MAX)
        self._has_more = asyncio.Event()
        self.published_offset = -1
        follower.listeners.append(self._listen)

    def _listen(self, offset: int, record: CellRecord, changes: Changes) -> None:
        if changes:
            self._unpublished.append((offset, changes))
            self._has_more.set()
        for event in record.events:
            if isinstance(event, Tick):
                self._forget(self._follower.machine.state.published_offset)

    def _forget(self, published_offset: int) -> None:
        waiting = self._unpublished
        while waiting and waiting[0][0] <= published_offset:
            waiting.popleft()

    async def run(self) -> None:
        """Publish until cancelled; the caller leads."""
        self.published_offset = self._follower.machine.state.published_offset
        while True:
            await self._has_more.wait()
            self._has_more.clear()
            batch = [each for each in self._unpublished if each[0] > self.published_offset]
            if not batch:
                continue
            state = self._follower.machine.state
            sent = [
                await self._send(state, event_id, change)
                for offset, changes in batch
                for event_id, change in identified(state, offset, changes)
            ]
            await asyncio.gather(*sent)
            self.published_offset = batch[-1][0]

    async def _send(
        self, state: State, event_id: str, change: Change
    ) -> asyncio.Future[RecordMetadata]:
        key = getattr(change, "job_id", None) or ""
        sent: asyncio.Future[RecordMetadata] = await self._producer.send(
            self._topic,
            encode_change(change),
            key=key.encode(),
            headers=cloud_event_headers(
                f"flumina.{type(change).__name__}", f"/flumina/cells/{state.cell}", event_id
            ),
        )
        return sent
