"""Ingest while the fold is begun anew: nothing is read from a fold that is not whole.

An operator's skip may come at any moment of a leader's term. Kafka is stood in for by a topic in
memory that hands over its records when the test says so: between a poll and its answer lies the
moment that matters here.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest
from aiokafka.structs import TopicPartition
from structlog.testing import capture_logs

from scheduler.model.address import Source
from scheduler.model.codec import digest_of, encode_mesos
from scheduler.model.events import Copied, LeaderElected
from scheduler.model.foreign_records import encode_partition_began
from scheduler.model.ids import Generation
from scheduler.model.inbound import RecordSkipped
from scheduler.model.mesos import MesosRecord, OffersReceived
from scheduler.model.resources import Resources
from streams.cell import main
from streams.cell.follower import LogRecord
from streams.cell.ingest import Ingest, UnreadableInbound
from streams.cell.main import (
    REST_S_MAX,
    REST_S_MIN,
    SESSION_TIMEOUT_S,
    CellProcess,
    rest_s,
)
from streams.cell.surroundings import Pace, Surroundings
from tests.support.cell import GENERATION, offer_of, running_cell, subscription
from tests.support.leading import HeldLog, turns

PLACE = TopicPartition("mesos", 0)
POISON = b"nobody can read this"


class Record(NamedTuple):
    """What Kafka gives of a record."""

    offset: int
    value: bytes
    key: bytes = b""
    timestamp: int = 0


class Topic:
    """One partition of topic ``mesos``; stands for its consumer as well."""

    def __init__(self) -> None:
        self.values = [encode_partition_began(GENERATION)]
        self.begins = 0
        """What retention has left; below it nothing can be read."""
        self.asked_from: list[int] = []
        """Where each poll began."""
        self._position = 0
        self._is_open = asyncio.Event()

    def add(self, record: MesosRecord) -> None:
        """Append a record; polls do not see it before `hand_over`."""
        self.values.append(encode_mesos(record))

    async def hand_over(self) -> None:
        """Answer polls until they have nothing left to read."""
        self._is_open.set()
        await turns()
        self._is_open.clear()

    async def start(self) -> None:
        """Nothing to connect."""

    async def stop(self) -> None:
        """Nothing to end."""

    def assign(self, places: list[TopicPartition]) -> None:
        """There is one partition."""
        assert places == [PLACE]

    async def beginning_offsets(self, _: object) -> dict[TopicPartition, int]:
        """Where what was not dropped begins."""
        return {PLACE: self.begins}

    async def end_offsets(self, _: object) -> dict[TopicPartition, int]:
        """Where the next record goes."""
        return {PLACE: len(self.values)}

    def seek(self, _: TopicPartition, offset: int) -> None:
        """Where the next poll begins."""
        self._position = offset

    async def getone(self, _: TopicPartition) -> Record:
        """The record at the position."""
        return Record(self._position, self.values[self._position])

    async def getmany(self, *_: object, **__: object) -> dict[TopicPartition, list[Record]]:
        """All from the position on, once the test lets it go."""
        self.asked_from.append(self._position)
        while not self._is_open.is_set() or self._position == len(self.values):
            self._is_open.clear()
            await self._is_open.wait()
        begin, self._position = self._position, len(self.values)
        return {PLACE: [Record(at, self.values[at]) for at in range(begin, len(self.values))]}


class Scene:
    """A leader elected behind a poisoned record, and its ingest of topic ``mesos``."""

    def __init__(self) -> None:
        cell = running_cell(hosts=1)
        self.topic = Topic()
        for _ in range(cell.inbound["mesos"]):
            self.topic.add(subscription(cell.stream_id, cell.epoch))  # Copied before we came.
        self.copied_before = cell.inbound["mesos"]
        self.log = HeldLog(cell)
        self.poison = len(self.log.records)
        self.log.records.append(LogRecord(self.poison, POISON))
        self.epoch = self.log.add(-1, LeaderElected(candidate="cell-1", incarnation="j"))
        self.log.read_back()
        assert self.log.follower.halt is not None
        self._stream = subscription(cell.stream_id, self.epoch)

    def subscribe(self) -> None:
        """Our own stream is heard."""
        self.topic.add(self._stream)

    def offer(self, host: str) -> None:
        """A host is offered on it."""
        offer = offer_of(f"of-{host}", host, Resources(1_000, 512, 1_000))
        self.topic.add(OffersReceived(stream_id=self._stream.stream_id, offers=(offer,)))

    def skip(self) -> None:
        """The operator's skip is read, and the fold begins anew: it holds nothing yet."""
        skip = RecordSkipped(
            offset=self.poison, digest=digest_of(POISON), actor="ann", why="a test"
        )
        source = Source("commands", Generation("0c0c0c0c"), 0, 0, -1)
        self.log.add(self.epoch, Copied(source=source, body=skip))
        self.log.read_back()
        assert self.log.follower.halt is None
        assert self.log.follower.wanted_offset == 0

    async def read_back(self) -> None:
        """Read whatever comes to the log until nothing more comes."""
        while self.log.follower.wanted_offset < len(self.log.records):
            self.log.read_back()
            await turns()

    def offered(self) -> set[str]:
        """The offers that the fold holds."""
        assert self.log.follower.halt is None
        return set(self.log.follower.machine.state.offers)


