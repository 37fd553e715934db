"""Perpetual queries at work: started, stopped, and carried on by whichever process has the seat.

The one thing to know: whoever Kafka assigns the partition of topic ``queries`` to runs all streams,
so two processes never do the same. A stream's rows are written first and its place is committed
after, so a kill loses none; what is written again has the id it had.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog

from connectors.cancelling import end_all, to_its_end
from connectors.web.kept.ports import NotKept
from connectors.web.query.problems import QueryProblem
from projections.query.kept import Entry, ToAlert, ToMetric
from streams.clock import elapsed_s
from streams.kafka.security import client_options
from streams.query.asked import LIVE, Asked, When, checked_query
from streams.query.derived_places import Places, group_of
from streams.query.derived_sinks import AlertSink, MetricSink, SinkAtWork, SinkFailed, TopicSink
from streams.query.kept import TOPIC, KeptQueries
from streams.query.places import Place, place_of
from streams.query.serving import Serving
from streams.query.session import Session

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer
    from prometheus_client import CollectorRegistry

    from streams.pages.desk import Desk

logger = structlog.get_logger(__name__)

COMMIT_S: Final = 5.0
RETRY_S: Final = 2.0
RETRY_S_MAX: Final = 60.0
LOOK_MS: Final = 1_000
SESSION_TIMEOUT_MS: Final = 10_000
"""After so long without a sign of life another process takes over."""
GROUP: Final = "flumina-streams"


class Stream:
    """One perpetual query; `run` until cancelled, or until its limit is reached."""

    def __init__(self, entry: Entry, serving: Serving, sink: SinkAtWork) -> None:
        self.entry = entry
        self._serving, self._sink = serving, sink
        self.state = "starting"
        self.why = ""
        self.rows = 0
        self.restarts = 0
        self._committed_s = 0.0

    async def run(self) -> None:
        """Read and write; faults that pass are waited for."""
        pause_s = RETRY_S
        while True:
            began_s = elapsed_s()
            try:
                if await self._run():
                    self.state = "ended"
                    return
            except SinkFailed as failed:
                self.state, self.why = "failed", str(failed)
                logger.error("a stream cannot run", stream=self.name, why=self.why)  # noqa: TRY400 - told whole
                return
            except Exception as error:  # noqa: BLE001 - one stream's fault is not the others'
                self.state, self.why = "waiting", f"{type(error).__name__}: {error}"
                logger.warning("a stream waits", stream=self.name, why=self.why)
            pause_s = RETRY_S if elapsed_s() - began_s > RETRY_S_MAX else pause_s * 2
            self.restarts += 1
            await asyncio.sleep(min(pause_s, RETRY_S_MAX))

    @property
    def name(self) -> str:
        """What it is called."""
        return self.entry.kept.name

    def status(self) -> dict[str, Any]:
        """How it does."""
        return {
            "state": self.state,
            "why": self.why,
            "rows": self.rows,
            "restarts": self.restarts,
        }

    async def _run(self) -> bool:
        """Whether it is over for good; raises what goes wrong."""
        kept = self.entry.kept
        query = checked_query(kept.mql)
        asked = Asked(query, LIVE, None, "all", 0, f"stream-{kept.name}", "", None)
        kafka = self._serving.kafka
        group = group_of(kafka.prefix, kept.name, self.entry.version)
        places = Places(kafka, group, kafka.lanes(asked.topics))
        async with AsyncExitStack() as stack:
            stack.push_async_callback(places.close)
            committed = await places.open()
            stack.push_async_callback(self._sink.close)
            written = await self._sink.open()
            session = await self._begun(asked, _later(committed, written))
            stack.push_async_callback(self._serving.close, session)
            # Before the first row as well: else what comes until then would be lost by a kill.
            await self._commit(places, session.run.place_id())
            self.state, self.why = "running", ""
            while not session.reason:
                said = await session.step()
                if said:
                    await self._sink.take(said)
                    self.rows += len(said)
                if elapsed_s() - self._committed_s >= COMMIT_S:
                    await self._commit(places, session.run.place_id())
            await self._commit(places, session.run.place_id())
            self.why = session.reason
            return session.run.is_over

    async def _begun(self, asked: Asked, place: Place | None) -> Session:
        begin = When("begin") if self.entry.kept.start == "begin" else LIVE
        wanted = Asked(asked.query, begin, None, "all", 0, asked.client, asked.subscription, place)
        try:
            return await self._serving.open(wanted)
        except QueryProblem as problem:
            if place is None or problem.status is not HTTPStatus.GONE:
                raise
            # What was to be read next is kept no more: it goes on with what there is, and says so.
            why = str(problem)
        logger.error("a stream has lost records", stream=self.name, why=why, page=True)
        again = Asked(asked.query, When("begin"), None, "all", 0, asked.client, "", None)
        session = await self._serving.open(again)
        session.run.sequence = place.sequence
        return session

    async def _commit(self, places: Places, text: str) -> None:
        place = place_of(text)
        if place is not None:
            await places.commit(place, text)
        self._committed_s = elapsed_s()


def _later(one: Place | None, other: Place | None) -> Place | None:
    """The place with more rows behind it; of equal ones the first."""
    if one is None or other is None:
        return one or other
    return other if other.sequence > one.sequence else one


class DerivedStreams:
    """All perpetual queries, while this process has the seat."""

    def __init__(
        self,
        kept: KeptQueries,
        serving: Serving,
        registry: "CollectorRegistry",
        cell: str,
        desk_of: "Callable[[], Desk]",
    ) -> None:
        """``desk_of``: where pages go, opened by the first stream that needs it."""
        self._kept, self._serving, self._registry = kept, serving, registry
        self._cell, self._desk_of = cell, desk_of
        self._streams: dict[str, tuple[Stream, asyncio.Task[None]]] = {}
        self._changed = asyncio.Event()
        self.has_seat = False
        kept.listeners.append(self._changed.set)
        kept.status_of = self.status

    @property
    def running(self) -> list[Stream]:
        """The streams that this process runs, by name."""
        return [self._streams[name][0] for name in sorted(self._streams)]

    def status(self, name: str) -> dict[str, Any]:
        """How a stream does; where it does not run here, that."""
        found = self._streams.get(name)
        if found is None:
            return {"state": "elsewhere" if not self.has_seat else "starting"}
        return found[0].status()

    async def run(self) -> None:
        """Run until cancelled; without a stream nothing is open."""
        try:
            while True:
                self._changed.clear()
                try:
                    if await self._kept.entries("stream"):
                        await self._sit()
                    else:
                        await self._changed.wait()
                except asyncio.CancelledError:
                    raise
                except Exception as error:  # noqa: BLE001 - Kafka's client has no one base of errors
                    logger.warning("streams wait for Kafka", why=repr(error))
                    await asyncio.sleep(RETRY_S)
        finally:
            await self._stop_all()

    async def _sit(self) -> None:
        """Try for the seat, and run what there is while this process has it."""
        from aiokafka import AIOKafkaConsumer  # noqa: PLC0415 - see `Kafka.place`

        kafka = self._serving.kafka
        consumer = AIOKafkaConsumer(
            kafka.prefix + TOPIC,
            **client_options(kafka.bootstrap),
            client_id="flumina-streams",
            group_id=kafka.prefix + GROUP,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=SESSION_TIMEOUT_MS // 4,
            request_timeout_ms=15_000,
        )
        try:
            await consumer.start()
            is_first = True
            while True:
                is_changed = await self._look(consumer) or self._changed.is_set() or is_first
                if self.has_seat and is_changed:
                    is_first = False
                    self._changed.clear()
                    if not await self._follow():
                        return
        finally:
            self.has_seat = False
            await self._stop_all()
            await to_its_end(consumer.stop())

    async def _look(self, consumer: "AIOKafkaConsumer") -> bool:
        """Whether something was written, or the seat has changed hands; waits a little."""
        found = await consumer.getmany(timeout_ms=LOOK_MS)
        has_seat = bool(consumer.assignment())
        is_other = has_seat != self.has_seat
        self.has_seat = has_seat
        if is_other and not has_seat:
            await self._stop_all()
        return is_other or any(found.values())

    async def _follow(self) -> bool:
        """Start and stop what is to run; whether anything is."""
        try:
            entries = {each.kept.name: each for each in await self._kept.entries("stream")}
        except NotKept as error:
            logger.warning("streams are not known", why=str(error))
            self._changed.set()
            return True
        for name, (stream, _) in list(self._streams.items()):
            if name not in entries or entries[name].version != stream.entry.version:
                await self._stop(name)
        for name, entry in entries.items():
            if name not in self._streams:
                stream = Stream(entry, self._serving, self._sink_of(entry))
                self._streams[name] = stream, asyncio.create_task(stream.run())
                logger.info("stream starts", stream=name, actor=entry.kept.actor)
        return bool(entries)

    def _sink_of(self, entry: Entry) -> SinkAtWork:
        kept, desk = entry.kept, self._desk_of()
        match kept.sink:
            case ToMetric() as sink:
                return MetricSink(self._registry, sink, kept.description)
            case ToAlert() as sink:
                return AlertSink(desk, self._cell, kept, sink)
            case _:
                return TopicSink(self._serving.kafka, kept.name, entry.version)

    async def _stop(self, name: str) -> None:
        _, task = self._streams.pop(name)
        await end_all(task)
        logger.info("stream stops", stream=name)

    async def _stop_all(self) -> None:
        for name in list(self._streams):
            await self._stop(name)
