"""One cell in one process: its fold, its lane, and the terms in which this process leads it.

The one thing to know: a worker has a seat for every cell, and the seats have nothing in common but
the process. A cell that cannot be followed, or whose leader fails, is paged and tried again by
itself while the others of the worker go on.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import structlog
from aiokafka import AIOKafkaProducer

from connectors.cancelling import end_all
from connectors.mesos.client import MesosClient
from connectors.mesos.containers import Containerizer
from connectors.mesos.settings import MesosSettings
from connectors.objects.opening import open_store
from connectors.ports import ClusterManager, ObjectStore, StoreFailed
from connectors.volumes.opening import Providers, VolumeSettings
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
from streams.cell.writer import CellLog
from streams.errors import OperatorError
from streams.history.kafka_log import KafkaLog
from streams.logs import Place, place_by
from streams.secrets.opening_manager import OpeningManager
from streams.snapshots.opening import Beginnings, beginnings_of
from streams.tracing.of_cell import CellTracing
from streams.tracing.spans import SpanQueue
from streams.upgrade.announcing import Listening

logger = structlog.get_logger(__name__)

TRY_AGAIN_S_MIN: Final = 5.0
TRY_AGAIN_S_MAX: Final = 60.0
"""Between two attempts at a cell that fails, in a worker that has other cells."""
TERM_ENDS_S: Final = 30.0
"""What a leader may take to put its things in order before it is told once more to end."""
HANDED_ON_S_MAX: Final = 5.0
"""Another worker may be elected before we have heard that the group gave it the cell."""


class CellOptions(msgspec.Struct, frozen=True):
    """What a cell process must be told."""

    bootstrap: str
    candidate: str
    """Unique and the same at every start: the static membership of the group."""
    masters: tuple[str, ...]
    data_dir: Path
    topic_prefix: str = ""
    cells: tuple[CellName, ...] = (CellName("main"),)
    """All cells of the installation, in the order of their partitions."""
    policy: Policy = Policy()
    """What a new cell begins with; a cell that exists has its own in its log."""
    failover_timeout_s: float = 604_800
    containerizer: Containerizer = "none"
    build: str = ""
    store_url: str = ""
    """Where snapshots are; without, the log is folded from its beginning."""
    volumes: VolumeSettings = VolumeSettings()
    cloud: str = ""
    """Who scales groups of hosts; empty: nobody."""
    healing: str = ""
    """Who runs scripts on hosts; empty: nobody."""
    traces: float | None = None
    """The share of requests that begin a trace; None: tracing is off."""
    behind_s_max: float = PACE.behind_s_max
    is_writing_at_once: bool = False
    """With the fold halted for so long, only operators' commands are copied."""
    secret_keys: str = ""
    """Where the key ring of secrets is; empty: there is none."""
    secret_provider: str = ""
    """Who wraps its keys."""


class Batch(msgspec.Struct):
    """Records handed to the folding agent; ``done`` tells the lane to go on."""

    seat: "Seat"
    records: Sequence[LogRecord]
    done: asyncio.Future[None]


Send = Callable[[Batch], Awaitable[None]]