def with_a_halted_leader(
    scenario: Callable[[Scene], Awaitable[None]],
    *,
    is_skipped_first: bool = False,
    behind_s_max: float = 30.0,
    dropped: int = 0,
) -> None:
    """Run the scenario beside an ingest that polls; with the skip first, the fold is empty then.

    ``dropped``: so many offers came before, which Kafka dropped.
    """

    async def run() -> None:
        scene = Scene()
        surroundings = Surroundings(open_consumer=lambda *_: scene.topic)
        for number in range(dropped):
            scene.offer(f"gone{number}")
        scene.topic.begins = len(scene.topic.values) if dropped else 0
        if is_skipped_first:
            scene.skip()
        log = scene.log
        lead = log.lead(scene.epoch)
        lead.pace = Pace(tick_s=0.005, behind_s_max=behind_s_max)
        copying = asyncio.create_task(
            Ingest(
                lead,
                log.follower,
                "nowhere",
                "mesos",
                "mesos",
                surroundings=surroundings,
            ).run()
        )
        await turns()
        try:
            await scenario(scene)
            assert not copying.done(), "the leader would have ended"
        finally:
            copying.cancel()
            await asyncio.gather(copying, return_exceptions=True)

    asyncio.run(run())


def test_a_skip_while_a_poll_is_open_voids_what_was_known_of_the_fold() -> None:
    async def scenario(scene: Scene) -> None:
        scene.subscribe()
        scene.offer("host9")
        scene.skip()
        await scene.topic.hand_over()
        await scene.read_back()
        await scene.topic.hand_over()
        await scene.read_back()
        assert scene.offered() == {"of-host9"}
        assert scene.topic.asked_from[:2] == [scene.copied_before + 1] * 2

    with_a_halted_leader(scenario)


def test_a_term_that_begins_while_the_fold_is_begun_anew_copies_nothing_twice() -> None:
    async def scenario(scene: Scene) -> None:
        scene.subscribe()
        scene.offer("host9")
        assert not scene.topic.asked_from, "the watermark is not known yet"
        await scene.read_back()
        await scene.topic.hand_over()
        await scene.read_back()
        assert scene.offered() == {"of-host9"}
        assert scene.topic.asked_from[0] == scene.copied_before + 1

    with_a_halted_leader(scenario, is_skipped_first=True)


def test_what_was_copied_while_the_fold_was_halted_counts_once_it_goes_on() -> None:
    async def scenario(scene: Scene) -> None:
        scene.subscribe()
        scene.offer("host8")
        await scene.topic.hand_over()
        await scene.read_back()
        assert scene.log.follower.halt is not None
        scene.skip()
        scene.offer("host9")
        await scene.topic.hand_over()
        await scene.read_back()
        await scene.topic.hand_over()
        await scene.read_back()
        assert scene.offered() == {"of-host8", "of-host9"}
        # Nothing of what the halted fold never saw is copied a second time.
        assert scene.topic.asked_from[-2] == scene.copied_before + 3

    with_a_halted_leader(scenario)


