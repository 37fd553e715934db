"""The Mesos stream of a leader: every record to topic ``mesos``, then the acknowledgement.

The one thing to know: a status update is acknowledged to Mesos only when its record is on all
in-sync replicas. Mesos repeats what is not acknowledged, so a crash between the two costs a
duplicate, never a loss. The framework is never torn down from here.
"""

import asyncio
from collections.abc import AsyncIterator
from itertools import groupby
from operator import attrgetter

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from connectors.cancelling import TaskGroup
from connectors.ports import ClusterManager
from scheduler.model.codec import encode_mesos
from scheduler.model.mesos import (
    MesosRecord,
    StatusUpdate,
    StreamEnded,
    Subscribed,
    Unrecognised,
)
from streams.cell.backoff import Backoff
from streams.cell.lead import Lead
from streams.cell.points import reached
from streams.cell.shield import OfferShield
from streams.clock import elapsed_s

logger = structlog.get_logger(__name__)

IN_FLIGHT_MAX = 1_000
TOGETHER_MAX = 64
"""Acknowledgements of one round trip; more would only fill the master's buffers."""


class MesosFeed:
    """Subscribes for one leadership and writes what it hears."""

    def __init__(
        self,
        lead: Lead,
        manager: ClusterManager,
        producer: AIOKafkaProducer,
        topic: str,
        partition: int,
        *,
        backoff: Backoff | None = None,
        shield: OfferShield | None = None,
    ) -> None:
        self._lead = lead
        self._manager = manager
        self._producer = producer
        self._topic = topic
        self._partition = partition
        self._backoff = backoff or Backoff()
        self._shield = shield
        self._written: asyncio.Queue[tuple[MesosRecord, asyncio.Future[RecordMetadata]]] = (
            asyncio.Queue(IN_FLIGHT_MAX)
        )

    async def run(self) -> None:
        """Keep a stream open until cancelled; a burnt framework id ends it for good."""
        async with TaskGroup() as group:
            group.create_task(self._acknowledge_written())
            group.create_task(self._keep_subscribed())
            if self._shield is not None:
                group.create_task(self._shield.run(self._write))

    async def _keep_subscribed(self) -> None:
        while True:
            self._lead.check()
            ended, opened_at_s = None, None
            async for record in self._records():
                _ = await self._write(record)
                if self._shield is not None:
                    await self._shield.heard(record, self._write)
                if isinstance(record, Subscribed):
                    opened_at_s = elapsed_s()
                elif isinstance(record, StreamEnded):
                    ended = record
            if ended is not None and ended.is_fatal:
                why = ended.why
                logger.critical("the framework id is burnt; the cell stops", page=True, why=why)
                return
            held_s = 0.0 if opened_at_s is None else elapsed_s() - opened_at_s
            await asyncio.sleep(self._backoff.wait_s(held_s))

    def _records(self) -> AsyncIterator[MesosRecord]:
        return self._manager.subscribe(self._lead.epoch)

    async def _write(self, record: MesosRecord) -> asyncio.Future[RecordMetadata]:
        written: asyncio.Future[RecordMetadata] = await self._producer.send(
            self._topic, encode_mesos(record), partition=self._partition
        )
        await self._written.put((record, written))
        return written

    async def _acknowledge_written(self) -> None:
        """Wait for each record in order; a record that could not be written ends the leader."""
        while True:
            durable = [await self._durable()]
            # What became durable meanwhile is acknowledged with it, in one round trip.
            while len(durable) < TOGETHER_MAX and not self._written.empty():
                durable.append(await self._durable())
            # An update that we cannot read as well: Mesos holds back all that follows it.
            updates = [
                each
                for each in durable
                if isinstance(each, StatusUpdate | Unrecognised) and each.uuid
            ]
            for each in updates:
                reached("update-written", each)
            self._lead.check()
            for stream_id, heard in groupby(updates, attrgetter("stream_id")):
                await self._manager.acknowledge_all(list(heard), stream_id)

    async def _durable(self) -> MesosRecord:
        """The next record, once it is on all in-sync replicas."""
        record, written = await self._written.get()
        await written
        return record
