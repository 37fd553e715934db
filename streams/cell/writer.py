"""The writing hand of a cell: records of one epoch, in order, acknowledged by all replicas.

The one thing to know: an acknowledgement says only that the record is in the log. Whether the fold
accepted it is known when it has been read back; nobody acts before that.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import structlog
from aiokafka import AIOKafkaProducer

from scheduler.model.codec import (
    RECORD_BYTES_MAX,
    RECORD_EVENTS_MAX,
    RECORD_VERSION,
    encode_record,
)
from scheduler.model.events import CellEvent, CellRecord
from streams.cell.log_clock import LogClock
from streams.kafka.patience import REQUEST_TIMEOUT_MS
from streams.kafka.security import client_options
from streams.upgrade.gate import Gate

logger = structlog.get_logger(__name__)

SEND_TIMEOUT_S = 30.0
BATCH_BYTES_MAX = 512 * 1024
"""Of one partition in one request; the next waits for its answer. aiokafka's own 16 KiB hold some
30 changes: a leader that launched 600 tasks a second told two thirds of what it made, and kept the
rest. Half of what our topics take, as is a record of the cell log."""
Header = tuple[str, bytes]


class RecordTooLarge(ValueError):
    """One event is larger than a record of the cell log may be."""


def our_producer(bootstrap: str, client_id: str) -> AIOKafkaProducer:
    """A producer whose failures are errors: idempotent, acknowledged by all replicas."""
    return AIOKafkaProducer(
        **client_options(bootstrap),
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        max_batch_size=BATCH_BYTES_MAX,
        max_request_size=1024 * 1024,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


def cloud_event_headers(kind: str, source: str, event_id: str) -> list[Header]:
    """CloudEvents 1.0 headers in Kafka's binary content mode; times stand in the record itself."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_type", kind.encode()),
        ("ce_source", source.encode()),
        ("ce_id", event_id.encode()),
        ("content-type", b"application/json"),
    ]


class CellLog:
    """Appends records to one partition of the cell log."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partition: int, name: str) -> None:
        self._producer = producer
        self.topic = topic
        self.partition = partition
        self._source = f"/flumina/{topic}/{partition}/{name}"
        self._written = 0
        self.clock = LogClock()
        self.gate: Gate | None = None
        """Who says in which version a leader may write; None: in this build's."""

    async def append(self, epoch: int, events: Sequence[CellEvent]) -> int:
        """The offset of the last record that holds these events, once all replicas have it.

        Raises aiokafka's errors when it could not be written, `RecordTooLarge` when one event
        does not fit into a record, and `TimeoutError` after 30 s.
        """
        offset = -1
        version = RECORD_VERSION if self.gate is None else await self.gate.version_for(events)
        for data in encoded_records(epoch, self.clock.now_ms(), events, version):
            offset = await self._send(data)
        return offset

    async def _send(self, data: bytes) -> int:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            written = await self._producer.send_and_wait(
                self.topic, data, partition=self.partition, headers=self._headers()
            )
        return int(written.offset)

    def _headers(self) -> list[Header]:
        self._written += 1
        return cloud_event_headers("flumina.cell.record", self._source, str(self._written))


def encoded_records(
    epoch: int, at_ms: int, events: Iterable[CellEvent], version: int = RECORD_VERSION
) -> Iterator[bytes]:
    """The events as records of at most 1,000 events and 512 KiB, in order, in this version.

    Raises `RecordTooLarge` when a single event does not fit.
    """
    waiting = list(events)
    while waiting:
        count = min(len(waiting), RECORD_EVENTS_MAX)
        while True:
            record = CellRecord(
                version=RECORD_VERSION, epoch=epoch, at_ms=at_ms, events=tuple(waiting[:count])
            )
            data = encode_record(record, version)
            if len(data) <= RECORD_BYTES_MAX:
                break
            if count == 1:
                raise RecordTooLarge(
                    f"an event {type(waiting[0]).__name__} of {len(data)} bytes exceeds the "
                    f"{RECORD_BYTES_MAX} bytes of a record"
                )
            count = max(1, count * RECORD_BYTES_MAX // len(data) - 1)
        yield data
        del waiting[:count]