def test_what_kafka_dropped_behind_a_halted_fold_is_named_and_the_rest_is_copied() -> None:
    """The halted fold's watermark stays where it was: a run of offers must not begin there."""

    async def scenario(scene: Scene) -> None:
        await scene.read_back()
        scene.subscribe()
        scene.offer("host9")
        await scene.topic.hand_over()
        await scene.read_back()
        assert scene.log.follower.halt is not None
        scene.skip()
        await scene.read_back()
        await scene.topic.hand_over()
        await scene.read_back()
        assert scene.offered() == {"of-host9"}
        lane = "mesos", PLACE.partition
        mark = scene.log.follower.machine.state.watermarks[lane]
        assert mark.offset == len(scene.topic.values) - 1

    with_a_halted_leader(scenario, dropped=2)


def test_behind_a_fold_that_is_halted_for_long_nothing_more_is_copied() -> None:
    async def scenario(scene: Scene) -> None:
        before = len(scene.log.records)
        scene.subscribe()
        scene.offer("host9")
        await scene.topic.hand_over()
        assert not scene.topic.asked_from, "the topic keeps it; the log does not grow"
        assert len(scene.log.records) == before
        scene.skip()
        async with asyncio.timeout(5):
            while not scene.topic.asked_from:
                await asyncio.sleep(0.005)
                scene.log.read_back()
        await scene.topic.hand_over()
        await scene.read_back()
        await scene.topic.hand_over()
        await scene.read_back()
        assert scene.offered() == {"of-host9"}

    with_a_halted_leader(scenario, behind_s_max=0.0)


def test_what_can_be_read_before_an_unreadable_record_is_copied_and_then_the_term_ends() -> None:
    """The records before it are in no danger; only what stands behind it has to wait."""

    async def run() -> tuple[Scene, list[dict[str, object]], BaseException]:
        scene = Scene()
        scene.skip()
        lead = scene.log.lead(scene.epoch)
        lead.pace = Pace(tick_s=0.005)
        await scene.read_back()
        scene.subscribe()
        scene.offer("host9")
        scene.topic.values.append(POISON)
        scene.offer("host10")
        surroundings = Surroundings(open_consumer=lambda *_: scene.topic)
        ingest = Ingest(
            lead, scene.log.follower, "nowhere", "mesos", "mesos", surroundings=surroundings
        )
        with capture_logs() as lines:
            copying = asyncio.create_task(ingest.run())
            await turns()
            await scene.topic.hand_over()
            await scene.read_back()
            await turns()
            (ended,) = await asyncio.gather(copying, return_exceptions=True)
        assert isinstance(ended, BaseException)
        return scene, [dict(line) for line in lines], ended

    scene, lines, ended = asyncio.run(run())
    assert scene.offered() == {"of-host9"}
    assert isinstance(ended, UnreadableInbound)
    (why,) = [line["why"] for line in lines if line.get("page")]
    assert f"record {len(scene.topic.values) - 2} of topic mesos" in str(why)


def test_whoever_was_stopped_by_a_record_rests_the_longer_the_older_it_is() -> None:
    """Out of the group for longer than a session, so that a build that knows it may lead."""
    ages_s = (0, 3, 25, 3_600)
    rests = [
        rest_s(UnreadableInbound("mesos", 7, POISON, 1_000, ValueError()), 1_000 + 1_000 * age)
        for age in ages_s
    ]
    assert rests == [REST_S_MIN, REST_S_MIN, 25, REST_S_MAX]
    assert REST_S_MIN > SESSION_TIMEOUT_S


class Stopped(CellProcess):
    """A worker whose leader has met a record that it cannot read: it needs no Kafka to end."""

    def __init__(self) -> None:
        """Nothing is opened."""

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """End as a term within a group of coroutines ends."""
        ready()
        error = UnreadableInbound("mesos", 7, POISON, 0, ValueError())
        raise ExceptionGroup("seats", [ExceptionGroup("term", [error])])


def test_a_stopped_process_rests_before_it_ends_unless_it_is_told_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(main, "REST_S_MAX", 0.05)
    begun_s = time.monotonic()
    with pytest.raises(ExceptionGroup):
        asyncio.run(main.run_until_signal(Stopped(), lambda: None))
    assert time.monotonic() - begun_s >= 0.05
    monkeypatch.setattr(main, "REST_S_MAX", 3_600.0)
    with pytest.raises(ExceptionGroup):
        asyncio.run(main.run_until_signal(Stopped(), lambda: os.kill(os.getpid(), signal.SIGTERM)))
