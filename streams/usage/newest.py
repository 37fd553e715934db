"""The newest figures of each task and host, read back from the topic ``metrics``.

The one thing to know: only the last moments are read. What has not been told for so long is gone,
or nobody publishes; the reader says which by showing nothing.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from connectors.mesos.usage import CellUsage, HostUsage, TaskUsage, Usage, usage_key
from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.clock import now_ms
from streams.kafka.security import client_options
from streams.kafka.topics import METRICS_PARTITIONS

REQUEST_TIMEOUT_MS: Final = 5_000
STALE_INTERVALS: Final = 3
"""A task that was not told of in so many intervals has ended."""

_DECODER: Final = msgspec.json.Decoder(Usage)


class Newest:
    """The latest record of each task and host; `refresh` reads what came since."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str, window_ms: int) -> None:
        self._consumer = consumer
        self._topic = topic
        self._window_ms = window_ms
        self._found: dict[str, Usage] = {}

    async def begin(self) -> None:
        """Go to where the window begins."""
        places = [TopicPartition(self._topic, number) for number in range(METRICS_PARTITIONS)]
        self._consumer.assign(places)
        since = now_ms() - self._window_ms
        offsets = await self._consumer.offsets_for_times(dict.fromkeys(places, since))
        for place in places:
            if (found := offsets.get(place)) is not None:
                self._consumer.seek(place, found.offset)
            else:
                await self._consumer.seek_to_end(place)

    async def refresh(self) -> None:
        """Read to the end as it is now."""
        places = self._consumer.assignment()
        ends = await self._consumer.end_offsets(list(places))
        while [p for p in places if await self._consumer.position(p) < ends[p]]:
            for records in (await self._consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    self._take(record.value or b"")
        oldest = now_ms() - self._window_ms
        self._found = {k: v for k, v in self._found.items() if v.at_ms >= oldest}

    def _take(self, value: bytes) -> None:
        try:
            usage = _DECODER.decode(value)
        except BAD_BYTES:
            return  # Of a later version of flumina; figures that cannot be read are none.
        key = f"{type(usage).__name__} {usage_key(usage)}"
        before = self._found.get(key)
        if before is None or before.at_ms <= usage.at_ms:
            self._found[key] = usage

    def tasks(self) -> list[TaskUsage]:
        """The tasks, the busiest first."""
        found = [each for each in self._found.values() if isinstance(each, TaskUsage)]
        return sorted(
            found, key=lambda u: (-(u.cpu_milli or 0), -(u.memory_rss_bytes or 0), u.task_id)
        )

    def cells(self) -> list[CellUsage]:
        """The sums of the cells, by name; most often of one."""
        found = [each for each in self._found.values() if isinstance(each, CellUsage)]
        return sorted(found, key=lambda usage: usage.cell)

    def hosts(self) -> list[HostUsage]:
        """The hosts, by name."""
        found = [each for each in self._found.values() if isinstance(each, HostUsage)]
        return sorted(found, key=lambda usage: (usage.host, usage.host_id))


@asynccontextmanager
async def newest_usage(bootstrap: str, topic: str, interval_s: int) -> AsyncIterator[Newest]:
    """The figures of the last intervals, connected to Kafka while it is used."""
    consumer = AIOKafkaConsumer(
        **client_options(bootstrap),
        client_id="flumina-top",
        enable_auto_commit=False,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    async with consumer:
        newest = Newest(consumer, topic, STALE_INTERVALS * interval_s * 1000)
        await newest.begin()
        await newest.refresh()
        yield newest