class Seat:
    """One cell in this process: `follow` begins, `lead_when_assigned` goes on until cancelled."""

    def __init__(self, options: CellOptions, partition: int, send: Send) -> None:
        self.options = options
        self.cell = options.cells[partition]
        self.partition = partition
        self.is_begun = False
        self.is_followed = False
        self.is_assigned = asyncio.Event()
        self.is_unassigned = asyncio.Event()
        self.is_leading = False
        topic = options.topic_prefix + "cell"
        self._beginnings = self._beginnings_of(topic)
        find_base = self._beginnings.find_base if self._beginnings else None
        self.follower = Follower(topic, partition, BareFold, find_base)
        self.lane = Lane(self.follower, options.bootstrap, self._deliver)
        self._send = send
        self._context: CellContext | None = None
        self.spans: SpanQueue | None = None
        """Where spans go; the worker's own, for all of its cells."""

    def _beginnings_of(self, topic: str) -> Beginnings | None:
        options = self.options
        if not options.store_url:
            return None
        kafka = KafkaLog(options.bootstrap, topic, self.partition)
        return beginnings_of(kafka, options.store_url, self.cell)

    async def _deliver(self, records: Sequence[LogRecord]) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._send(Batch(self, records, done))
        await done

    def assign(self, *, is_ours: bool) -> None:
        """Note what the group has decided about the cell."""
        here, gone = self.is_assigned, self.is_unassigned
        if not is_ours:
            here, gone = gone, here
        gone.clear()
        here.set()

    async def begin(self, producer: AIOKafkaProducer) -> None:
        """Find where to begin, and begin the log itself where it is empty.

        Raises `OperatorError` where this log may not be followed; then it can be tried again.
        """
        if self.is_begun:
            return
        options, follower = self.options, self.follower
        log = CellLog(producer, follower.topic, self.partition, options.candidate)
        if self._beginnings is not None:
            await self._beginnings.check()
        await self._create_if_new(log)
        if self._beginnings is not None:
            await self._beginnings.begin(follower)
        self._context = CellContext(
            follower=follower,
            log=log,
            producer=producer,
            publisher=Publisher(follower, producer, options.topic_prefix + "job-events"),
            bootstrap=options.bootstrap,
            topic_prefix=options.topic_prefix,
            candidate=options.candidate,
            build=options.build,
            cloud=options.cloud,
            healing=options.healing,
            readers=partial(Listening, options.bootstrap, options.topic_prefix, self.partition),
            is_writing_at_once=options.is_writing_at_once,
            volumes=self._volumes(),
            surroundings=Surroundings(pace=Pace(behind_s_max=options.behind_s_max)),
            tracing=self._tracing(),
        )
        place_by(self.cell, lambda: Place(follower.machine.state.epoch, follower.seen_offset))
        self.is_begun = True

    def _tracing(self) -> CellTracing | None:
        if self.spans is None:
            return None
        return CellTracing(self.spans, self.options.traces or 0.0, self.follower)

    def _volumes(self) -> Providers:
        store_url = self.options.store_url

        def store() -> ObjectStore:
            if not store_url:
                raise StoreFailed("there is no store for archives: set FLUMINA_STORE")
            return open_store(store_url)

        return Providers(self.options.volumes, self.options.data_dir, store)

    async def follow(self, producer: AIOKafkaProducer) -> None:
        """Follow the cell's log, and return when all that stood in it has been folded.

        Raises as `begin` does.
        """
        if self.is_followed:
            return
        await self.begin(producer)
        options, follower = self.options, self.follower
        await self.lane.start()
        self.is_followed = True
        end = await log_end(options.bootstrap, follower.topic, self.partition)
        await follower.until(end - 1)
        logger.info("caught up", offset=follower.seen_offset)

    async def stop(self) -> None:
        """Follow no longer."""
        if self.is_followed:
            await self.lane.stop()

    async def _create_if_new(self, log: CellLog) -> None:
        """Write record 0 where the log is empty; of two creators the fold obeys the first."""
        if await log_end(self.options.bootstrap, log.topic, self.partition) > 0:
            return
        cell_uuid = uuid.uuid4()
        created = CellCreated(
            cell=self.cell,
            cell_uuid=CellUuid(str(cell_uuid)),
            generation=Generation(cell_uuid.hex[:8]),
        )
        policy = PolicySet(version=1, policy=self.options.policy)
        await log.append(-1, [created, FoldVersion(version=FOLD_VERSION), policy])

    async def lead_when_assigned(
        self, producer: AIOKafkaProducer, are_others_led: Callable[[], bool]
    ) -> None:
        """Lead whenever the cell is assigned to us; a term that the group takes back ends here.

        Raises `LeadershipLost` where a term ended for another reason: what is left of it in this
        process may not go on. ``are_others_led``: whether that would cost other cells something.
        """
        structlog.contextvars.bind_contextvars(cell=self.cell)
        pause_s = TRY_AGAIN_S_MIN
        while True:
            await self.is_assigned.wait()
            try:
                await self.follow(producer)
                await self._one_term(are_others_led)
                pause_s = TRY_AGAIN_S_MIN
            except LeadershipLost:
                raise
            except Exception as error:
                if len(self.options.cells) == 1:
                    raise
                why = f"{type(error).__name__}: {error}"
                logger.critical("the cell failed here; it is tried again", page=True, why=why)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, TRY_AGAIN_S_MAX)

    async def _one_term(self, are_others_led: Callable[[], bool]) -> None:
        assert self._context is not None
        term = asyncio.create_task(Leader(self._context, self._connect).run())
        unassigned = asyncio.create_task(self.is_unassigned.wait())
        self.is_leading = True
        try:
            await asyncio.wait((term, unassigned), return_when=asyncio.FIRST_COMPLETED)
            if term.done():
                await self._ended(term, are_others_led)
            logger.info("the cell was assigned to another process; following on")
        finally:
            self.is_leading = False
            await end_all(term, unassigned, again_s=TERM_ENDS_S)

    async def _ended(self, term: "asyncio.Task[None]", are_others_led: Callable[[], bool]) -> None:
        """Return if the term ended because the group gave the cell to another; raises else.

        Of several cells one is not worth the others' leadership: who was elected in our place may
        have heard of it before us, so the group's word is waited for a moment. Nothing acts
        meanwhile, for the term is over.
        """
        try:
            term.result()
        except LeadershipLost as lost:
            self.is_leading = False
            if not (lost.is_outvoted and are_others_led()):
                raise
            logger.info("another leader was elected; waiting to hear it from the group")
            try:
                async with asyncio.timeout(HANDED_ON_S_MAX):
                    await self.is_unassigned.wait()
            except TimeoutError:
                raise lost from None

    def _connect(self, framework_id: str) -> ClusterManager:
        options = self.options
        client = MesosClient(
            MesosSettings(
                masters=options.masters,
                framework_id=framework_id,
                framework_name=f"flumina-{self.cell}",
                failover_timeout_s=options.failover_timeout_s,
                containerizer=options.containerizer,
            )
        )
        return OpeningManager(client, options.secret_keys, options.secret_provider)


def unbegun(error: OperatorError, cell: str) -> None:
    """Page that a cell cannot be followed here, in a worker that goes on with others."""
    logger.critical("the cell cannot be followed", page=True, cell=cell, why=str(error))
