"""The cell process: follows cells' logs, and leads those that the consumer group gives it.

The one thing to know: leadership is an assignment. Whoever is assigned partition n of topic
``leaders`` may try to lead cell n; the election record in the cell's own log decides. A process
that finds a leadership lost ends with code 3, and is started again by whoever keeps it running:
nothing of an old term lingers in memory. Several cells spread over several workers so; each has a
seat (`streams/cell/seat.py`) in every worker, with its own fold, lanes, outbox and Mesos stream.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from typing import Any, Final

import faust
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from connectors.cancelling import TaskGroup, end_all
from scheduler.model.ids import CellName
from streams.cell.ingest import UnreadableInbound
from streams.cell.lead import LeadershipLost
from streams.cell.seat import TERM_ENDS_S, Batch, CellOptions, Seat, unbegun
from streams.cell.steady import SteadyChannel
from streams.cell.writer import our_producer
from streams.clock import now_ms
from streams.errors import OperatorError
from streams.garbage import settle
from streams.kafka.patience import REQUEST_TIMEOUT_S
from streams.kafka.security import faust_options
from streams.settings import Settings, store_url_of
from streams.stopping import stop_event
from streams.tracing.opening import spans_of
from streams.upgrade.announcing import announce
from streams.upgrade.reader import reader_here

logger = structlog.get_logger(__name__)

SESSION_TIMEOUT_S = 6.0
"""The least that brokers allow by default; leadership moves this long after a leader dies."""
HEARTBEAT_S = 1.0
EXIT_LEADERSHIP_LOST = 3
REST_S_MIN: Final = 10.0
REST_S_MAX: Final = 60.0
"""Who was stopped by a record that it cannot read stays out of the group for so long, which is more
than a session: meanwhile a build that knows the record may lead."""
BEHIND_RECORDS_MAX: Final = 20_000
"""A fold further behind than this, some ten seconds of work, has not caught up."""
WARM_CELLS_MAX: Final = 8
"""With so many cells a worker follows all, so that it leads any of them at once; with more it
follows those that it is assigned, and begins one at its last snapshot."""


class CellProcess:
    """One worker: a Faust app, and a seat for each cell, led when it is assigned."""

    def __init__(self, options: CellOptions, warm_cells_max: int = WARM_CELLS_MAX) -> None:
        self.options = options
        self._is_warm = len(options.cells) <= warm_cells_max
        self._app = _faust_app(options)
        self._batches = SteadyChannel(self._app)
        self._is_in_group = False
        self.seats = [Seat(options, number, self._send) for number in range(len(options.cells))]
        self._define_agents()

    async def _send(self, batch: Batch) -> None:
        """Hand records to the folding agent, or fold them here where agents do not run yet."""
        if self._is_in_group:
            await self._batches.hand_over(batch)
        else:
            _fold(batch)

    def _define_agents(self) -> None:
        app, options = self._app, self.options
        leaders = app.topic(
            options.topic_prefix + "leaders", value_type=bytes, value_serializer="raw"
        )

        @app.agent(self._batches, name="fold")
        async def fold(batches: faust.StreamT[Batch]) -> None:
            async for batch in batches:
                _fold(batch)

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
            ours = {each.partition for each in places}
            logger.info("cells were assigned", cells=[options.cells[each] for each in sorted(ours)])
            for seat in self.seats:
                seat.assign(is_ours=seat.partition in ours)

    def why_not_ready(self) -> str:
        """Why no cell of this worker could be led at once; empty where all that are followed could.

        A follower that hears nothing of Kafka is as ready as before: so is every other one.
        """
        followed = [seat for seat in self.seats if seat.is_followed]
        halts = [seat.follower.halt for seat in followed]
        if said := [each.sentence() for each in halts if each is not None]:
            return said[0]
        behind = [seat for seat in followed if seat.lane.lag > BEHIND_RECORDS_MAX]
        return "; ".join(f"{seat.cell} is {seat.lane.lag} records behind" for seat in behind)

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Follow, and lead what is assigned, until cancelled.

        A term that ends because another leads, or because we cannot tell, ends the process.
        """
        options = self.options
        options.data_dir.mkdir(parents=True, exist_ok=True)
        spans = spans_of(options.traces, "cell", options.candidate)
        for seat in self.seats:
            seat.spans = spans
        producer = our_producer(options.bootstrap, f"flumina-{options.candidate}")
        await producer.start()
        self._app.loop = asyncio.get_running_loop()
        reader = reader_here(options.candidate, "cell", options.build)
        announcing = [
            asyncio.create_task(announce(producer, options.topic_prefix, each.partition, reader))
            for each in self.seats
        ]
        try:
            # What may not be followed is told before the group hears of us.
            warm = await self._begun(producer) if self._is_warm else []
            # Nor does it before all is folded: who was killed and is back in a moment would be
            # given its cells again, though another process could lead them at once.
            await asyncio.gather(*(self._follow(seat, producer) for seat in warm))
            await self._app.start()
            self._is_in_group = True
            settle()
            ready()
            async with TaskGroup() as group:
                for seat in self.seats:
                    others = partial(self._leads_beside, seat)
                    group.create_task(seat.lead_when_assigned(producer, others))
        except* LeadershipLost as lost:
            why = str(lost.exceptions[0])
            logger.warning("leads no longer; the process ends and is started again", why=why)
            # At once and without farewell: a process that may have been away for minutes must not
            # speak to the consumer group again before it has begun anew.
            os._exit(EXIT_LEADERSHIP_LOST)
        finally:
            await end_all(*announcing)
            for seat in self.seats:
                await seat.stop()
            await self._app.stop()
            await producer.stop()
            if spans is not None:
                await asyncio.to_thread(spans.close)

    def _leads_beside(self, seat: Seat) -> bool:
        return any(each.is_leading for each in self.seats if each is not seat)

    async def _begun(self, producer: AIOKafkaProducer) -> list[Seat]:
        """The seats that can be followed; raises `OperatorError` when that is none of them."""
        faults: list[tuple[Seat, OperatorError]] = []
        for seat in self.seats:
            try:
                await seat.begin(producer)
            except OperatorError as error:
                faults.append((seat, error))
        if len(faults) == len(self.seats):
            raise faults[0][1]
        for seat, fault in faults:
            unbegun(fault, seat.cell)
        return [seat for seat in self.seats if seat.is_begun]

    async def _follow(self, seat: Seat, producer: AIOKafkaProducer) -> None:
        # In a task of its own, whose lines name the cell, and so do those of what it starts.
        structlog.contextvars.bind_contextvars(cell=seat.cell)
        await seat.follow(producer)


