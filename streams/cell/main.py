"""The cell process: follows a cell's log, and leads it when the consumer group says so.

The one thing to know: leadership is an assignment. Whoever is assigned partition n of topic
``leaders`` may try to lead cell n; the election record in the cell's own log decides. A process
that finds its leadership lost ends with code 3, and is started again by whoever keeps it running:
nothing of an old term lingers in memory.
"""

import asyncio
import os
import signal
import socket
import uuid
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import faust
import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from connectors.mesos.client import MesosClient
from connectors.mesos.containers import Containerizer
from connectors.mesos.settings import MesosSettings
from connectors.ports import ClusterManager
from scheduler.machine import FOLD_VERSION
from scheduler.model.events import CellCreated, FoldVersion, PolicySet
from scheduler.model.ids import CellName, CellUuid, Generation
from scheduler.model.policy import Policy
from streams.cell.context import CellContext
from streams.cell.follower import BareFold, Follower, LogRecord
from streams.cell.lane import Lane, log_end
from streams.cell.lead import LeadershipLost
from streams.cell.leader import Leader
from streams.cell.publisher import Publisher
from streams.cell.surroundings import PACE, Pace, Surroundings
from streams.cell.writer import CellLog, our_producer
from streams.errors import OperatorError
from streams.garbage import settle
from streams.history.kafka_log import KafkaLog
from streams.settings import Settings, store_url_of
from streams.snapshots.opening import Beginnings, beginnings_of

logger = structlog.get_logger(__name__)

SESSION_TIMEOUT_S = 6.0
"""The least that brokers allow by default; leadership moves this long after a leader dies."""
HEARTBEAT_S = 1.0
EXIT_LEADERSHIP_LOST = 3


class CellOptions(msgspec.Struct, frozen=True):
    """What a cell process must be told."""

    bootstrap: str
    candidate: str
    """Unique and the same at every start: the static membership of the group."""
    masters: tuple[str, ...]
    data_dir: Path
    topic_prefix: str = ""
    cell: CellName = CellName("main")
    partition: int = 0
    policy: Policy = Policy()
    """What a new cell begins with; a cell that exists has its own in its log."""
    failover_timeout_s: float = 604_800
    containerizer: Containerizer = "none"
    build: str = ""
    store_url: str = ""
    """Where snapshots are; without, the log is folded from its beginning."""
    behind_s_max: float = PACE.behind_s_max
    """With the fold halted for so long, only operators' commands are copied."""


class Batch(msgspec.Struct):
    """Records handed to the folding agent; ``done`` tells the lane to go on."""

    records: Sequence[LogRecord]
    done: asyncio.Future[None]


