"""Records of topic ``federated-jobs``, each put into the partition of its cell in topic ``jobs``.

The one thing to know: at least once and in order. A record is committed when its cell has it on all
in-sync replicas; what is forwarded twice is the same request, which a cell takes as one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import KafkaError

from connectors.cancelling import to_its_end
from connectors.federation.configuration import Configuration
from connectors.federation.routing import NoRoute, hashed, routed
from scheduler.model.ids import TaskId, job_id_of
from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.cell.writer import our_producer
from streams.kafka.headers import header_values
from streams.kafka.patience import REQUEST_TIMEOUT_MS
from streams.kafka.security import client_options

logger = structlog.get_logger(__name__)

TOPIC: Final = "federated-jobs"
GROUP: Final = "flumina-federation"
CELL_HEADER: Final = "flumina-cell"
STRAYED_HEADER: Final = "flumina-why"
POLL_MS: Final = 500
RETRY_S: Final = 1.0

Locate = Callable[[str], Awaitable[tuple[str, ...]]]
"""The cells that have a job, or may have it because they are silent; none: it is a new one."""


class Strayed(Exception):
    """A record that goes to no cell of this Kafka, and why."""


async def cells_for(
    record: "ConsumerRecord[bytes, bytes]",
    given: Configuration,
    here: Sequence[str],
    locate: Locate,
) -> tuple[str, ...]:
    """The cells that get the record; raises `Strayed`.

    First the cell that it names; then the one that has its job; then, of a new job, where a route
    sends it; and else the one of all open cells that its job's id hashes to.
    """
    told = [value for name, value in header_values(record.headers) if name == CELL_HEADER]
    named = told[0].decode("utf-8", "replace") if told else ""
    if named:
        if named not in here:
            raise Strayed(f"it names cell {named!r}, and here are {', '.join(here)}")
        return (named,)
    asked = _object(record.value)
    job_id = _job_of(asked) or (record.key or b"").decode("utf-8", "replace")
    found = await locate(job_id) if job_id else ()
    if found:
        return found
    local = msgspec.structs.replace(
        given, cells=tuple(each for each in given.cells if each.name in here)
    )
    descriptor = asked.get("job")
    if isinstance(descriptor, dict):
        try:
            where = routed(local, descriptor)
        except NoRoute as error:
            raise Strayed(str(error)) from error
        if not where.is_default:
            return (where.cell,)
    names = tuple(each.name for each in local.cells if not each.is_closed)
    if not names:
        raise Strayed("all cells are closed")
    return (hashed(names, job_id),)


def _job_of(asked: dict[str, Any]) -> str:
    """The job that a record is about; empty where it names none."""
    for field in ("jobId", "sourceJobId", "taskId"):
        named = asked.get(field)
        if isinstance(named, str) and named:
            return job_id_of(TaskId(named)) or named
    return ""


def _object(value: bytes | None) -> dict[str, Any]:
    try:
        return msgspec.json.decode(value or b"", type=dict[str, Any])
    except BAD_BYTES:
        return {}  # Whichever cell gets it says what is wrong with it.


class Forwarder:
    """Forwards until cancelled."""

    def __init__(
        self,
        bootstrap: str,
        topic_prefix: str,
        cell_names: Sequence[str],
        configuration: Callable[[], Configuration],
        locate: Locate,
    ) -> None:
        self._bootstrap = bootstrap
        self._prefix = topic_prefix
        self._cell_names = tuple(cell_names)
        self._configuration = configuration
        self._locate = locate

    async def run(self) -> None:
        """Forward; faults of Kafka are waited for."""
        while True:
            try:
                await self._run_until_fault()
            except (KafkaError, OSError) as error:
                logger.warning("records cannot be forwarded now", why=repr(error))
                await asyncio.sleep(RETRY_S)

    async def _run_until_fault(self) -> None:
        consumer = AIOKafkaConsumer(
            self._prefix + TOPIC,
            **client_options(self._bootstrap),
            client_id=GROUP,
            group_id=self._prefix + GROUP,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        producer = our_producer(self._bootstrap, GROUP)
        await consumer.start()
        try:
            await producer.start()
            try:
                while True:
                    found = await consumer.getmany(timeout_ms=POLL_MS)
                    for records in found.values():
                        for record in records:
                            await self._forward(producer, record)
                    if found:
                        await consumer.commit()
            finally:
                await producer.stop()
        finally:
            await to_its_end(consumer.stop())

    async def _forward(
        self, producer: AIOKafkaProducer, record: "ConsumerRecord[bytes, bytes]"
    ) -> None:
        try:
            cells = await cells_for(record, self._configuration(), self._cell_names, self._locate)
        except Strayed as error:
            logger.warning("a record goes to no cell", why=str(error), offset=record.offset)
            await producer.send_and_wait(
                self._prefix + "dead-letters",
                record.value,
                key=f"{record.topic}/{record.partition}".encode(),
                headers=[*record.headers, (STRAYED_HEADER, str(error).encode("utf-8", "replace"))],
            )
            return
        for cell in cells:
            await producer.send_and_wait(
                self._prefix + "jobs",
                record.value,
                key=record.key,
                partition=self._cell_names.index(cell),
                headers=list(record.headers),
            )