def _fold(batch: Batch) -> None:
    with structlog.contextvars.bound_contextvars(cell=batch.seat.cell):
        batch.seat.follower.take(batch.records)
    batch.done.set_result(None)


def _faust_app(options: CellOptions) -> faust.App:
    return faust.App(
        f"{options.topic_prefix}flumina-cell",
        **faust_options(options.bootstrap),
        datadir=str(options.data_dir / "faust"),
        consumer_group_instance_id=options.candidate,
        broker_session_timeout=SESSION_TIMEOUT_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_request_timeout=REQUEST_TIMEOUT_S,
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
    is_over = stop_event()
    running = asyncio.create_task(process.run(ready))
    stopping = asyncio.create_task(is_over.wait())
    await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not running.done():
        await end_all(running, again_s=TERM_ENDS_S)
        return 0
    try:
        running.result()
    except* UnreadableInbound as stopped:
        rests_s = [rest_s(each, now_ms()) for each in _leaves(stopped)]
        with suppress(TimeoutError):
            async with asyncio.timeout(max(rests_s)):
                await is_over.wait()
        raise
    return 0


def rest_s(stopped: UnreadableInbound, at_ms: int) -> float:
    """How long to rest before the record is tried again: as long as it has been there.

    So each rest is as long as all before it together, whoever rested, without remembering any.
    """
    age_s = (at_ms - stopped.written_at_ms) / 1_000
    return min(REST_S_MAX, max(REST_S_MIN, age_s))


def _leaves(group: BaseExceptionGroup[UnreadableInbound]) -> Iterator[UnreadableInbound]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each


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
        cells=tuple(map(CellName, settings.cell_names)),
        failover_timeout_s=settings.failover_timeout_s,
        containerizer=settings.containerizer,
        build=version("flumina"),
        store_url=store_url_of(settings),
        volumes=settings.volumes,
        cloud=settings.cloud,
        healing=settings.healing,
        traces=settings.traces,
        behind_s_max=float(settings.behind_s),
        is_writing_at_once=settings.is_writing_at_once,
        secret_keys=settings.secret_keys,
        secret_provider=settings.secret_provider,
    )