class CellProcess:
    """One process of a cell: lane, Faust app, and a term of leadership when it is assigned."""

    def __init__(self, options: CellOptions) -> None:
        self.options = options
        topic = options.topic_prefix + "cell"
        self._beginnings = _beginnings(options, topic)
        find_base = self._beginnings.find_base if self._beginnings else None
        self.follower = Follower(topic, options.partition, BareFold, find_base)
        self._app = _faust_app(options)
        self._batches = self._app.channel()
        self.lane = Lane(self.follower, options.bootstrap, self._deliver)
        self._is_assigned = asyncio.Event()
        self._is_unassigned = asyncio.Event()
        self._define_agents()

    def _define_agents(self) -> None:
        app, options = self._app, self.options
        leaders = app.topic(
            options.topic_prefix + "leaders", value_type=bytes, value_serializer="raw"
        )

        @app.agent(self._batches, name="fold")
        async def fold(batches: faust.StreamT[Batch]) -> None:
            async for batch in batches:
                self.follower.take(batch.records)
                batch.done.set_result(None)

        @app.agent(leaders, name="claim")
        async def claim(records: faust.StreamT[bytes]) -> None:
            async for _ in records:
                logger.warning("topic leaders has a record; its assignment is what counts")

        @app.on_partitions_assigned.connect
        async def assigned(
            _: object,
            /,
            *given: Any,  # noqa: ANN401 - Faust's signature
            **__: Any,  # noqa: ANN401 - Faust's signature
        ) -> None:
            # A revocation alone says nothing: every rebalance revokes first and assigns again.
            places: set[TopicPartition] = given[0]
            if any(each.partition == options.partition for each in places):
                self._is_unassigned.clear()
                self._is_assigned.set()
            else:
                self._is_assigned.clear()
                self._is_unassigned.set()

    async def _deliver(self, records: Sequence[LogRecord]) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sent = await self._batches.send(value=Batch(records, done))
        await sent
        await done

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Follow, and lead while assigned, until cancelled.

        A term that ends because another leads, or because we cannot tell, ends the process.
        """
        options = self.options
        options.data_dir.mkdir(parents=True, exist_ok=True)
        producer = our_producer(options.bootstrap, f"flumina-{options.candidate}")
        await producer.start()
        publisher = Publisher(self.follower, producer, options.topic_prefix + "job-events")
        log = CellLog(producer, self.follower.topic, options.partition, options.candidate)
        if self._beginnings is not None:
            await self._beginnings.check()
        await self._create_if_new(log)
        if self._beginnings is not None:
            await self._beginnings.begin(self.follower)
        self._app.loop = asyncio.get_running_loop()
        await self._app.start()
        await self.lane.start()
        try:
            end = await log_end(options.bootstrap, self.follower.topic, options.partition)
            await self.follower.until(end - 1)
            logger.info("caught up", offset=self.follower.seen_offset)
            settle()
            ready()
            await self._lead_when_assigned(self._context(log, producer, publisher))
        except LeadershipLost as lost:
            logger.warning("leads no longer; the process ends and is started again", why=str(lost))
            # At once and without farewell: a process that may have been away for minutes must not
            # speak to the consumer group again before it has begun anew.
            os._exit(EXIT_LEADERSHIP_LOST)
        finally:
            await self.lane.stop()
            await self._app.stop()
            await producer.stop()

    def _context(
        self, log: CellLog, producer: AIOKafkaProducer, publisher: Publisher
    ) -> CellContext:
        options = self.options
        return CellContext(
            follower=self.follower,
            log=log,
            producer=producer,
            publisher=publisher,
            bootstrap=options.bootstrap,
            topic_prefix=options.topic_prefix,
            candidate=options.candidate,
            build=options.build,
            surroundings=Surroundings(pace=Pace(behind_s_max=options.behind_s_max)),
        )

    async def _create_if_new(self, log: CellLog) -> None:
        """Write record 0 where the log is empty; of two creators the fold obeys the first."""
        options = self.options
        if await log_end(options.bootstrap, log.topic, options.partition) > 0:
            return
        cell_uuid = uuid.uuid4()
        created = CellCreated(
            cell=options.cell,
            cell_uuid=CellUuid(str(cell_uuid)),
            generation=Generation(cell_uuid.hex[:8]),
        )
        policy = PolicySet(version=1, policy=options.policy)
        await log.append(-1, [created, FoldVersion(version=FOLD_VERSION), policy])

    async def _lead_when_assigned(self, context: CellContext) -> None:
        """Lead whenever the cell is assigned to us; a term that the group takes back ends here."""
        while True:
            await self._is_assigned.wait()
            term = asyncio.create_task(Leader(context, self._connect).run())
            unassigned = asyncio.create_task(self._is_unassigned.wait())
            try:
                await asyncio.wait((term, unassigned), return_when=asyncio.FIRST_COMPLETED)
                if term.done():
                    term.result()
                logger.info("the cell was assigned to another process; following on")
            finally:
                for each in (term, unassigned):
                    each.cancel()
                await asyncio.gather(term, unassigned, return_exceptions=True)

    def _connect(self, framework_id: str) -> ClusterManager:
        options = self.options
        return MesosClient(
            MesosSettings(
                masters=options.masters,
                framework_id=framework_id,
                framework_name=f"flumina-{options.cell}",
                failover_timeout_s=options.failover_timeout_s,
                containerizer=options.containerizer,
            )
        )


def _beginnings(options: CellOptions, topic: str) -> Beginnings | None:
    if not options.store_url:
        return None
    kafka = KafkaLog(options.bootstrap, topic, options.partition)
    return beginnings_of(kafka, options.store_url, options.cell)


def _faust_app(options: CellOptions) -> faust.App:
    brokers = ";".join(f"kafka://{each}" for each in options.bootstrap.split(","))
    return faust.App(
        f"{options.topic_prefix}flumina-cell",
        broker=brokers,
        datadir=str(options.data_dir / "faust"),
        consumer_group_instance_id=options.candidate,
        broker_session_timeout=SESSION_TIMEOUT_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_request_timeout=15.0,
        broker_max_poll_interval=60.0,
        consumer_auto_offset_reset="latest",
        value_serializer="raw",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        table_standby_replicas=0,
    )


async def run_until_signal(process: CellProcess, ready: Callable[[], None]) -> int:
    """Run until SIGTERM or SIGINT; the exit code. A lost leadership ends the process with 3."""
    loop = asyncio.get_running_loop()
    is_over = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, is_over.set)
    running = asyncio.create_task(process.run(ready))
    stopping = asyncio.create_task(is_over.wait())
    await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not running.done():
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return 0
    running.result()
    return 0


def options_of(settings: Settings) -> CellOptions:
    """What the environment says of a cell process; `OperatorError` where it says too little."""
    if settings.kafka_brokers is None or settings.mesos_masters is None:
        raise OperatorError(
            "A cell process needs a Kafka and a Mesos.",
            "KAFKA_BROKERS or MESOS_MASTER is not set; `flumina up` starts both and sets them.",
            "Set them to host:port, or use `flumina up`.",
        )
    return CellOptions(
        bootstrap=settings.kafka_brokers,
        candidate=settings.candidate or f"{socket.gethostname()}-cell",
        masters=settings.mesos_masters,
        data_dir=settings.data_dir,
        topic_prefix=settings.topic_prefix,
        cell=CellName(settings.cell),
        failover_timeout_s=settings.failover_timeout_s,
        containerizer=settings.containerizer,
        build=version("flumina"),
        store_url=store_url_of(settings),
        behind_s_max=float(settings.behind_s),
    )
