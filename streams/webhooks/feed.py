"""The events of one cell as one receiver reads them: topic ``job-events`` from a place of its own.

The one thing to know: the place is a committed offset in Kafka, moved only when all before it was
taken by the receiver. So nothing is lost by a crash or a move of the process, and what was being
sent is sent again.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from connectors.cancelling import to_its_end
from connectors.webhooks.translate import Event
from scheduler.model.address import parse_address
from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.kafka.headers import header_texts
from streams.kafka.security import client_options
from streams.webhooks.told import Hook

logger = structlog.get_logger(__name__)

RECORDS_MAX: Final = 200
"""In hand at once: what a crash sends again at most."""
FETCH_BYTES_MAX: Final = 1 << 20
EARLIER_MS: Final = 60_000
"""How much a broker's and a leader's time may differ when a webhook's beginning is looked for."""
WAIT_MS: Final = 500
Offsets = dict[TopicPartition, int]


class _Change(msgspec.Struct, frozen=True):
    """What is looked at of a change."""

    state: str | None = None


class Feed:
    """Reads for one webhook; `read` and `keep` alternate."""

    def __init__(self, bootstrap: str, prefix: str, cells: int, cell: str, hook: Hook) -> None:
        self._hook = hook
        self._source = f"/flumina/cells/{cell}"
        # The key says the partition of a record, so a cell's events are in all of them.
        self._partitions = [TopicPartition(f"{prefix}job-events", each) for each in range(cells)]
        name, generation, offset = hook.identity
        self._consumer = AIOKafkaConsumer(
            **client_options(bootstrap),
            group_id=f"{prefix}flumina-webhooks-{cell}-{name}-{generation}-{offset}",
            client_id=f"flumina-webhooks-{name}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=FETCH_BYTES_MAX,
            fetch_max_bytes=FETCH_BYTES_MAX,
            fetch_max_wait_ms=WAIT_MS,
        )
        self._next: Offsets = {}

    async def open(self) -> None:
        """Go to where this webhook is; a new one begins where it was set."""
        await self._consumer.start()
        self._consumer.assign(self._partitions)
        begins = await self._consumer.offsets_for_times(
            dict.fromkeys(self._partitions, max(0, self._hook.created_at_ms - EARLIER_MS))
        )
        ends = await self._consumer.end_offsets(self._partitions)
        for each in self._partitions:
            place = await self._consumer.committed(each)
            if place is None:
                begin = begins.get(each)
                place = ends[each] if begin is None else begin.offset
            self._consumer.seek(each, place)
            self._next[each] = place
        await self.keep()

    async def read(self) -> list[Event]:
        """The next events that are the webhook's, be it none, in order."""
        found: list[Event] = []
        records: Mapping[TopicPartition, list[ConsumerRecord]] = await self._consumer.getmany(
            timeout_ms=WAIT_MS, max_records=RECORDS_MAX
        )
        for partition, there in records.items():
            if there[0].offset > self._next[partition]:
                logger.error(
                    "events are no longer kept, and were not sent",
                    webhook=self._hook.name,
                    partition=partition.partition,
                    missing=there[0].offset - self._next[partition],
                )
            self._next[partition] = there[-1].offset + 1
            found += [event for each in there if (event := self._event(each)) is not None]
        return found

    async def keep(self) -> None:
        """Remember that everything which was read has been taken."""
        await self._consumer.commit(dict(self._next))

    async def close(self) -> None:
        """Give back the connection."""
        await to_its_end(self._consumer.stop())

    def _event(self, record: ConsumerRecord) -> Event | None:
        """The record as an event; None where it is another cell's, or before the webhook."""
        headers = header_texts(record.headers)
        if headers.get("ce_source") != self._source:
            return None
        try:
            address = parse_address(headers["ce_id"])
            state = msgspec.json.decode(record.value or b"", type=_Change).state
            kind = headers["ce_type"].removeprefix("flumina.")
            subject = (record.key or b"").decode()
        except (KeyError, ValueError, *BAD_BYTES) as error:
            # Of somebody else, who may write to this topic: it is no event of ours.
            logger.warning("no event", offset=record.offset, why=repr(error))
            return None
        hook = self._hook
        is_before = address.offset <= hook.created_offset
        if is_before and address.generation == hook.created_generation:
            return None
        return Event(headers["ce_id"], kind, self._source, subject, record.value, state or "")
